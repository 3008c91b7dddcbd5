"""What the host knows of a control point's link. The control point connects to us, so nothing is
tried: this is read from the database, in the open scope.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509

from messaging.models import Link, Message
from messaging.probing.certificates import left_of, shown, worst_of
from messaging.probing.report import Colour, Finding, Step
from messaging.relay import presence
from messaging.relay.codecs import legacy_codec
from tenants.audit.events import stamp
from tenants.models import Certificate, Endpoint

LOOK_BACK = timedelta(days=1)


def look_at(endpoint: Endpoint, at: datetime) -> list[Step]:
    link = Link.objects.filter(endpoint=endpoint).first()
    return [
        Step("certificate", _certificate(endpoint, at)),
        Step("link", _link(link, at)),
        Step("heartbeat", _heartbeat(endpoint, link)),
        Step("last message", _last_message(endpoint, at)),
    ]


def _certificate(endpoint: Endpoint, at: datetime) -> Finding:
    """Of those that may still be shown: one that lasts is enough."""
    rows = Certificate.objects.filter(
        endpoint=endpoint, purpose=Certificate.Purpose.CONTROL_POINT
    ).exclude(state=Certificate.State.REVOKED)
    leaves = [x509.load_pem_x509_certificates(row.pem.encode())[0] for row in rows.only("pem")]
    if not leaves:
        return Finding(Colour.RED, "no certificate is installed: it can't connect")
    last = max(leaves, key=lambda leaf: leaf.not_valid_after_utc)
    detail = {"certificates": [shown(leaf, at) for leaf in leaves]}
    return Finding(worst_of([last], at), left_of(last, at), detail)


def _link(link: Link | None, at: datetime) -> Finding:
    if link is None or link.up_at is None:
        return Finding(Colour.RED, "it has never connected")
    detail = {
        "up_at": stamp(link.up_at),
        "down_at": stamp(link.down_at) if link.down_at else None,
        "address": link.address,
        "last_taken": link.last_taken,
        "last_given": link.last_given,
    }
    if _is_up(link):
        return Finding(Colour.GREEN, f"up since {_told(link.up_at)}, from {link.address}", detail)
    if link.gateway is not None:
        return Finding(Colour.RED, "down: the gateway that held it is gone", detail)
    since = link.down_at or link.up_at
    return Finding(Colour.RED, f"down since {_told(since)}", detail)


def _heartbeat(endpoint: Endpoint, link: Link | None) -> Finding:
    """A gateway closes a link that it hears nothing of, so one that is up was heard of lately. When
    exactly, only that gateway knows.
    """
    if link is None or not _is_up(link):
        return Finding(Colour.GREY, "no link is up")
    limits = legacy_codec(endpoint.settings).profile.limits
    most = limits.silence.total_seconds()
    detail = {"most_seconds_ago": most, "every_seconds": limits.heartbeat.total_seconds()}
    return Finding(Colour.GREEN, f"something was heard within the last {most:g} s", detail)


def _last_message(endpoint: Endpoint, at: datetime) -> Finding:
    """Looked for no further back than a day: the index goes by time, not by endpoint."""
    row = (
        Message.objects.filter(endpoint=endpoint, received_at__gt=at - LOOK_BACK)
        .order_by("-received_at")
        .values_list("received_at", "kind")
        .first()
    )
    if row is None:
        return Finding(Colour.YELLOW, "no message within a day")
    received_at, kind = row
    detail = {"received_at": stamp(received_at), "kind": kind}
    what = kind or "something unreadable"
    return Finding(Colour.GREEN, f"{what} at {_told(received_at)}", detail)


def _is_up(link: Link) -> bool:
    if link.gateway is None:
        return False
    return presence.is_alive(link.gateway)


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
