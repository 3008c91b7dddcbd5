"""Rules for rows that are read and not driven: physical notifications and bid-offer data. Pure.

They are those of the domain's table for PN and BOD, as far as published rows can be held against
them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from messaging.domain.rules import LEVEL_RANGE
from messaging.rehearsal.market.rows import BidOfferRow, LevelRow

HIGHEST_PRICE = Decimal("99999.99")
_PAIRS = 5
_PERIOD = timedelta(minutes=30)


def notification_faults(rows: Iterable[LevelRow]) -> Iterator[str]:
    """Ranges run forwards, do not overlap, and leave no gap between a unit's first and last on a
    day.
    """
    by_unit: defaultdict[tuple[str, date], list[LevelRow]] = defaultdict(list)
    for row in rows:
        by_unit[row.bm_unit, row.day].append(row)
        yield from _range_faults(row)
    for (unit, _), group in by_unit.items():
        ordered = sorted(group, key=lambda row: row.segment.time_from)
        for before, after in pairwise(ordered):
            if after.segment.time_from < before.segment.time_to:
                yield f"PN of {unit}: overlap at {_clock(after.segment.time_from)}"
            elif after.segment.time_from > before.segment.time_to:
                yield f"PN of {unit}: gap at {_clock(before.segment.time_to)}"


def _range_faults(row: LevelRow) -> Iterator[str]:
    segment, (low, high) = row.segment, LEVEL_RANGE
    if segment.time_from >= segment.time_to:
        yield f"PN of {row.bm_unit}: does not run forwards at {_clock(segment.time_from)}"
    if not all(low <= level <= high for level in (segment.level_from, segment.level_to)):
        yield f"PN of {row.bm_unit}: level out of range at {_clock(segment.time_from)}"


def bid_offer_faults(rows: Iterable[BidOfferRow]) -> Iterator[str]:
    """Whole settlement periods; pairs without gaps from 1 and -1; prices that do not fall as the
    pair number rises.
    """
    by_period: defaultdict[tuple[str, date, int], list[BidOfferRow]] = defaultdict(list)
    for row in rows:
        by_period[row.bm_unit, row.day, row.period].append(row)
        yield from _pair_faults(row)
    for (unit, _, period), group in by_period.items():
        name = f"BOD of {unit} in period {period}"
        yield from _ladder_faults(name, sorted(group, key=lambda row: row.pair))


def _pair_faults(row: BidOfferRow) -> Iterator[str]:
    name = f"BOD of {row.bm_unit} in period {row.period}, pair {row.pair}"
    segment = row.segment
    is_period = _is_half_hour(segment.time_from) and segment.time_to - segment.time_from == _PERIOD
    if not is_period:
        yield f"{name}: not a settlement period"
    levels = (segment.level_from, segment.level_to)
    if any(level < 0 for level in levels) if row.pair > 0 else any(level > 0 for level in levels):
        yield f"{name}: levels on the wrong side of 0"
    if row.bid > row.offer:
        yield f"{name}: bid above offer"
    if max(abs(row.bid), abs(row.offer)) > HIGHEST_PRICE:
        yield f"{name}: price out of range"


def _ladder_faults(name: str, group: Sequence[BidOfferRow]) -> Iterator[str]:
    pairs = [row.pair for row in group]
    lowest, highest = min(pairs[0], 0), max(pairs[-1], 0)
    wanted = [pair for pair in range(lowest, highest + 1) if pair]
    if pairs != wanted or lowest < -_PAIRS or highest > _PAIRS:
        yield f"{name}: pairs {pairs} are not contiguous from 1 and -1"
    if any(
        after.bid < before.bid or after.offer < before.offer for before, after in pairwise(group)
    ):
        yield f"{name}: prices fall as the pair number rises"


def _is_half_hour(moment: datetime) -> bool:
    return moment.minute % 30 == 0


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")
