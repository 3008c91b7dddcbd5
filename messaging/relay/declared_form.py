"""How what is declared of one parameter is written in its row: short lists, for a limited asset's
series has thousands of them. What it means is the domain's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from messaging.domain.declared import Dated, Pair, Pairs, Rates, Values
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import RateParameter, RateStep, ScalarParameter
from messaging.domain.spells import Levels, Span, Spell, spans_of
from messaging.domain.submissions import BOD, SeriesParameter

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNIT: Final = timedelta(microseconds=1)

Content = list[Any]
Held = Levels | Rates | Values | Pairs
"""What is in force of one parameter; which of them it is, the parameter's name says."""


def is_levels(parameter: str) -> bool:
    return parameter in SeriesParameter.__members__


def is_rates(parameter: str) -> bool:
    return parameter in RateParameter.__members__


def is_value(parameter: str) -> bool:
    return parameter in ScalarParameter.__members__


def is_pairs(parameter: str) -> bool:
    return parameter == BOD


def write_levels(levels: Levels) -> Content:
    return [
        [
            *(_write(one.time_from), _write(one.time_to), one.order),
            *(_write(one.what.time_from), one.what.level_from),
            *(_write(one.what.time_to), one.what.level_to),
        ]
        for one in levels
    ]


def read_levels(content: Content) -> Levels:
    return tuple(
        Spell(
            *(_read(start), _read(end), order),
            Segment(_read(time_from), level_from, _read(time_to), level_to),
        )
        for start, end, order, time_from, level_from, time_to, level_to in content
    )


def write_pairs(pairs: Pairs) -> Content:
    return [
        [
            *(_write(one.time_from), _write(one.time_to), one.order),
            *(one.what.number, one.what.level_from, one.what.level_to),
            *(str(one.what.offer_price), str(one.what.bid_price)),
        ]
        for one in pairs
    ]


def read_pairs(content: Content) -> Pairs:
    return tuple(
        Spell(
            *(_read(start), _read(end), order),
            Pair(number, level_from, level_to, Decimal(offer), Decimal(bid)),
        )
        for start, end, order, number, level_from, level_to, offer, bid in content
    )


def write_rates(rates: Rates) -> Content:
    return [
        [_write(one.effective), one.order, [[str(step.rate), step.from_mw] for step in one.what]]
        for one in rates
    ]


def read_rates(content: Content) -> Rates:
    return tuple(
        Dated(_read(when), order, tuple(RateStep(Decimal(rate), elbow) for rate, elbow in steps))
        for when, order, steps in content
    )


def write_values(values: Values) -> Content:
    return [[_write(one.effective), one.order, one.what] for one in values]


def read_values(content: Content) -> Values:
    return tuple(Dated(_read(when), order, value) for when, order, value in content)


def covered_by_spells(spells: Levels | Pairs) -> str:
    """As PostgreSQL writes a tstzmultirange."""
    whole: list[Spell[Segment | Pair]] = [
        Spell(one.time_from, one.time_to, one.order, one.what) for one in spells
    ]
    return _multirange(spans_of(sorted(whole, key=lambda one: one.time_from)))


def covered_by_dated(dated: Rates | Values) -> str:
    """From the first on without an end: the last value stands."""
    return f"{{[{dated[0].effective.isoformat()},)}}" if dated else "{}"


def _multirange(spans: Sequence[Span]) -> str:
    ranges = (f"[{begins.isoformat()},{ends.isoformat()})" for begins, ends in spans)
    return f"{{{','.join(ranges)}}}"


def _write(moment: datetime) -> int:
    return (moment - _EPOCH) // _UNIT


def _read(microseconds: int) -> datetime:
    return _EPOCH + _UNIT * microseconds
