"""Each endpoint's circuit breaker, kept in the database so that all processes agree: counts what
fails, keeps back what would fail, has one delivery at a time tried, and lets the others go.

A breaker that is closed and has counted nothing costs no statement: a delivery is read together
with how its breaker stands. Whoever has a breaker's row locked writes due rows after it, and takes
no other lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings

from messaging.models import Breaker
from messaging.relay import breaker_rows, due
from messaging.relay.breaking import Circuit, Way
from messaging.relay.crash_points import Step
from messaging.relay.load import LoadedDelivery
from messaging.relay.rows import NewDelivery
from messaging.relay.wake import wake_waiting
from messaging.states import BreakerState
from tenants.audit import ledger
from tenants.audit.events import THE_SERVICE, Event, Fact
from tenants.clock import now
from tenants.scope import in_tenant, reconnecting

LOOK_AGAIN: Final = timedelta(seconds=30)
"""What is kept back is made due by whoever closes the breaker; this is the safety net."""

PROBE_LOOK_AGAIN: Final = timedelta(seconds=2)
"""Whether the one that is to be tried is being tried."""

ALARM_AGAIN: Final = timedelta(minutes=1)
"""A way that comes and goes is alarmed no more often than that."""

WOKEN_AT_ONCE: Final = 20
"""When a breaker closes: more than there is room for. The sweep hands out the others, so many a
second, since each takes up a worker's time, if only to find that it must wait.
"""
THEN_A_SECOND: Final = 100

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One that ended: with which endpoint, for which delivery, and how the way was.

    `was_troubled` says that something had failed there when it began.
    """

    tenant_id: UUID
    endpoint_id: UUID
    delivery_id: UUID
    way: Way
    detail: str
    was_troubled: bool


def is_troubled(row: LoadedDelivery) -> bool:
    """Whether there is anything for a good answer to put right."""
    return row.breaker_state not in (None, BreakerState.CLOSED) or row.breaker_failures > 0


def keeps_back(row: LoadedDelivery, at: datetime) -> bool:
    """Whether a delivery whose turn it is must wait for the way to mend; if so it is put off. Else
    it goes, as the one that is tried where the breaker is not closed. To be asked before its due
    row is locked.
    """
    if row.breaker_state in (None, BreakerState.CLOSED):
        return False
    breaker = breaker_rows.locked(row.endpoint_id)
    circuit = breaker_rows.circuit_of(breaker)
    if circuit.state is BreakerState.CLOSED:
        return False
    if circuit.state is BreakerState.HALF_OPEN and circuit.probe == row.id:
        return False
    if circuit.may_probe(at):
        heads = breaker_rows.heads(row.endpoint_id, circuit, at)
        if not heads or heads[0].id == row.id:
            breaker_rows.write(breaker, circuit.probing(row.id))
            breaker_rows.plan(breaker, at + PROBE_LOOK_AGAIN)
            return False
        breaker_rows.make_due(heads[:1], at)
        breaker_rows.hurry(breaker, at + PROBE_LOOK_AGAIN)
    elif circuit.open_until is not None and circuit.state is BreakerState.OPEN:
        breaker_rows.hurry(breaker, circuit.open_until)
    due.put_off_idle(row.id, min(at + LOOK_AGAIN, row.deadline))
    return True


def note(exchange: Exchange) -> tuple[NewDelivery, ...]:
    """Counts an exchange, in a transaction of its own after the delivery is settled. Returns what
    may go because of it.
    """
    if exchange.way is not Way.FAILED and not exchange.was_troubled:
        return ()
    return in_tenant(exchange.tenant_id, lambda: _note(exchange), Step.BREAKER_NOTE)


def close(endpoint_id: UUID, at: datetime, text: str, by: str) -> tuple[NewDelivery, ...]:
    """Within the tenant's scope: `by` has seen that the way is good. Returns what may go."""
    breaker = breaker_rows.find(endpoint_id)
    if breaker is None:
        return ()
    return _become(breaker, Circuit(), at, text, by)


def hurry(endpoint_id: UUID, at: datetime) -> tuple[NewDelivery, ...]:
    """Within the tenant's scope: the other side says that all is well. What waits is tried at once;
    where nothing does, the breaker has served.
    """
    breaker = breaker_rows.find(endpoint_id)
    if breaker is None or breaker_rows.circuit_of(breaker).state is not BreakerState.OPEN:
        return ()
    if not breaker_rows.is_waited_for(endpoint_id):
        return _become(breaker, Circuit(), at, "it answers Health, and nothing waits")
    breaker_rows.write(breaker, breaker_rows.circuit_of(breaker).given_up(at))
    breaker_rows.plan(breaker, at)
    return ()


