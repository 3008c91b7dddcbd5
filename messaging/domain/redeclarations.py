"""What a control point declares of its BM units in real time: level series, rates with elbows, and
scalars.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from messaging.domain.profile import Segment


class LevelParameter(StrEnum):
    """Declared as a series of levels in MW."""

    MEL = "MEL"
    MIL = "MIL"
    MDO = "MDO"
    MDB = "MDB"


class RateParameter(StrEnum):
    """Declared as up to three rates in MW/min with the two elbows (MW) between them."""

    RURE = "RURE"
    RURI = "RURI"
    RDRE = "RDRE"
    RDRI = "RDRI"


class ScalarParameter(StrEnum):
    """Declared as one number: minutes, or MW (SEL, SIL), or MWh (MDV)."""

    NDZ = "NDZ"
    NTO = "NTO"
    NTB = "NTB"
    MZT = "MZT"
    MNZT = "MNZT"
    SEL = "SEL"
    SIL = "SIL"
    MDV = "MDV"
    MDP = "MDP"


@dataclass(frozen=True, slots=True)
class RateStep:
    """From `from_mw` on (None: from the start) the unit moves at `rate` MW/min."""

    rate: Decimal
    from_mw: int | None


@dataclass(frozen=True, slots=True)
class LevelRedeclaration:
    control_point: str
    bm_unit: str
    parameter: LevelParameter
    levels: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class RateRedeclaration:
    control_point: str
    bm_unit: str
    parameter: RateParameter
    rates: tuple[RateStep, ...]


@dataclass(frozen=True, slots=True)
class ScalarRedeclaration:
    control_point: str
    bm_unit: str
    parameter: ScalarParameter
    value: int


Redeclaration = LevelRedeclaration | RateRedeclaration | ScalarRedeclaration
