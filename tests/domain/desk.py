"""A BM unit with all of it declared, an acceptance that keeps within, and short ways to change
either.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from messaging.domain.declared import Dated, Declared, Rates
from messaging.domain.instructions import BidOfferAcceptance
from messaging.domain.judging import Accept, Earlier, Judgement, judge
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import RateParameter, RateStep, ScalarParameter
from messaging.domain.spells import Levels, spells_of

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
"""When the acceptance starts, unless it says otherwise; times are minutes from here."""

CAME = START - timedelta(minutes=2, seconds=-5)
LONG_AGO = START - timedelta(days=2)
POINT, UNIT = "ALICP1", "ALICP1-1"


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def line(*points: tuple[float, int]) -> tuple[Segment, ...]:
    """Joined segments through (minute, MW)."""
    return tuple(
        Segment(at(begin), first, at(end), last)
        for (begin, first), (end, last) in itertools.pairwise(points)
    )


def series(*points: tuple[float, int]) -> Levels:
    return spells_of(line(*points), 1)


def flat(level: int, begin: float = -1440, end: float = 1440) -> Levels:
    return series((begin, level), (end, level))


def rates(*steps: tuple[str, int | None], since: datetime = LONG_AGO) -> Rates:
    return (Dated(since, 1, tuple(RateStep(Decimal(rate), elbow) for rate, elbow in steps)),)


def acceptance(*points: tuple[float, int], **changes: Any) -> BidOfferAcceptance:
    accepted_at = at(points[0][0] - 2)
    flags = (False, False, False, False)
    made = BidOfferAcceptance(POINT, UNIT, 7, accepted_at, *flags, levels=line(*points))
    return replace(made, **changes)


def unit(pn: int | Levels = 20, mel: int | Levels = 100, mil: int | Levels = -100) -> Declared:
    """Flat levels, 10 MW/min either way, and no minimum times."""
    named = {"PN": pn, "MEL": mel, "MIL": mil}
    return Declared(
        levels={name: flat(v) if isinstance(v, int) else v for name, v in named.items()},
        rates={parameter: rates(("10", None)) for parameter in RateParameter},
        values={
            parameter: (Dated(LONG_AGO, 1, 0),)
            for parameter in (ScalarParameter.NDZ, ScalarParameter.MZT, ScalarParameter.MNZT)
        },
    )


def timed(declared: Declared, **minutes: int) -> Declared:
    """With these minimum times."""
    values = {name: (Dated(LONG_AGO, 1, value),) for name, value in minutes.items()}
    return replace(declared, values={**declared.values, **values})


def moving(declared: Declared, **parameters: Rates) -> Declared:
    return replace(declared, rates={**declared.rates, **parameters})


def without(declared: Declared, name: str) -> Declared:
    """As if it had never been declared."""
    return replace(
        declared,
        levels={key: one for key, one in declared.levels.items() if key != name},
        rates={key: one for key, one in declared.rates.items() if key != name},
        values={key: one for key, one in declared.values.items() if key != name},
    )


def judged(
    boa: BidOfferAcceptance, declared: Declared, history: Sequence[Earlier] = ()
) -> Judgement:
    return judge(boa, declared, history, boa.accepted_at + timedelta(seconds=5))


def reason(
    boa: BidOfferAcceptance, declared: Declared, history: Iterable[Earlier] = ()
) -> str | None:
    """Why it is left to a person; None where it is accepted."""
    found = judged(boa, declared, tuple(history))
    return None if isinstance(found, Accept) else found.reason
