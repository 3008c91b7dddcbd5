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
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.models import Tenant
from tenants.scope import in_tenant

MOST_LINES: Final = 200
"""In one e-mail; the others come in the next."""

KEPT: Final = timedelta(hours=24)
"""How long it is tried to tell of an event."""

_CLAIM: Final = timedelta(minutes=2)
_LONGEST_PAUSE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Digest:
    tenant: str
    addresses: tuple[str, ...]
    ids: tuple[UUID, ...]
    lines: tuple[str, ...]


def send(tenant_id: UUID) -> None:
    """What there is, unless it is too soon or another worker is at it."""
    digest = in_tenant(tenant_id, _claim)
    if digest is None:
        return
    try:
        _send(digest)
    except (SMTPException, OSError) as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        in_tenant(tenant_id, partial(_not_sent, reason))
        return
    in_tenant(tenant_id, partial(_sent, digest.ids))


def _claim() -> _Digest | None:
    row, at = _locked(), now()
    if row is None or (row.mail_after is not None and row.mail_after > at):
        return None
    _forget_the_old(at)
    lines = list(MailLine.objects.order_by("event_id")[:MOST_LINES])
    if not lines or not row.addresses:
        return None
    AlertSettings.objects.filter(id=row.id).update(mail_after=at + _CLAIM)
    name = Tenant.objects.get(id=row.tenant_id).name
    ids, texts = zip(*((one.id, one.text) for one in lines), strict=True)
    return _Digest(name, tuple(row.addresses), ids, texts)


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


def _sent(ids: tuple[UUID, ...]) -> None:
    MailLine.objects.filter(id__in=ids).delete()
    next_at = now() + timedelta(seconds=settings.MAIL_EVERY_SECONDS)
    AlertSettings.objects.update(mail_after=next_at, mail_failures=0)


def _not_sent(reason: str) -> None:
    """The first failure of a row is alarmed, which streams and webhooks tell of."""
    row, at = _locked(), now()
    if row is None:
        return
    pause = min(timedelta(seconds=30) * 2 ** min(row.mail_failures, 10), _LONGEST_PAUSE)
    AlertSettings.objects.filter(id=row.id).update(
        mail_after=at + pause, mail_failures=row.mail_failures + 1
    )
    if row.mail_failures == 0:
        detail = {"alarm": f"e-mail cannot be sent: {reason}"}
        ledger.record(Fact(Event.ALARMED, at, detail=detail))


def _forget_the_old(at: datetime) -> None:
    MailLine.objects.filter(at__lte=at - KEPT).delete()


def _locked() -> AlertSettings | None:
    found: AlertSettings | None = AlertSettings.objects.select_for_update().first()
    return found
