"""The golden files with what each says, and the profile, codec and readers that the tests use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from messaging.domain.redeclarations import RateParameter, ScalarParameter
from messaging.domain.rules import Violation
from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
    Submission,
)
from messaging.protocols.edt.codec import EdtCodec
from messaging.protocols.edt.loading import load_profile
from messaging.protocols.edt.names import FileName
from messaging.protocols.edt.reading import Reading, read_file

GOLDEN = Path(__file__).parent.parent / "golden" / "edt"
PROFILE = load_profile("host-1")
CODEC = EdtCodec(PROFILE)
NAME = FileName("AGENT", 42)
FILE = "AGENT_000042.sub"
UNIT = "TBMU-1"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DAY = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
ALL_PAIRS = (*range(-5, 0), *range(1, 6))


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def series(parameter: SeriesParameter, *levels: int) -> Iterator[Record]:
    """Half an hour from each of the levels to the next."""
    for index, (first, last) in enumerate(pairwise(levels)):
        begin = DAY + HALF_HOUR * index
        yield LevelRecord(parameter, UNIT, begin, first, begin + HALF_HOUR, last)


def pairs(*numbers: int) -> Iterator[Record]:
    for number in numbers:
        level, price = 50 * number, Decimal(number) * 10
        prices = price + Decimal("60.5"), price + Decimal("-0.25")
        yield BidOfferRecord(UNIT, DAY, DAY + HALF_HOUR, number, level, level, *prices)


FILES: dict[str, Submission] = {
    name: Submission("AGENT", 42, tuple(records))
    for name, records in {
        "a_notification_for_two_half_hours": series(SeriesParameter.PN, 0, 100, -20),
        "a_mel_and_a_mil": (
            *series(SeriesParameter.MEL, 100, 100),
            *series(SeriesParameter.MIL, -50, 0),
        ),
        "quiescent_and_limited_duration_levels": (
            *series(SeriesParameter.QPN, -3, -3),
            *series(SeriesParameter.MDO, 0, 9999),
            *series(SeriesParameter.MDB, -9999, 0),
        ),
        "ten_bid_offer_pairs": pairs(*ALL_PAIRS),
        "rates_with_no_one_and_two_elbows": (
            RateRecord(RateParameter.RURE, UNIT, DAY, Decimal("999.9")),
            RateRecord(RateParameter.RURI, UNIT, DAY, Decimal("0.1"), -50, Decimal("12.0")),
            RateRecord(
                *(RateParameter.RDRE, UNIT, DAY, Decimal("5.0")),
                *(50, Decimal("7.5"), -9999, Decimal("1.0")),
            ),
            RateRecord(RateParameter.RDRI, UNIT, DAY, Decimal("1.0")),
        ),
        "every_scalar": (
            *(ScalarRecord(one, UNIT, DAY, 10) for one in ScalarParameter),
            ScalarRecord(ScalarParameter.NTB, UNIT, DAY, 99999),
            ScalarRecord(ScalarParameter.SIL, UNIT, DAY, -9999),
        ),
    }.items()
}
"""Golden files, without their ending, that the codec writes byte for byte."""


def read(content: bytes, *, by: int = 0) -> Reading:
    """The file, whole or in pieces of so many bytes."""
    chunks: Iterable[bytes] = (content,)
    if by:
        chunks = [content[start : start + by] for start in range(0, len(content), by)]
    return read_file(PROFILE, NAME, chunks)


def faults(content: bytes, *, by: int = 0) -> list[tuple[int, str, str]]:
    """Line, code and field of what could not be read."""
    return [told(one) for one in read(content, by=by).findings.in_order()]


def told(violation: Violation) -> tuple[int, str, str]:
    return violation.line, str(violation.file_code), violation.field
