"""A day of the market as messages: which rows make it, and how its times are shifted so that it can
happen now. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from messaging.domain.instructions import BidOfferAcceptance
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateRedeclaration,
    Redeclaration,
)
from messaging.rehearsal.market.rows import AcceptanceRow, LevelRow, RateRow

HALF_HOUR = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Acceptances:
    """A day's acceptances in the order they were given, and how many rows of the file they are."""

    messages: tuple[BidOfferAcceptance, ...]
    rows: int
    deemed: int


def acceptances_of(rows: Iterable[AcceptanceRow], day: date) -> Acceptances:
    """Those whose first segment falls on the day, with all their segments, also the next day's.

    Deemed ones were never sent to anybody, so they are counted only. A control point is still to be
    named.
    """
    by_number: defaultdict[tuple[str, int], list[AcceptanceRow]] = defaultdict(list)
    for row in rows:
        by_number[row.bm_unit, row.number].append(row)
    whole = [sorted(group, key=lambda row: row.segment.time_from) for group in by_number.values()]
    of_day = [group for group in whole if group[0].day == day]
    given = [group for group in of_day if not group[0].deemed]
    messages = sorted((_acceptance(group) for group in given), key=_order)
    return Acceptances(tuple(messages), sum(map(len, given)), len(of_day) - len(given))


def _acceptance(rows: list[AcceptanceRow]) -> BidOfferAcceptance:
    first = rows[0]
    return BidOfferAcceptance(
        control_point="",
        bm_unit=first.bm_unit,
        number=first.number,
        accepted_at=first.accepted_at,
        emergency_flag=False,
        so_flag=first.so_flag,
        stor_flag=first.stor_flag,
        rr_flag=first.rr_flag,
        levels=tuple(row.segment for row in rows),
    )


def _order(message: BidOfferAcceptance) -> tuple[datetime, str, int]:
    return (message.accepted_at, message.bm_unit, message.number)


def day_with_most(rows: Iterable[LevelRow]) -> date | None:
    counts = Counter(row.day for row in rows)
    return counts.most_common(1)[0][0] if counts else None


def limits_of(
    rows: Iterable[LevelRow], day: date, parameter: LevelParameter
) -> tuple[LevelRedeclaration, ...]:
    """One series for each BM unit that has rows on the day."""
    by_unit: defaultdict[str, list[Segment]] = defaultdict(list)
    for row in rows:
        if row.day == day:
            by_unit[row.bm_unit].append(row.segment)
    return tuple(
        LevelRedeclaration("", unit, parameter, tuple(sorted(segments, key=_begin)))
        for unit, segments in sorted(by_unit.items())
    )


def _begin(segment: Segment) -> datetime:
    return segment.time_from


def rates_of(rows: Iterable[RateRow]) -> tuple[RateRedeclaration, ...]:
    """All of them in the order they were declared: what is declared stands until the next."""
    ordered = sorted(rows, key=lambda row: row.at)
    return tuple(RateRedeclaration("", row.bm_unit, row.parameter, row.rates) for row in ordered)


def shift_to(first: datetime, now: datetime) -> timedelta:
    """Whole half-hours, so that settlement periods stay whole, and the half-hour of `first` begins
    at or after `now`.

    One shift for a whole day leaves everything relative as it was: an acceptance to its own levels,
    to gate closure, and
    to the acceptances before and after it.
    """
    return ceiling(now) - floor(first)


def floor(moment: datetime) -> datetime:
    """The beginning of the half-hour."""
    past = timedelta(
        minutes=moment.minute % 30, seconds=moment.second, microseconds=moment.microsecond
    )
    return moment - past


def ceiling(moment: datetime) -> datetime:
    begin = floor(moment)
    return begin if begin == moment else begin + HALF_HOUR


def shifted(message: BidOfferAcceptance, by: timedelta) -> BidOfferAcceptance:
    moved = tuple(_moved(message.levels, by))
    return replace(message, accepted_at=message.accepted_at + by, levels=moved)


def shifted_limit(message: LevelRedeclaration, by: timedelta) -> LevelRedeclaration:
    return replace(message, levels=tuple(_moved(message.levels, by)))


def _moved(levels: Iterable[Segment], by: timedelta) -> Iterator[Segment]:
    for one in levels:
        yield replace(one, time_from=one.time_from + by, time_to=one.time_to + by)


def renumbered(
    messages: Iterable[BidOfferAcceptance], known: Mapping[str, int]
) -> tuple[BidOfferAcceptance, ...]:
    """Numbers raised, by one amount for each BM unit, as far as numbers up to `known` have been
    given before.
    """
    messages = tuple(messages)
    lowest: dict[str, int] = {}
    for message in messages:
        lowest[message.bm_unit] = min(lowest.get(message.bm_unit, message.number), message.number)
    by = {unit: max(known.get(unit, 0) - number + 1, 0) for unit, number in lowest.items()}
    return tuple(replace(one, number=one.number + by[one.bm_unit]) for one in messages)


def addressed(message: Redeclaration, control_points: Mapping[str, str]) -> Redeclaration:
    return replace(message, control_point=control_points[message.bm_unit])


def past_gate(message: BidOfferAcceptance) -> bool:
    """Whether it reaches beyond the last settlement period whose gate was closed when it was given.

    A gate closes 60 minutes before its period.
    """
    last_closed = floor(message.accepted_at + timedelta(minutes=60))
    return message.levels[-1].time_to > last_closed + HALF_HOUR
