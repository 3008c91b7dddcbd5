"""When tenants' own servers are looked at: how often, one of a tenant's at a time, and less and
less often while one is away. What a look does is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from messaging.files import collecting
from messaging.files.looking import Server, look
from messaging.relay import draining, from_trading_point, ownership
from messaging.relay.file_places import is_fetched, place_of
from messaging.relay.ownership import free_orphaned
from messaging.relay.parking import LOOKS
from messaging.relay.register import FILE_PROTOCOL
from messaging.relay.settings import trading_point_settings
from messaging.transports.base import TransportError
from messaging.transports.connecting import Guard
from messaging.transports.directories import take_turn
from messaging.transports.remote_files import TooLarge, connected
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant

LONGEST_WAIT = timedelta(minutes=10)
"""Between two looks at a server that is away."""

NO_ROOM = timedelta(seconds=3)
"""Until a server is looked at that there was no room for: slow ones leave the half of a worker's
threads to what is there already.
"""

LEASE = timedelta(minutes=10)
"""Longer than a session with a server. What a lost host had in hand is looked at anew after it."""

AFTER_A_FAILURE = timedelta(seconds=30)
"""Of the host's own."""

TURN_AGAIN = timedelta(seconds=5)
"""When to look where the tenant's turn was taken by another exchange with a server of its."""

# The table has no policies, so the tenant is named beside the endpoint.
_PICK = """
WITH picked AS (
    SELECT endpoint_id FROM messaging_fetchdue WHERE due_at <= now()
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE messaging_fetchdue d SET due_at = now() + interval '2 seconds', owner = NULL
FROM picked WHERE d.endpoint_id = picked.endpoint_id
RETURNING d.tenant_id, d.endpoint_id
"""
_CLAIM = """
UPDATE messaging_fetchdue SET owner = %s, due_at = %s
WHERE endpoint_id = %s AND tenant_id = %s AND (owner IS NULL OR owner = %s)
"""
_IS_WANTED = """
SELECT 1 FROM messaging_fetchdue
WHERE endpoint_id = %s AND tenant_id = %s AND due_at <= now() + interval '2 seconds'
"""
_AGAIN = """
UPDATE messaging_fetchdue SET due_at = %s, failing_since = %s, owner = NULL
WHERE endpoint_id = %s AND tenant_id = %s
"""
_PUT_OFF = """
UPDATE messaging_fetchdue SET due_at = %s, owner = NULL
WHERE endpoint_id = %s AND tenant_id = %s AND (owner IS NULL OR owner = %s)
"""
_SINCE = """
SELECT failing_since FROM messaging_fetchdue
WHERE endpoint_id = %s AND tenant_id = %s AND owner = %s FOR UPDATE
"""


def pick(limit: int) -> list[tuple[UUID, UUID]]:
    """Tenants and endpoints whose servers are to be looked at now, also those that a dead process
    was looking at.
    """
    free_orphaned("messaging_fetchdue")
    if limit <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [limit])
        return list(cursor.fetchall())


def is_wanted(tenant_id: UUID, endpoint_id: UUID) -> bool:
    """Whether a look is still to be done: where workers are slow it was handed out more than
    once.
    """
    with connection.cursor() as cursor:
        cursor.execute(_IS_WANTED, [endpoint_id, tenant_id])
        return cursor.fetchone() is not None


def fetch(
    tenant_id: UUID,
    endpoint_id: UUID,
    take: collecting.Take = from_trading_point.take,
    guard: Guard | None = None,
) -> None:
    """Fetches and takes what is there, and says when to look again. A server that is away is told
    of once, and once more when it is back.
    """
    if draining.is_on():
        return
    with LOOKS.one_more() as has_room, ownership.in_hand(endpoint_id) as mine:
        if not mine:
            return
        owner = ownership.owner()
        if not has_room:
            _put_off(tenant_id, endpoint_id, owner, NO_ROOM)
            return
        try:
            _fetch_from(tenant_id, endpoint_id, owner, take, guard or Guard.of_vendor())
        except Exception:
            _put_off(tenant_id, endpoint_id, owner, AFTER_A_FAILURE)
            raise


