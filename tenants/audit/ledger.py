"""The only writer of the audit log: facts recorded in a scope become entries as the last thing
before its commit.

Entries therefore stand or fall with the facts they tell of, and the chain's row lock is held for
the shortest time there is.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from django.db import DatabaseError, connection, transaction

from tenants.audit import pulse
from tenants.audit.events import Event, Fact, written
from tenants.ids import HOUSE
from tenants.scope import current_tenant, gather, in_tenant

HOUSE_LIMIT = 20
"""House entries a second and process: whoever is no tenant of ours must not be able to fill the
log.
"""

TOLD_WITHIN = 2.0
"""Seconds after which what was suppressed is told of, if no further entry did."""

_log = structlog.get_logger(__name__)


def record(*facts: Fact) -> None:
    """Appends `facts` to the chain of the open scope's tenant when it closes. Raises ScopeError
    without a scope.
    """
    gather(facts, _append)


def record_for_house(*facts: Fact) -> None:
    """Appends to the house's chain, in one transaction, what can't be attributed to a tenant.

    What is over the limit, or can't be written, is counted; the next entry tells how many, and one
    of its own does if none comes soon.
    """
    admitted, untold = _house.admit(len(facts), time.monotonic())
    if admitted:
        first = replace(facts[0], detail={**facts[0].detail, "suppressed_before": untold})
        try:
            in_tenant(HOUSE, lambda: record(first, *facts[1:admitted]))
        except BaseException:
            count_for_house(untold + admitted)
            raise
    if admitted < len(facts):
        _tell_soon()


def count_for_house(refusals: int) -> None:
    """Counts refusals that get no entry of their own."""
    _house.suppress(refusals)
    _tell_soon()


def tell_suppressed() -> None:
    """Writes down now what was counted and not told yet: for the end of a process, and for when no
    further entry comes to tell of it.
    """
    untold = _house.take_untold()
    if not untold:
        return
    fact = Fact(Event.SUPPRESSED, datetime.now(UTC), detail={"suppressed_before": untold})
    try:
        in_tenant(HOUSE, lambda: record(fact))
    except BaseException:
        count_for_house(untold)
        raise


@dataclass(slots=True)
class _Cap:
    second: int = -1
    admitted: int = 0
    suppressed: int = 0
    will_tell: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, wanted: int, now: float) -> tuple[int, int]:
        """How many of these are within the limit, and how many were suppressed before them and are
        told with them.
        """
        with self.lock:
            if int(now) != self.second:
                self.second, self.admitted = int(now), 0
            admitted = min(wanted, HOUSE_LIMIT - self.admitted)
            self.admitted += admitted
            untold = self.suppressed if admitted else 0
            self.suppressed += wanted - admitted - untold
            return admitted, untold

    def suppress(self, refusals: int) -> None:
        with self.lock:
            self.suppressed += refusals

    def take_untold(self) -> int:
        with self.lock:
            untold, self.suppressed = self.suppressed, 0
            return untold

    def is_first_to_tell(self) -> bool:
        """Whether nobody has promised to tell yet; now somebody has."""
        with self.lock:
            promised, self.will_tell = self.will_tell, True
            return not promised

    def told(self) -> None:
        with self.lock:
            self.will_tell = False


_house = _Cap()


def _tell_soon() -> None:
    if _house.is_first_to_tell():
        timer = threading.Timer(TOLD_WITHIN, _tell_now)
        timer.daemon = True
        timer.start()


def _tell_now() -> None:
    """On a thread of its own, which leaves no connection behind."""
    _house.told()
    try:
        tell_suppressed()
    except DatabaseError as error:
        _log.warning("refusals cannot be told of yet", error=str(error))
    finally:
        connection.close()


def _append(facts: list[Fact]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_append(%s::text[], %s::bytea[], %s::uuid[], %s::uuid[])",
            [
                [fact.event.value for fact in facts],
                [written(fact) for fact in facts],
                [fact.message_id for fact in facts],
                [fact.delivery_id for fact in facts],
            ],
        )
    tenant_id = current_tenant()
    if tenant_id is not None:
        transaction.on_commit(lambda: pulse.beat(tenant_id))