def look() -> None:
    """Has one delivery tried of each endpoint whose pause is over. Safe to run twice and at
    once.
    """
    for tenant_id, endpoint_id in reconnecting(breaker_rows.pick, Step.BREAKER_PICK):
        try:
            wake_waiting(in_tenant(tenant_id, partial(_look, endpoint_id), Step.BREAKER_LOOK))
        except Exception:
            _log.exception("a breaker is not looked after", endpoint=str(endpoint_id))


def _look(endpoint_id: UUID) -> tuple[NewDelivery, ...]:
    at, breaker = now(), breaker_rows.find(endpoint_id)
    if breaker is None or breaker.state == BreakerState.CLOSED:
        breaker_rows.forget(endpoint_id)
        return ()
    circuit = breaker_rows.circuit_of(breaker)
    if circuit.state is BreakerState.HALF_OPEN:
        if circuit.probe is not None and breaker_rows.is_in_hand(circuit.probe):
            breaker_rows.plan(breaker, at + PROBE_LOOK_AGAIN)
            return ()
        circuit = circuit.given_up(at)
        breaker_rows.write(breaker, circuit)
    if not circuit.may_probe(at):
        breaker_rows.plan(breaker, circuit.open_until or at)
        return ()
    heads = breaker_rows.heads(endpoint_id, circuit, at)[:1]
    if not heads:
        # Whatever comes is tried when it is claimed.
        breaker_rows.forget(endpoint_id)
        return ()
    breaker_rows.make_due(heads, at)
    breaker_rows.plan(breaker, at + PROBE_LOOK_AGAIN)
    return tuple(heads)


def _note(exchange: Exchange) -> tuple[NewDelivery, ...]:
    at, endpoint_id = now(), exchange.endpoint_id
    if exchange.way is Way.FAILED and not breaker_rows.is_known(endpoint_id):
        return ()
    breaker = (
        breaker_rows.locked(endpoint_id)
        if exchange.way is Way.FAILED
        else breaker_rows.find(endpoint_id)
    )
    if breaker is None:
        return ()
    most = settings.BREAKER_FAILURES
    circuit = breaker_rows.circuit_of(breaker).after(exchange.way, exchange.delivery_id, at, most)
    if exchange.way is Way.FAILED:
        breaker.detail = exchange.detail[:500]
    return _become(breaker, circuit, at, exchange.detail)


def _become(
    breaker: Breaker, circuit: Circuit, at: datetime, text: str, by: str = THE_SERVICE
) -> tuple[NewDelivery, ...]:
    was_closed = breaker.state == BreakerState.CLOSED
    is_closed = circuit.state is BreakerState.CLOSED
    if was_closed != is_closed:
        _tell(breaker, circuit, at, text, by)
        breaker.since = at
    last = breaker_rows.circuit_of(breaker)
    breaker_rows.write(breaker, circuit)
    if is_closed:
        if was_closed:
            return ()
        breaker_rows.forget(breaker.endpoint_id)
        heads = breaker_rows.heads(breaker.endpoint_id, last, at)
        breaker_rows.make_due(heads[:WOKEN_AT_ONCE], at)
        breaker_rows.make_due(heads[WOKEN_AT_ONCE:], at, timedelta(seconds=1 / THEN_A_SECOND))
        return tuple(heads[:WOKEN_AT_ONCE])
    if circuit.state is BreakerState.OPEN and circuit.open_until is not None:
        breaker_rows.plan(breaker, circuit.open_until)
    return ()


def _tell(breaker: Breaker, circuit: Circuit, at: datetime, text: str, by: str) -> None:
    """An entry for each opening and closing; an alarm for no more of them than people can read."""
    is_closed = circuit.state is BreakerState.CLOSED
    told = {
        "endpoint": breaker.endpoint_id,
        "from": breaker.state,
        "to": circuit.state.value,
        "failures": circuit.failures,
        "after_seconds": int((at - breaker.since).total_seconds()),
    }
    ledger.record(Fact(Event.BREAKER_CHANGED, at, detail={**told, "text": text, "by": by}))
    name = breaker.endpoint.name
    if is_closed and breaker.alarmed_at is not None and breaker.alarmed_at >= breaker.since:
        seconds = int((at - breaker.since).total_seconds())
        alarm = f"the way to {name} is good again, after {seconds} s"
    elif not is_closed and (breaker.alarmed_at is None or at - breaker.alarmed_at >= ALARM_AGAIN):
        alarm = f"the way to {name} is broken: {circuit.failures} tries failed in a row: {text}"
        breaker.alarmed_at = at
    else:
        return
    detail = {"alarm": alarm, "endpoint": breaker.endpoint_id}
    ledger.record(Fact(Event.ALARMED, at, detail=detail))
