"""Sends a tenant's people what happened: at most one e-mail in so many seconds, with all that came
in between. At least once: a worker that dies between sending and noting it makes it come twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from smtplib import SMTPException
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage

from messaging.events.models import AlertSettings, MailLine
from messaging.relay import ownership
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.models import Tenant
from tenants.scope import in_tenant

MOST_LINES: Final = 200
"""In one e-mail; the others come in the next."""

KEPT: Final = timedelta(hours=24)
"""How long it is tried to tell of an event."""

_LEASE: Final = timedelta(minutes=2)
"""Longer than sending one takes: what a lost host had in hand is free again after it."""

_LONGEST_PAUSE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Digest:
    owner: int
    tenant: str
    addresses: tuple[str, ...]
    ids: tuple[UUID, ...]
    lines: tuple[str, ...]


def send(tenant_id: UUID) -> None:
    """What there is, unless it is too soon or another worker is at it."""
    with ownership.in_hand(tenant_id) as mine:
        if mine:
            send_as(ownership.owner(), tenant_id)


def send_as(owner: int, tenant_id: UUID) -> None:
    """As the process of that number."""
    digest = in_tenant(tenant_id, partial(_claim, owner))
    if digest is None:
        return
    try:
        _send(digest)
    except (SMTPException, OSError) as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        in_tenant(tenant_id, partial(_not_sent, owner, reason))
        return
    in_tenant(tenant_id, partial(_sent, digest))


def is_time(row: AlertSettings, at: datetime, owner: int | None = None) -> bool:
    """Whether an e-mail may be sent now, and nobody is at it but `owner`."""
    if row.mail_after is not None and row.mail_after > at:
        return False
    is_own = row.owner is not None and row.owner == owner
    return is_own or not ownership.is_held(row.owner, row.mailing_until, at)


def _claim(owner: int) -> _Digest | None:
    row, at = _locked(), now()
    if row is None or not is_time(row, at, owner):
        return None
    _forget_the_old(at)
    lines = list(MailLine.objects.order_by("event_id")[:MOST_LINES])
    if not lines or not row.addresses:
        return None
    AlertSettings.objects.filter(id=row.id).update(owner=owner, mailing_until=at + _LEASE)
    name = Tenant.objects.get(id=row.tenant_id).name
    ids, texts = zip(*((one.id, one.text) for one in lines), strict=True)
    return _Digest(owner, name, tuple(row.addresses), ids, texts)


def _send(digest: _Digest) -> None:
    """With no transaction open."""
    more = len(digest.lines) - 1
    rest = f" and {more} more" if more else ""
    first = digest.lines[0].split("Z ", 1)[-1].split(":", 1)[0]
    EmailMessage(
        subject=f"[hostsvc] {digest.tenant}: {first}{rest}"[:200],
        body="\n\n".join(digest.lines) + "\n\nTimes are UTC.\n",
        to=list(digest.addresses),
        headers={"Auto-Submitted": "auto-generated"},
    ).send()


def _sent(digest: _Digest) -> None:
    row = _locked()
    if row is None or row.owner != digest.owner:
        return
    MailLine.objects.filter(id__in=digest.ids).delete()
    next_at = now() + timedelta(seconds=settings.MAIL_EVERY_SECONDS)
    AlertSettings.objects.filter(id=row.id).update(owner=None, mail_after=next_at, mail_failures=0)


def _not_sent(owner: int, reason: str) -> None:
    """The first failure of a row is alarmed, which streams and webhooks tell of."""
    row, at = _locked(), now()
    if row is None or row.owner != owner:
        return
    pause = min(timedelta(seconds=30) * 2 ** min(row.mail_failures, 10), _LONGEST_PAUSE)
    AlertSettings.objects.filter(id=row.id).update(
        owner=None, mail_after=at + pause, mail_failures=row.mail_failures + 1
    )
    if row.mail_failures == 0:
        detail = {"alarm": f"e-mail cannot be sent: {reason}"}
        ledger.record(Fact(Event.ALARMED, at, detail=detail))


def _forget_the_old(at: datetime) -> None:
    MailLine.objects.filter(at__lte=at - KEPT).delete()


def _locked() -> AlertSettings | None:
    found: AlertSettings | None = AlertSettings.objects.select_for_update().first()
    return found
