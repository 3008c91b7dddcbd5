"""Whether so much waits already that what could wait outside is not taken in: a tenant's backlog
first, and the host's for everybody. What the system operator sends, and answers to it, are taken
beyond that.

What is counted stops at the bound, over an index that holds what is open alone, and serves for a
moment: a bound is overshot by what comes within that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from messaging import measures
from tenants.cache import Bounded
from tenants.scope import require_tenant

SERVES_FOR: Final = 1.0
"""Seconds."""
HOST_SERVES_FOR: Final = 3.0

RETRY_AFTER_S: Final = 10
INSTRUCTIONS_BEYOND: Final = 2
"""Times the host's bound, from where on the operator is told that the host is out."""

_REMEMBERED: Final = 4_096
_HOST: Final = "host"

# What waits for a control point is the operator's doing, and none of what a tenant may be told to
# hold back.
_OF_TENANT = """
SELECT count(*) FROM (
    SELECT 1 FROM messaging_delivery
    WHERE tenant_id = %s AND state IN ('PENDING', 'CLAIMED', 'HELD') AND lane <> 'link' LIMIT %s
) AS counted
"""
_OF_HOST = "SELECT count(*) FROM (SELECT 1 FROM messaging_due LIMIT %s) AS counted"


class BacklogFull(Exception):
    """Nothing more is taken for now; `of_host` says whether from nobody."""

    def __init__(self, of_host: bool) -> None:
        whose = "for the host" if of_host else "for this tenant"
        super().__init__(f"Too much waits to be delivered {whose}: nothing more is taken for now.")
        self.of_host = of_host


_counts: Bounded[Hashable, tuple[float, int]] = Bounded(_REMEMBERED)


def check(at: str) -> None:
    """Within the tenant's scope, before anything of it is taken. Raises BacklogFull; `at` names the
    way in for those who look at figures.
    """
    of_host = _host() >= settings.HOST_BACKLOG
    if of_host or _tenant() >= settings.TENANT_BACKLOG:
        measures.REFUSED_FOR_BACKLOG.labels(at).inc()
        raise BacklogFull(of_host)


def is_full(at: str) -> bool:
    """The same, for those who hold back and do not refuse."""
    try:
        check(at)
    except BacklogFull:
        return True
    return False


def seemed_full(tenant_id: UUID) -> bool:
    """What the last check of this process came to, whenever that was. Asks nobody."""
    return _was(tenant_id) >= settings.TENANT_BACKLOG or _was(_HOST) >= settings.HOST_BACKLOG


def is_host_overfull() -> bool:
    """Whether not even instructions are taken."""
    if _host() < settings.HOST_BACKLOG:
        return False
    most = settings.HOST_BACKLOG * INSTRUCTIONS_BEYOND
    return _lately("overfull", HOST_SERVES_FOR, lambda: _counted(_OF_HOST, most)) >= most


def _tenant() -> int:
    tenant_id, most = require_tenant(), settings.TENANT_BACKLOG
    return _lately(tenant_id, SERVES_FOR, lambda: _counted(_OF_TENANT, tenant_id, most))


def _host() -> int:
    most = settings.HOST_BACKLOG
    return _lately(_HOST, HOST_SERVES_FOR, lambda: _counted(_OF_HOST, most))


def forget() -> None:
    """Counts anew when asked next."""
    _counts.drop_where(lambda _: True)


def _was(key: Hashable) -> int:
    kept = _counts.find(key)
    return kept[1] if kept is not None else 0


def _lately(key: Hashable, seconds: float, count: Callable[[], int]) -> int:
    kept = _counts.find(key)
    if kept is not None and time.monotonic() - kept[0] < seconds:
        return kept[1]
    found = count()
    _counts.put(key, (time.monotonic(), found))
    return found


def _counted(statement: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
        (found,) = cursor.fetchone()
    return int(found)
