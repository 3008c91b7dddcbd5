"""What time does to certificates: switch-overs, ends, and telling of ends that come near. Safe to
run twice and at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from tenants.aead import VaultError
from tenants.audit import ledger
from tenants.audit.events import THE_SERVICE, Event, Fact
from tenants.ids import HOUSE, new_id
from tenants.keys import due, expiry, store
from tenants.keys.life import VERIFYING, CertificateState, MoveRefused
from tenants.models import Certificate, CertificateNotice
from tenants.scope import in_tenant, require_tenant

_LIMIT = 500
_PAUSE = timedelta(minutes=1)
_FIRST_THRESHOLD_DAYS = expiry.THRESHOLDS[0]
_PEERS = """
SELECT c.id, c.fingerprint, c.purpose, c.not_after, c.held_since, p.name, p.environment,
    coalesce(array_agg(n.days) FILTER (WHERE n.days IS NOT NULL), '{}')
FROM tenants_peercertificate c JOIN tenants_peer p ON p.id = c.peer_id
LEFT JOIN tenants_peercertificatenotice n ON n.certificate_id = c.id
WHERE c.state = 'ACTIVE' AND c.not_after <= %s::timestamptz + make_interval(days => %s)
GROUP BY c.id, p.id HAVING count(n.days) FILTER (WHERE n.days = 0) = 0
"""
_TELL_OF_PEER = """
INSERT INTO tenants_peercertificatenotice (id, certificate_id, days, at) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""

_log = structlog.get_logger(__name__)


def attend(at: datetime) -> int:
    """Does what is due by `at`; returns how many certificates it looked after.

    One's trouble keeps no other from its due: it is told of, and tried again a minute later.
    """
    done = 0
    for tenant_id, certificate_id in due.pick(at, _LIMIT):
        try:
            in_tenant(tenant_id, partial(_attend, certificate_id, at))
            done += 1
        except (DatabaseError, VaultError, store.NotYetValid, MoveRefused):
            _log.exception("a certificate is not looked after", certificate=str(certificate_id))
            due.postpone(certificate_id, at + _PAUSE)
    in_tenant(HOUSE, lambda: _tell_of_peers(at))
    return done


def _attend(certificate_id: UUID, at: datetime) -> None:
    row = Certificate.objects.filter(id=certificate_id).first()
    if row is None:
        due.remove(certificate_id)
        return
    store.slot_of(row).lock()
    row.refresh_from_db()
    _attend_to(row, at)


def _attend_to(row: Certificate, at: datetime) -> None:
    """`row` is read anew under its slot's lock, so that another's hand is seen."""
    if CertificateState(row.state) not in VERIFYING:
        due.plan(row)
        return
    assert row.not_before is not None
    assert row.not_after is not None
    _tell(row, at)
    if row.not_after <= at:
        store.expire(row, at)
    elif row.switch_at is not None and max(row.switch_at, row.not_before) <= at:
        store.switch(row, THE_SERVICE, "its time had come", at)
    else:
        due.plan(row)


def _tell(row: Certificate, at: datetime) -> None:
    assert row.not_after is not None
    told = set(row.notices.values_list("days", flat=True))
    for days in expiry.due(row.held_since or row.created_at, row.not_after, at, told):
        CertificateNotice.objects.create(
            tenant_id=require_tenant(), certificate=row, days=days, at=at
        )
        if days:
            detail = {
                "certificate": row.id,
                "purpose": row.purpose,
                "environment": row.environment,
                "days": days,
                "not_after": row.not_after,
            }
            assert row.fingerprint is not None
            digest = bytes(row.fingerprint)
            ledger.record(Fact(Event.KEY_EXPIRES, at, digest=digest, detail=detail))


def _tell_of_peers(at: datetime) -> None:
    """The house's chain tells of those whom the vendor trusts. There are few of them: they are all
    looked at.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PEERS, [at, _FIRST_THRESHOLD_DAYS])
        rows = cursor.fetchall()
        for row_id, fingerprint, purpose, not_after, since, name, environment, told in rows:
            for days in expiry.due(since, not_after, at, set(told)):
                cursor.execute(_TELL_OF_PEER, [new_id(), row_id, days, at])
                if cursor.rowcount:
                    detail = {"peer": name, "purpose": purpose, "environment": environment}
                    detail |= {"days": days, "not_after": not_after}
                    event = Event.KEY_EXPIRES if days else Event.KEY_EXPIRED
                    ledger.record(Fact(event, at, digest=bytes(fingerprint), detail=detail))