def _fetch_from(
    tenant_id: UUID, endpoint_id: UUID, owner: int, take: collecting.Take, guard: Guard
) -> None:
    server = in_tenant(tenant_id, lambda: _claim(endpoint_id, owner))
    if server is None:
        return
    server.directories.make()
    with collecting.alone_in(server.directories.fetched) as alone:
        if alone:
            _fetch_in_turn(server, owner, take, guard)
        else:
            # Whoever has lost its claim may be at it still.
            _put_off(tenant_id, endpoint_id, owner, TURN_AGAIN)


def _fetch_in_turn(server: Server, owner: int, take: collecting.Take, guard: Guard) -> None:
    turn = take_turn(server.tenant_id)
    if turn is None:
        _put_off(server.tenant_id, server.endpoint_id, owner, TURN_AGAIN)
        return
    with turn:
        found = _tried(server, take, guard)
    in_tenant(server.tenant_id, lambda: _settle(server, owner, found))


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look came to: why the server can't be fetched from, or nothing; and whether something
    there is to be looked at again soon.
    """

    fault: str = ""
    restless: bool = False


def _tried(server: Server, take: collecting.Take, guard: Guard) -> _Found:
    try:
        with connected(server.remote, guard) as files:
            return _Found(restless=look(server, files, take))
    except (TransportError, TooLarge) as error:
        return _Found(f"{type(error).__name__}: {error}"[:300])


def _claim(endpoint_id: UUID, owner: int) -> Server | None:
    """Within the tenant's scope: takes the server in hand, unless another process has it."""
    server = _find(endpoint_id)
    if server is None:
        return None
    with connection.cursor() as cursor:
        place = (endpoint_id, server.tenant_id)
        cursor.execute(_CLAIM, (owner, now() + LEASE, *place, owner))
        return server if cursor.rowcount == 1 else None


def _find(endpoint_id: UUID) -> Server | None:
    row = Endpoint.objects.filter(id=endpoint_id, protocol=FILE_PROTOCOL).first()
    if row is None or not is_fetched(row):
        return None
    remote = place_of(row).remote
    assert remote is not None, "what is fetched from has an address"
    set_to = trading_point_settings(row.settings)
    every, still = (timedelta(seconds=each) for each in (set_to.poll_seconds, set_to.still_seconds))
    return Server(row.tenant_id, row.id, row.name, remote, every, still)


def _put_off(tenant_id: UUID, endpoint_id: UUID, owner: int, wait: timedelta) -> None:
    """Unless another process has it in hand."""

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute(_PUT_OFF, [now() + wait, endpoint_id, tenant_id, owner])

    in_tenant(tenant_id, work)


def _settle(server: Server, owner: int, found: _Found) -> None:
    """Within the tenant's scope; not where another process has it in hand by now."""
    at, fault = now(), found.fault
    key = [server.endpoint_id, server.tenant_id]
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, [*key, owner])
        row = cursor.fetchone()
        if row is None:
            return
        since: datetime | None = row[0]
        if bool(fault) != (since is not None):
            reason = (
                f"the server of {server.name} cannot be fetched from: {fault}"
                if fault
                else f"the server of {server.name} is fetched from again"
            )
            detail = {"alarm": reason, "endpoint": server.endpoint_id}
            ledger.record(Fact(Event.ALARMED, at, detail=detail))
        failing_since = (since or at) if fault else None
        wait = min(server.every, server.still) if found.restless else server.every
        if failing_since is not None:
            # As long again as it has been away.
            wait = max(wait, min(at - failing_since, LONGEST_WAIT))
        cursor.execute(_AGAIN, [at + wait, failing_since, *key])
