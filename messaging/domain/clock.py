"""The calendar of the market as arithmetic on given moments: half-hours, settlement days and
periods, gate closure, the operational day. It asks nobody for the time.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")
"""Settlement days and operational days are days of the local clock."""

HALF_HOUR: Final = timedelta(minutes=30)
GATE: Final = timedelta(minutes=60)
"""How long before a settlement period starts its gate closes."""

OPERATIONAL_DAY: Final = time(5, 0)
"""When an operational day starts, by the local clock."""

_DAY: Final = timedelta(days=1)


def half_hour_of(moment: datetime) -> datetime:
    """The start of the half-hour that `moment` (UTC) lies in."""
    return moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)


def is_half_hour(moment: datetime) -> bool:
    return not (moment.minute % 30 or moment.second or moment.microsecond)


@lru_cache(maxsize=4096)
def start_of_day(day: date) -> datetime:
    """When the settlement day starts, in UTC: midnight of the local clock."""
    return datetime.combine(day, time(), LONDON).astimezone(UTC)


def periods_in(day: date) -> int:
    """How many settlement periods a day has: 48; 46 when clocks go forward, 50 when back."""
    return (start_of_day(day + _DAY) - start_of_day(day)) // HALF_HOUR


def periods_of(day: date) -> tuple[datetime, ...]:
    """The starts (UTC) of a day's settlement periods in order: period 1 is the first."""
    start = start_of_day(day)
    return tuple(start + HALF_HOUR * index for index in range(periods_in(day)))


def period_start(day: date, number: int) -> datetime:
    """When (UTC) a period starts; ValueError where the day has no period of that number."""
    if not 1 <= number <= periods_in(day):
        raise ValueError(f"{day} has periods 1 to {periods_in(day)}, not {number}")
    return start_of_day(day) + HALF_HOUR * (number - 1)


def period_of(moment: datetime) -> tuple[date, int]:
    """The settlement day and the number of the period that `moment` lies in."""
    day = moment.astimezone(LONDON).date()
    return day, (moment - start_of_day(day)) // HALF_HOUR + 1


def gate_closure(start: datetime) -> datetime:
    """When the gate of the period that starts at `start` closes."""
    return start - GATE


def is_gate_closed(start: datetime, now: datetime) -> bool:
    """Whether the gate of the period that starts at `start` has closed by `now`, its very moment
    included.
    """
    return gate_closure(start) <= now


def last_gate_closed(now: datetime) -> datetime:
    """The start of the last period whose gate has closed by `now`."""
    return half_hour_of(now + GATE)


def closing_within(ahead: timedelta, now: datetime) -> list[datetime]:
    """The starts of the periods whose gates are open at `now` and close within `ahead` of it."""
    first = last_gate_closed(now) + HALF_HOUR
    count = (now + ahead - gate_closure(first)) // HALF_HOUR + 1
    return [first + HALF_HOUR * index for index in range(max(count, 0))]


def next_closing_within(ahead: timedelta, now: datetime) -> datetime:
    """When, after `now`, a gate comes to close within `ahead`."""
    return gate_closure(last_gate_closed(now + ahead) + HALF_HOUR) - ahead


@lru_cache(maxsize=4096)
def operational_day_start(day: date) -> datetime:
    """When the operational day begins, in UTC: 05:00 by the local clock, 04:00 UTC in summer."""
    return datetime.combine(day, OPERATIONAL_DAY, LONDON).astimezone(UTC)


def operational_day_of(moment: datetime) -> date:
    """The operational day that `moment` lies in, by the date it begins on."""
    day = moment.astimezone(LONDON).date()
    return day if operational_day_start(day) <= moment else day - _DAY


def is_operational_day_start(moment: datetime) -> bool:
    return operational_day_start(operational_day_of(moment)) == moment


def next_operational_day_start(now: datetime) -> datetime:
    """When the first operational day begins that is still to come at `now`."""
    return operational_day_start(operational_day_of(now) + _DAY)
