"""How fast a unit may move: its declared rates, each in its band of levels, against a straight line
of levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from messaging.domain.declared import Rates, during
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import RateParameter, RateStep
from messaging.domain.spells import minutes_between

_PARAMETERS: Final = {
    (True, True): RateParameter.RURE,
    (True, False): RateParameter.RURI,
    (False, True): RateParameter.RDRE,
    (False, False): RateParameter.RDRI,
}
"""By whether the level rises, and whether it is in the export range."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a line that lies in the export range, or in the import range. `steps` are all the
    rates in force at any time of the line; none where that is not known.
    """

    parameter: RateParameter
    rising: bool
    low: int
    high: int
    steps: tuple[tuple[RateStep, ...], ...]

    @property
    def slowest(self) -> Fraction | None:
        """The lowest rate (MW/min) that holds anywhere on it."""
        if not self.steps or not all(self.steps):
            return None
        return min(rate for steps in self.steps for rate in self._rates(steps))

    def _rates(self, steps: tuple[RateStep, ...]) -> Iterator[Fraction]:
        for index, step in enumerate(steps):
            begins = step.from_mw if index else None
            ends = steps[index + 1].from_mw if index + 1 < len(steps) else None
            low, high = (begins, ends) if self.rising else (ends, begins)
            if (low is None or low < self.high) and (high is None or high > self.low):
                yield Fraction(step.rate)


def speed_of(line: Segment) -> Fraction:
    """MW/min, without its sign."""
    length = minutes_between(line.time_from, line.time_to)
    return abs(line.level_to - line.level_from) / length


def parts_of(line: Segment, rates: Mapping[str, Rates]) -> Iterator[Part]:
    """None of a line that stays level."""
    rising = line.level_to > line.level_from
    low, high = sorted((line.level_from, line.level_to))
    for is_export, bottom, top in ((True, max(low, 0), high), (False, low, min(high, 0))):
        if bottom < top:
            parameter = _PARAMETERS[rising, is_export]
            steps = during(rates.get(parameter, ()), line.time_from, line.time_to)
            yield Part(parameter, rising, bottom, top, steps)
