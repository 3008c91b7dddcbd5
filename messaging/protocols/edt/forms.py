"""What each form of record needs of its layout, and the typed record that it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from messaging.domain.redeclarations import RateParameter, ScalarParameter
from messaging.domain.submissions import (
    BOD,
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
)
from messaging.protocols.edt.profile import Form, Kind

Build = Callable[..., Record]
"""The values of a form's meanings, in their order, to a record."""


@dataclass(frozen=True, slots=True)
class FormSpec:
    """`meanings` stand in the order that `builder(about)` takes them; only those in `optional` may
    be blank. Every profile has records about each of `abouts`.
    """

    meanings: Mapping[str, Kind]
    builder: Callable[[str], Build]
    abouts: frozenset[str]
    optional: frozenset[str] = frozenset()


def _levels(about: str) -> Build:
    return partial(LevelRecord, SeriesParameter(about))


def _pair(about: str) -> Build:
    return BidOfferRecord


def _rates(about: str) -> Build:
    return partial(RateRecord, RateParameter(about))


def _scalar(about: str) -> Build:
    return partial(ScalarRecord, ScalarParameter(about))


FORMS: Final[Mapping[Form, FormSpec]] = {
    Form.LEVELS: FormSpec(
        {
            "bm_unit": Kind.UNIT,
            "time_from": Kind.TIME,
            "level_from": Kind.WHOLE,
            "time_to": Kind.TIME,
            "level_to": Kind.WHOLE,
        },
        _levels,
        frozenset[str](SeriesParameter),
    ),
    Form.PAIR: FormSpec(
        {
            "bm_unit": Kind.UNIT,
            "time_from": Kind.TIME,
            "time_to": Kind.TIME,
            "pair_number": Kind.WHOLE,
            "level_from": Kind.WHOLE,
            "level_to": Kind.WHOLE,
            "offer_price": Kind.DECIMAL,
            "bid_price": Kind.DECIMAL,
        },
        _pair,
        frozenset({BOD}),
    ),
    Form.RATES: FormSpec(
        {
            "bm_unit": Kind.UNIT,
            "effective_time": Kind.TIME,
            "rate1": Kind.DECIMAL,
            "elbow2": Kind.WHOLE,
            "rate2": Kind.DECIMAL,
            "elbow3": Kind.WHOLE,
            "rate3": Kind.DECIMAL,
        },
        _rates,
        frozenset[str](RateParameter),
        frozenset({"elbow2", "rate2", "elbow3", "rate3"}),
    ),
    Form.SCALAR: FormSpec(
        {"bm_unit": Kind.UNIT, "effective_time": Kind.TIME, "value": Kind.WHOLE},
        _scalar,
        frozenset[str](ScalarParameter),
    ),
}


def value_of(record: Record, meaning: str) -> Any:
    return getattr(record, meaning)
