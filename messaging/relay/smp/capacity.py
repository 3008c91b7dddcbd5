"""Holds the capacity of what is registered against the limits above which fixed lines are required:
one for a site, one for all of a tenant's sites together. Whoever crosses a mark is told of it once,
up and down.

What a site is, and what an asset counts for: messaging.domain.registrations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet, Sum

from messaging.smp_models import CapacityMark, RegisteredAsset
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.scope import require_tenant

MARKS: Final = (80, 90, 100)
"""Per cent of a limit."""

WHOLE: Final = ""
"""Stands where a site stands for all of them."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a site has, or all have, in MW."""

    site: str
    capacity: Decimal

    @property
    def limit(self) -> int:
        limit: int = settings.SITE_LIMIT_MW if self.site else settings.PORTFOLIO_LIMIT_MW
        return limit

    @property
    def percent(self) -> Decimal:
        return (self.capacity * 100 / self.limit).quantize(Decimal("0.01"))

    @property
    def mark(self) -> int:
        """The highest that is reached; 0 where none is."""
        reached = (mark for mark in MARKS if self.capacity * 100 >= mark * self.limit)
        return max(reached, default=0)


def whole(environment: str) -> Load:
    return Load(WHOLE, _sum(_current(environment)))


def largest(environment: str, count: int) -> list[Load]:
    """The sites with most, largest first."""
    rows = _by_site(_current(environment)).order_by("-total", "site")
    return [Load(site, total) for site, total in rows[:count]]


def look(environment: str, sites: Iterable[str], at: datetime) -> None:
    """After a change at these sites, in the same transaction: tells of every mark crossed."""
    _take_turns(environment)
    wanted = sorted(set(sites))
    found: dict[str, Decimal] = dict(_by_site(_current(environment).filter(site__in=wanted)))
    loads = [Load(site, found.get(site, Decimal(0))) for site in wanted]
    marks = {
        row.site: row
        for row in CapacityMark.objects.filter(environment=environment, site__in=[*wanted, WHOLE])
    }
    for load in [*loads, whole(environment)]:
        _hold(environment, load, marks.get(load.site), at)


def _hold(environment: str, load: Load, row: CapacityMark | None, at: datetime) -> None:
    before = row.percent if row else 0
    if row is None and load.mark == 0:
        return
    if load.mark != before:
        _tell(environment, load, before, at)
    row = row or CapacityMark(
        tenant_id=require_tenant(), environment=environment, site=load.site, percent=0, since=at
    )
    row.since = at if load.mark != row.percent else row.since
    row.percent, row.capacity_mw = load.mark, load.capacity
    row.save()


def _tell(environment: str, load: Load, before: int, at: datetime) -> None:
    """One entry for each mark on the way."""
    rising = load.mark > before
    low, high = sorted((before, load.mark))
    crossed = [mark for mark in MARKS if low < mark <= high]
    for mark in crossed if rising else reversed(crossed):
        detail = {
            "what": f"registered capacity of site {load.site}"
            if load.site
            else "registered capacity of all sites",
            "environment": environment,
            "site": load.site,
            "mark": mark,
            "percent": load.percent,
            "capacity_mw": load.capacity,
            "limit_mw": load.limit,
            "text": f"{'reached' if rising else 'fell below'} {mark} % of {load.limit} MW",
        }
        ledger.record(Fact(Event.ALARMED if rising else Event.CAPACITY_EASED, at, detail=detail))


def _current(environment: str) -> QuerySet[RegisteredAsset]:
    return RegisteredAsset.objects.filter(environment=environment, valid_to=None)


def _by_site(rows: QuerySet[RegisteredAsset]) -> QuerySet[Any, tuple[str, Decimal]]:
    """Each site with its sum, in no order."""
    sums: Any = rows.values("site").annotate(total=Sum("capacity_mw")).order_by()
    found: QuerySet[Any, tuple[str, Decimal]] = sums.values_list("site", "total")
    return found


def _sum(rows: QuerySet[RegisteredAsset]) -> Decimal:
    return rows.aggregate(total=Sum("capacity_mw"))["total"] or Decimal(0)


def _take_turns(environment: str) -> None:
    """Until the transaction ends, so that no crossing is told twice, or by nobody."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))",
            [f"capacity {require_tenant()} {environment}"],
        )
