"""One submission at least of every record type and form, for the contract test and for readers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from messaging.domain.redeclarations import RateParameter, ScalarParameter
from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
    Submission,
)
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.edt.codec import UNTIMED
from messaging.protocols.edt.names import FileName, last_number, stem_of
from messaging.protocols.edt.profile import EdtProfile

_UNIT: Final = "TBMU-1"
_START: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
_HALF_HOUR: Final = timedelta(minutes=30)
_AGENTS: Final = ("AGENT", "A", "TRADER-01")


def examples(profile: EdtProfile) -> tuple[Envelope, ...]:
    """Envelopes that the profile can write, numbers low and high."""
    numbers = (profile.names.first, 42, last_number(profile.names))
    envelopes = []
    for index, records in enumerate(_files()):
        agent = _AGENTS[index % len(_AGENTS)]
        name = FileName(agent, numbers[index // len(_AGENTS) % len(numbers)])
        submission = Submission(name.agent, name.sequence, records)
        envelopes.append(Envelope(Stamp(stem_of(profile, name), UNTIMED), (submission,)))
    return tuple(envelopes)


def _files() -> Iterator[tuple[Record, ...]]:
    for series in SeriesParameter:
        yield tuple(_levels(series, 1))
        yield tuple(_levels(series, 48))
    yield tuple(_pairs())
    yield tuple(_pairs())[5:6]
    for rate in RateParameter:
        yield from ((record,) for record in _rates(rate))
        yield tuple(_rates(rate))
    for scalar in ScalarParameter:
        yield (ScalarRecord(scalar, _UNIT, _START, 0),)
        yield (ScalarRecord(scalar, "T_BMU-999", _START, 999),)
    yield (ScalarRecord(ScalarParameter.NTB, _UNIT, _START, 99999),)
    yield (ScalarRecord(ScalarParameter.SIL, _UNIT, _START, -9999),)
    yield (*_levels(SeriesParameter.PN, 2), *_pairs(), *_rates(RateParameter.RURE))


def _levels(parameter: SeriesParameter, count: int) -> Iterator[Record]:
    level = -9999 if parameter in (SeriesParameter.MIL, SeriesParameter.MDB) else 9999
    for index in range(count):
        begin = _START + _HALF_HOUR * index
        yield LevelRecord(parameter, _UNIT, begin, level, begin + _HALF_HOUR, 0)


def _pairs() -> Iterator[Record]:
    for number in (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5):
        level, price = 50 * number, Decimal(number) * 10
        yield BidOfferRecord(
            *(_UNIT, _START, _START + _HALF_HOUR, number, level, level),
            price + Decimal("99949.99"),
            price - Decimal("99949.99"),
        )


def _rates(parameter: RateParameter) -> Iterator[Record]:
    low, high = (-50, 50) if parameter in (RateParameter.RURE, RateParameter.RURI) else (50, -50)
    first, second, third = Decimal("999.9"), Decimal("0.1"), Decimal("12.0")
    yield RateRecord(parameter, _UNIT, _START, first)
    yield RateRecord(parameter, _UNIT, _START, first, low, second)
    yield RateRecord(parameter, _UNIT, _START, first, low, second, high, third)
