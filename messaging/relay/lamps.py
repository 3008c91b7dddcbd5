"""A lamp for each connection to the system operator: asks for Health now and then, says when it
goes out and when it is back, and sees to what follows from either.

Each look is bounded: a handful of connections at a time and few looks at once, so that an operator
that swallows every question takes no more than that of a process.
"""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import redis
import structlog
from django.db.models import QuerySet

from messaging.domain.acknowledgements import Health, HealthStatus
from messaging.models import Connection, Delivery
from messaging.protocols.neso.wa.exchange import Outcome
from messaging.relay import breakers, connections, draining, gates, telephone
from messaging.relay.connections import Picked, Place
from messaging.relay.crash_points import Step
from messaging.relay.publishing import publish
from messaging.relay.questions import CANNOT_ASK, Asked, Question, ask, prepare
from messaging.relay.rows import NewDelivery
from messaging.relay.settings import operator_settings
from messaging.relay.wake import wake
from messaging.states import LampState
from tenants import ownership
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.ids import new_id
from tenants.models import Endpoint
from tenants.scope import in_tenant, reconnecting, require_tenant

NORMALIZE: Final = "messaging.tasks.normalize"

AT_A_TIME = 8
LOOKS_AT_ONCE = 2
HEALTH_WITHIN_S = 3.0
FAILURES_TO_GO_OUT = 3
WHILE_OUT = timedelta(seconds=3)
"""Between two questions while it is out: those who wait are many."""

FIRST_AFTER_TRAFFIC = timedelta(seconds=1)
MARGIN = timedelta(minutes=5)
"""How much further back what was missed is asked for than the last word that all was well."""

LOOK_AGAIN = timedelta(seconds=30)
WHILE_ASKED = timedelta(seconds=1)
"""Between two looks while a process asks what was missed: it may die over it."""

_SILENT = frozenset({"maintenance", "suspended"})
"""Then the host says nothing to the operator at all."""

_looks = threading.BoundedSemaphore(LOOKS_AT_ONCE)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Begun:
    """What to do once the connection's row is committed: wake these, ask this, have what was missed
    asked for.
    """

    picked: Picked
    made: tuple[NewDelivery, ...] = ()
    question: Question | None = None
    normalizes: bool = False


def look() -> int:
    """Looks after the connections that are due; returns how many. Safe to run twice and at once."""
    if not _looks.acquire(blocking=False):
        return 0
    try:
        return _look()
    finally:
        _looks.release()


def _look() -> int:
    done, owner = 0, ownership.owner()
    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="health") as threads:
        while not draining.is_on() and (picked := _pick(owner)):
            begun = [found for one in picked if (found := _begun(one)) is not None]
            # The threads do the asking and nothing else: no database connection is theirs.
            asking = [one for one in begun if one.question is not None]
            for one, asked in zip(asking, threads.map(_ask, asking), strict=True):
                _ended(one.picked, asked)
            done += len(picked)
    return done


def _pick(owner: int) -> list[Picked]:
    return reconnecting(lambda: connections.pick(AT_A_TIME, owner), Step.CONNECTIONS_PICK)


def _ask(begun: _Begun) -> Asked:
    assert begun.question is not None
    return ask(begun.question, HEALTH_WITHIN_S, Step.HEALTH_ASK)


def _begun(picked: Picked) -> _Begun | None:
    """One connection's trouble keeps no other from being looked after: its turn comes again."""
    try:
        begun = in_tenant(picked.tenant_id, lambda: _begin(picked), Step.HEALTH_BEGIN)
    except Exception:
        _log.exception("a connection is not looked after", endpoint=str(picked.endpoint_id))
        return None
    wake(begun.made)
    if begun.normalizes:
        normalize_soon(picked)
    return begun


