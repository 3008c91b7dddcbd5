"""What is in force of one BM unit: each parameter as it was declared last for each time. Where that
is kept, and whose word makes it so, is the relay's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Generic, TypeVar

from messaging.domain.profile import Segment
from messaging.domain.redeclarations import RateStep
from messaging.domain.spells import (
    Levels,
    Spell,
    Spells,
    ending_after,
    overlay,
    spells_of,
    without_overlaps,
)
from messaging.domain.submissions import BidOfferRecord, SeriesParameter

W = TypeVar("W")

KEPT_BACK: Final[Mapping[str, timedelta]] = {SeriesParameter.PN: timedelta(hours=24)}
"""How long what is over is kept: of notifications, for the longest minimum time is 999 minutes."""

KEPT_BACK_ELSE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Dated(Generic[W]):
    """A value that holds from `effective` on, until the next one does."""

    effective: datetime
    order: int
    what: W


@dataclass(frozen=True, slots=True)
class Pair:
    """A bid-offer pair without its times: MW relative to the final notification, GBP/MWh."""

    number: int
    level_from: int
    level_to: int
    offer_price: Decimal
    bid_price: Decimal


Rates = tuple[Dated[tuple[RateStep, ...]], ...]
Values = tuple[Dated[int], ...]
Pairs = tuple[Spell[Pair], ...]
"""In the order of their numbers, and of one number in the order of their times."""


@dataclass(frozen=True, slots=True)
class Declared:
    """By the names of the parameters; one that was never declared is not there.

    `doubts` says of which parameters something is on its way, or was said and not accepted, so
    that what is in force may not be what the plant can do.
    """

    levels: Mapping[str, Levels] = field(default_factory=dict)
    rates: Mapping[str, Rates] = field(default_factory=dict)
    values: Mapping[str, Values] = field(default_factory=dict)
    pairs: Pairs = ()
    doubts: tuple[str, ...] = ()


def with_levels(
    held: Levels, parameter: str, levels: Iterable[Segment], order: int, at: datetime
) -> Levels:
    """A later declaration covers an earlier one where they overlap, and nowhere else."""
    return ending_after(overlay(held, spells_of(levels, order)), _kept_from(parameter, at))


def with_pairs(held: Pairs, records: Iterable[BidOfferRecord], order: int, at: datetime) -> Pairs:
    """Each number is a series of its own."""
    series: dict[int, tuple[Spells[Pair], list[Spell[Pair]]]] = {}
    for one in held:
        spells, _ = series.get(one.what.number, ((), []))
        series[one.what.number] = ((*spells, one), [])
    for record in records:
        if record.time_from < record.time_to:
            _, new = series.setdefault(record.pair_number, ((), []))
            new.append(Spell(record.time_from, record.time_to, order, _pair(record)))
    kept_from = at - KEPT_BACK_ELSE
    return tuple(
        spell
        for _, (spells, new) in sorted(series.items())
        for spell in ending_after(overlay(spells, without_overlaps(new)), kept_from)
    )


def with_dated(held: tuple[Dated[W], ...], new: Dated[W], at: datetime) -> tuple[Dated[W], ...]:
    """Without what has been superseded for longer than it is kept. Of two values for one time the
    later declaration counts.
    """
    found = {one.effective: one for one in sorted((*held, new), key=lambda one: one.order)}
    dated = sorted(found.values(), key=lambda one: one.effective)
    kept_from = at - KEPT_BACK_ELSE
    over = sum(1 for one in dated if one.effective <= kept_from)
    return tuple(dated[max(over - 1, 0) :])


def during(dated: tuple[Dated[W], ...], start: datetime, end: datetime) -> tuple[W, ...]:
    """All that holds at any time of the span, its ends included; nothing where it is not known
    what holds at its start.
    """
    before = [one for one in dated if one.effective <= start]
    if not before:
        return ()
    return (before[-1].what, *(one.what for one in dated if start < one.effective <= end))


def _kept_from(parameter: str, at: datetime) -> datetime:
    return at - KEPT_BACK.get(parameter, KEPT_BACK_ELSE)


def _pair(record: BidOfferRecord) -> Pair:
    return Pair(
        *(record.pair_number, record.level_from, record.level_to),
        *(record.offer_price, record.bid_price),
    )
