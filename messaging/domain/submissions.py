"""What a trading agent submits ahead of time: a numbered set of records, each for one BM unit.

A submission may hold two hundred thousand records: they have slots and no dictionaries, and who
makes them shares equal names, times and numbers between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from messaging.domain.redeclarations import RateParameter, RateStep, ScalarParameter


class SeriesParameter(StrEnum):
    """Submitted as straight segments of levels in MW, one a record."""

    PN = "PN"
    QPN = "QPN"
    MEL = "MEL"
    MIL = "MIL"
    MDO = "MDO"
    MDB = "MDB"


BOD = "BOD"
"""The type of bid-offer records, as `type` says the parameter of the others."""


@dataclass(frozen=True, slots=True)
class LevelRecord:
    """A straight line from (`time_from`, `level_from`) to (`time_to`, `level_to`): market times,
    whole MW.
    """

    parameter: SeriesParameter
    bm_unit: str
    time_from: datetime
    level_from: int
    time_to: datetime
    level_to: int

    @property
    def type(self) -> str:
        return self.parameter.value


@dataclass(frozen=True, slots=True)
class BidOfferRecord:
    """One pair: a band of levels in MW relative to the final physical notification, and what it
    costs to go into it (offer) and to come back (bid), in GBP/MWh.
    """

    bm_unit: str
    time_from: datetime
    time_to: datetime
    pair_number: int
    level_from: int
    level_to: int
    offer_price: Decimal
    bid_price: Decimal

    @property
    def type(self) -> str:
        return BOD


@dataclass(frozen=True, slots=True)
class RateRecord:
    """Up to three rates in MW/min; from an elbow (MW) on the next of them holds."""

    parameter: RateParameter
    bm_unit: str
    effective_time: datetime
    rate1: Decimal
    elbow2: int | None = None
    rate2: Decimal | None = None
    elbow3: int | None = None
    rate3: Decimal | None = None

    @property
    def type(self) -> str:
        return self.parameter.value

    @property
    def rates(self) -> tuple[RateStep, ...]:
        """As a redeclaration says it; an elbow without a rate is left out."""
        steps = ((self.rate1, None), (self.rate2, self.elbow2), (self.rate3, self.elbow3))
        return tuple(RateStep(rate, elbow) for rate, elbow in steps if rate is not None)


@dataclass(frozen=True, slots=True)
class ScalarRecord:
    """One number: minutes, or MW (SEL, SIL), or MWh (MDV)."""

    parameter: ScalarParameter
    bm_unit: str
    effective_time: datetime
    value: int

    @property
    def type(self) -> str:
        return self.parameter.value


Record = LevelRecord | BidOfferRecord | RateRecord | ScalarRecord

TYPES: frozenset[str] = frozenset({*SeriesParameter, BOD, *RateParameter, *ScalarParameter})
"""Every record type there is."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Accepted or refused whole. `sequence` numbers a trading agent's submissions."""

    trading_agent: str
    sequence: int
    records: tuple[Record, ...]
