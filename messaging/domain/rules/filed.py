"""A submission sorted by what rules ask of it: records by kind, series by unit, bid-offer pairs by
the time they stand beside each other. Each is made once, when a rule first asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
)

MOST_PAIRS: Final = 5
"""Bid-offer pairs above, and below, the notified level."""

Levels = list[tuple[int, LevelRecord]]
Pairs = list[tuple[int, BidOfferRecord]]
"""Records, each with its index in the submission, from 0."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a rule may know beside the records: when they were received, and the BM units that the
    sender may speak for with their registered capacity (MW, None where it is not known).

    Without `units` nobody asks whose a unit is.
    """

    now: datetime
    units: Mapping[str, Decimal | None] | None = None


class Filed:
    """The records of a submission that was received in `circumstances`."""

    def __init__(self, records: Sequence[Record], circumstances: Circumstances) -> None:
        self.records = records
        self.now = circumstances.now
        self.units = circumstances.units
        kinds: dict[type, list[Any]] = {
            kind: [] for kind in (LevelRecord, BidOfferRecord, RateRecord, ScalarRecord)
        }
        for one in enumerate(records):
            kinds[type(one[1])].append(one)
        self.levels: Levels = kinds[LevelRecord]
        self.pairs: Pairs = kinds[BidOfferRecord]
        self.rates: list[tuple[int, RateRecord]] = kinds[RateRecord]
        self.scalars: list[tuple[int, ScalarRecord]] = kinds[ScalarRecord]

    @cached_property
    def spans(self) -> list[tuple[int, LevelRecord | BidOfferRecord]]:
        """Records from one time and level to another."""
        return [*self.levels, *self.pairs]

    @cached_property
    def dynamics(self) -> list[tuple[int, RateRecord | ScalarRecord]]:
        """Records that take effect at a time."""
        return [*self.rates, *self.scalars]

    @cached_property
    def series(self) -> dict[tuple[SeriesParameter, str], Levels]:
        """Levels by parameter and BM unit, in the order of their times."""
        found: dict[tuple[SeriesParameter, str], Levels] = {}
        last: LevelRecord | None = None
        for one in self.levels:
            record = one[1]
            # A run of one series is the rule, and looking its key up costs more than comparing.
            if (
                last is None
                or record.bm_unit != last.bm_unit
                or record.parameter is not last.parameter
            ):
                series = found.setdefault((record.parameter, record.bm_unit), [])
            series.append(one)
            last = record
        for series in found.values():
            series.sort(key=_starts)
        return found

    @cached_property
    def notifications(self) -> list[Levels]:
        """The series that are physical notifications, one a BM unit."""
        return [series for (kind, _), series in self.series.items() if kind is SeriesParameter.PN]

    @cached_property
    def limits(self) -> list[Levels]:
        """The series that are no physical notifications."""
        return [
            series for (kind, _), series in self.series.items() if kind is not SeriesParameter.PN
        ]

    @cached_property
    def ladders(self) -> list[Pairs]:
        """The pairs of one BM unit that hold at one time, in the order of their numbers: one ladder
        for each time at which others begin to hold.
        """
        return [ladder for ladders, _ in self._stacks for ladder in ladders]

    @cached_property
    def doubled(self) -> list[int]:
        """Indices of pairs that begin while another of the same number and unit still holds."""
        return [index for _, doubled in self._stacks for index in doubled]

    @cached_property
    def _stacks(self) -> list[tuple[list[Pairs], list[int]]]:
        units: dict[str, Pairs] = {}
        for one in self.pairs:
            units.setdefault(one[1].bm_unit, []).append(one)
        return [_stack(pairs) for pairs in units.values()]


def _starts(one: tuple[int, LevelRecord]) -> datetime:
    return one[1].time_from


def _begins(one: tuple[int, BidOfferRecord]) -> tuple[datetime, int]:
    return one[1].time_from, one[1].pair_number


def _stack(pairs: Pairs) -> tuple[list[Pairs], list[int]]:
    """The ladders of one BM unit, and the pairs doubled in them.

    Pairs that do not run forwards, or have a number there is none of, have no place in a ladder: so
    none has more than ten, and there are at most twice as many as pairs.
    """
    waiting = [one for one in pairs if _has_place(one[1])]
    waiting.sort(key=_begins)
    waiting.reverse()
    standing: dict[int, tuple[int, BidOfferRecord]] = {}
    ladders: list[Pairs] = []
    doubled: list[int] = []
    while waiting:
        moment = waiting[-1][1].time_from
        if standing:
            # What ends before then leaves ladders of its own behind.
            moment = min(moment, min(record.time_to for _, record in standing.values()))
            gone = [number for number, one in standing.items() if one[1].time_to <= moment]
            for number in gone:
                del standing[number]
        while waiting and waiting[-1][1].time_from == moment:
            one = waiting.pop()
            if one[1].pair_number in standing:
                doubled.append(one[0])
            standing[one[1].pair_number] = one
        if standing:
            ladders.append([standing[number] for number in sorted(standing)])
    ladders += _rest(standing)
    return ladders, doubled


def _rest(standing: dict[int, tuple[int, BidOfferRecord]]) -> Iterator[Pairs]:
    """The ladders that are left when nothing begins any more and one after the other ends."""
    while standing:
        moment = min(record.time_to for _, record in standing.values())
        standing = {n: one for n, one in standing.items() if one[1].time_to > moment}
        if standing:
            yield [standing[number] for number in sorted(standing)]


def _has_place(record: BidOfferRecord) -> bool:
    return record.time_from < record.time_to and 1 <= abs(record.pair_number) <= MOST_PAIRS