def _begin(picked: Picked) -> _Begun:
    """Within the tenant's scope: what time has done, and the question if it is time for one."""
    at = now()
    endpoint = Endpoint.objects.filter(id=picked.endpoint_id).first()
    if endpoint is None:
        connections.remove(picked.endpoint_id)
        return _Begun(picked)
    is_new = not Connection.objects.filter(endpoint_id=endpoint.id).exists()
    row = locked(endpoint.id)
    gates.lock()
    if is_new:
        telephone.join(endpoint, at)
    if picked.broken_at is not None:
        if row.good_at is not None:
            miss_since(row, row.good_at)
        connections.mended(picked)
    attended = telephone.attend(endpoint, at)
    if attended.missed_since is not None:
        miss_since(row, attended.missed_since)
    if attended.has_ended:
        _ask_anew(row)
    gates.let_go()
    is_silent = any(gate.kind in _SILENT for gate in gates.read())
    question = _question(endpoint, row, at) if row.ask_at <= at and not is_silent else None
    row.save()
    if question is None:
        connections.plan(picked, _due(row, attended.boundary, at))
    normalizes = question is None and not is_silent and wants_normalization(row, at)
    return _Begun(picked, attended.made, question, normalizes)


def _due(row: Connection, boundary: datetime | None, at: datetime) -> datetime:
    """When it next wants a hand: the first of what is still to come."""
    again = row.normalizing_until if row.normalize_from else None
    if again is not None and row.owner is not None:
        again = min(again, at + WHILE_ASKED)
    moments = (at + LOOK_AGAIN, row.ask_at, boundary, again)
    return min(moment for moment in moments if moment is not None and moment > at)


def _question(endpoint: Endpoint, row: Connection, at: datetime) -> Question | None:
    try:
        return prepare(endpoint, Health(), str(new_id()), at)
    except CANNOT_ASK as error:
        _stands(row, LampState.UNKNOWN, at, f"cannot be asked: {error}")
        row.ask_at = at + LOOK_AGAIN
        return None


def _ended(picked: Picked, asked: Asked) -> None:
    try:
        normalizes = in_tenant(picked.tenant_id, lambda: _end(picked, asked), Step.HEALTH_END)
        if asked.outcome is Outcome.VERDICT:
            # After the lamp's own row: whoever has a breaker locked may wait for that one.
            work = partial(breakers.hurry, picked.endpoint_id, now())
            wake(in_tenant(picked.tenant_id, work, Step.BREAKER_HURRY))
    except Exception:
        _log.exception("an answer is not noted", endpoint=str(picked.endpoint_id))
        return
    if normalizes:
        normalize_soon(picked)


def _end(picked: Picked, asked: Asked) -> bool:
    """Within the tenant's scope: what the answer, or none, says of the connection. Tells whether
    what was missed is to be asked for.
    """
    at = now()
    endpoint = Endpoint.objects.filter(id=picked.endpoint_id).first()
    if endpoint is None:
        connections.remove(picked.endpoint_id)
        return False
    row = locked(endpoint.id)
    if not connections.is_held(picked):
        return False
    _judge(row, asked, at)
    every = operator_settings(endpoint.settings).health_every
    if row.state == LampState.OUT:
        every = min(every, WHILE_OUT)
    elif row.failures:
        every /= FAILURES_TO_GO_OUT
    # Some earlier, some later: not all tenants at once.
    row.ask_at = at + every * random.uniform(0.9, 1.1)  # noqa: S311
    row.save()
    connections.plan(picked, _due(row, telephone.next_boundary(endpoint), at))
    return wants_normalization(row, at)


def _judge(row: Connection, asked: Asked, at: datetime) -> None:
    message = asked.answer.envelope.messages[0] if asked.answer else None
    if asked.status is not None:
        row.answered_at = at
    if asked.outcome is Outcome.VERDICT and message == Health(HealthStatus.OK):
        _is_well(row, at)
    elif asked.outcome is Outcome.HELD or message == Health(HealthStatus.OUTAGE):
        _goes_out(row, at, f"{asked.detail}: it says that it is out")
    else:
        _failed(row, at, asked)


def _is_well(row: Connection, at: datetime) -> None:
    row.failures, row.failing_since = 0, None
    if row.good_at is None:
        miss_since(row, row.created_at)
    row.good_at = at
    _stands(row, LampState.UP, at, "")


