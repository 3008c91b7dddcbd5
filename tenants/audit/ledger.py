"""The only writer of the audit log: facts recorded in a scope become entries as the last thing
before its commit.

Entries therefore stand or fall with the facts they tell of, and the chain's row lock is held for
the shortest time there is.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace

from django.db import connection

from tenants.audit.events import Fact, written
from tenants.ids import HOUSE
from tenants.scope import gather, in_tenant

HOUSE_LIMIT = 20
"""House entries a second and process: whoever is no tenant of ours must not be able to fill the
log.
"""


def record(*facts: Fact) -> None:
    """Appends `facts` to the chain of the open scope's tenant when it closes. Raises ScopeError
    without a scope.
    """
    gather(facts, _append)


def record_for_house(fact: Fact) -> None:
    """Appends to the house's chain what can't be attributed to a tenant; over the limit it is
    counted in the next entry.
    """
    suppressed = _house.admit(time.monotonic())
    if suppressed is None:
        return
    told = replace(fact, detail={**fact.detail, "suppressed_before": suppressed})
    in_tenant(HOUSE, lambda: record(told))


@dataclass(slots=True)
class _Cap:
    second: int = -1
    admitted: int = 0
    suppressed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, now: float) -> int | None:
        """How many were suppressed since the last admitted one, or None when this one is over the
        limit.
        """
        with self.lock:
            if int(now) != self.second:
                self.second, self.admitted = int(now), 0
            if self.admitted >= HOUSE_LIMIT:
                self.suppressed += 1
                return None
            self.admitted += 1
            suppressed, self.suppressed = self.suppressed, 0
            return suppressed


_house = _Cap()


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
