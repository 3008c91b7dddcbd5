"""Every form of redeclaration there is, for one BM unit each, and plausible ones for a
demonstration that goes on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import cycle

from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    RateStep,
    Redeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)

_IMPORTING = (LevelParameter.MIL, LevelParameter.MDB)
_RUN_UP = (RateParameter.RURE, RateParameter.RURI)
_RATES = (Decimal("2.5"), Decimal("10.0"), Decimal("0.4"))
_SCALARS = {
    ScalarParameter.NDZ: 7,
    ScalarParameter.NTO: 30,
    ScalarParameter.NTB: 45,
    ScalarParameter.MZT: 60,
    ScalarParameter.MNZT: 90,
    ScalarParameter.SEL: 20,
    ScalarParameter.SIL: -15,
    ScalarParameter.MDV: 120,
    ScalarParameter.MDP: 240,
}


def every_form(
    control_point: str, bm_units: Sequence[str], at: datetime
) -> Iterator[Redeclaration]:
    """Four series, four rates with one, two and three steps, nine scalars; the units take turns."""
    units = cycle(bm_units)
    for level in LevelParameter:
        yield LevelRedeclaration(control_point, next(units), level, _ramp(level, at))
    for rate in RateParameter:
        for count in (1, 2, 3):
            yield RateRedeclaration(control_point, next(units), rate, _steps(rate, count))
    for scalar, value in _SCALARS.items():
        yield ScalarRedeclaration(control_point, next(units), scalar, value)


def plausible(
    control_point: str, bm_unit: str, at: datetime, chance: random.Random
) -> Redeclaration:
    """What a plant of 100 MW might redeclare: a limit for the next hours, a rate, or its notice."""
    rate = chance.choice(tuple(RateParameter))
    level = chance.choice((LevelParameter.MEL, LevelParameter.MIL))
    return chance.choice(
        (
            flat(control_point, bm_unit, level, chance.randrange(20, 101, 5), at, hours=3),
            RateRedeclaration(control_point, bm_unit, rate, _steps(rate, chance.randint(1, 3))),
            ScalarRedeclaration(
                control_point, bm_unit, ScalarParameter.NDZ, chance.randrange(2, 31)
            ),
        )
    )


def flat(
    control_point: str,
    bm_unit: str,
    parameter: LevelParameter,
    megawatts: int,
    at: datetime,
    *,
    hours: int = 1,
) -> LevelRedeclaration:
    """One level from the minute of `at` on, exported or imported as the parameter has it."""
    begin = minute_of(at)
    level = -megawatts if parameter in _IMPORTING else megawatts
    segment = Segment(begin, level, begin + timedelta(hours=hours), level)
    return LevelRedeclaration(control_point, bm_unit, parameter, (segment,))


def minute_of(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _ramp(parameter: LevelParameter, at: datetime) -> tuple[Segment, ...]:
    """Level, down, and after a gap level again: what a series can have."""
    begin, quarter = minute_of(at), timedelta(minutes=15)
    high, low = (-100, -40) if parameter in _IMPORTING else (100, 40)
    return (
        Segment(begin, high, begin + quarter, high),
        Segment(begin + quarter, high, begin + 2 * quarter, low),
        Segment(begin + 4 * quarter, low, begin + 8 * quarter, low),
    )


def _steps(parameter: RateParameter, count: int) -> tuple[RateStep, ...]:
    """Elbows rise for run-up rates and fall for run-down rates."""
    elbows = (None, 30, 70) if parameter in _RUN_UP else (None, 70, 30)
    return tuple(RateStep(rate, elbow) for rate, elbow in zip(_RATES, elbows, strict=True))[:count]