def _failed(row: Connection, at: datetime, asked: Asked) -> None:
    """Silence thrice in a row is an outage, unless other messages were answered meanwhile.
    Something that answers, but not to Health, is not known to be out.
    """
    row.failures += 1
    row.failing_since = row.failing_since or at
    row.detail = asked.detail[:500]
    if asked.status is not None:
        if row.state == LampState.OUT or row.failures >= FAILURES_TO_GO_OUT:
            _stands(row, LampState.UNKNOWN, at, asked.detail)
    elif row.failures >= FAILURES_TO_GO_OUT and not _has_answered(row, row.failing_since):
        _goes_out(row, at, f"no answer {row.failures} times: {asked.detail}")


def _has_answered(row: Connection, since: datetime) -> bool:
    """Whether anything that was sent there has settled since."""
    return _sent_lately(row, since).filter(settled_at__gte=since).exists()


def _sent_lately(row: Connection, since: datetime) -> QuerySet[Delivery]:
    sent: QuerySet[Delivery] = Delivery.objects.filter(
        tenant_id=require_tenant(),
        created_at__gte=since - MARGIN,
        endpoint_id=row.endpoint_id,
        state__in=["ACKNOWLEDGED", "REFUSED"],
    )
    return sent


def went_out(endpoint_id: UUID, at: datetime, detail: str) -> None:
    """A message was answered that the operator is out. To be noted before any delivery is
    written.
    """
    row = locked(endpoint_id)
    if row.state == LampState.OUT and row.is_holding:
        return
    _goes_out(row, at, f"{detail}: it says that it is out")
    row.ask_at = at + FIRST_AFTER_TRAFFIC
    row.save()
    connections.hurry(endpoint_id, row.ask_at)


def _goes_out(row: Connection, at: datetime, detail: str) -> None:
    row.failures, row.failing_since = 0, None
    row.is_holding = True
    _ask_anew(row)
    miss_since(row, row.good_at or row.created_at)
    _stands(row, LampState.OUT, at, detail)


def miss_since(row: Connection, moment: datetime) -> None:
    """What the operator sent since then is to be asked for."""
    since = moment - MARGIN
    row.normalize_from = min(row.normalize_from, since) if row.normalize_from else since


def _ask_anew(row: Connection) -> None:
    """What was in vain before is no matter: it is asked as often as after any other break."""
    if row.unasked_since is not None:
        row.normalize_tries, row.normalizing_until = 0, None
        row.unasked_since, row.unasked_why = None, ""


def _stands(row: Connection, state: LampState, at: datetime, detail: str) -> None:
    """An entry for each change of the lamp, and an alarm where it goes out or comes back."""
    row.detail = detail[:500]
    if row.state == state:
        return
    was, seconds = row.state, int((at - row.since).total_seconds())
    row.state, row.since = state, at
    told = {"endpoint": row.endpoint_id, "from": was, "to": state.value, "after_seconds": seconds}
    ledger.record(Fact(Event.CONNECTION_CHANGED, at, detail={**told, "text": detail}))
    text = ""
    if state is LampState.OUT:
        text = f"the system operator is out: {detail}"
    elif was == LampState.OUT:
        text = f"the system operator was out for {seconds} s"
    if text:
        alarm = {"alarm": text, "endpoint": row.endpoint_id}
        ledger.record(Fact(Event.ALARMED, at, detail=alarm))


def wants_normalization(row: Connection, at: datetime, owner: int | None = None) -> bool:
    """Whether what was missed can be asked now, and nobody is at it but `owner`."""
    if row.normalize_from is None or row.state == LampState.OUT:
        return False
    if row.owner is None:
        return row.normalizing_until is None or row.normalizing_until <= at
    return row.owner == owner or not ownership.is_held(row.owner, row.normalizing_until, at)


def normalize_soon(place: Place) -> None:
    """Hands it to a worker; should that be lost, the next look does so again."""
    try:
        publish(NORMALIZE, (str(place.tenant_id), str(place.endpoint_id)))
    except redis.RedisError as error:
        _log.warning("no broker to wake a worker", error=str(error))


def locked(endpoint_id: UUID) -> Connection:
    """The connection's row, made where there is none yet."""
    Connection.objects.get_or_create(tenant_id=require_tenant(), endpoint_id=endpoint_id)
    row: Connection = Connection.objects.select_for_update().get(endpoint_id=endpoint_id)
    return row
