"""Market data files are read whole or refused with file, line, column and value."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from messaging.domain.profile import Segment
from messaging.domain.redeclarations import RateParameter, RateStep
from messaging.rehearsal.market import rows as data
from messaging.rehearsal.market.rows import BadRow
from tests.rehearsal.sample import change, write_sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sample(tmp_path)


def at(hour: int, minute: int) -> datetime:
    return datetime(2024, 2, 29, hour, minute, tzinfo=UTC)


def test_an_acceptance_row_is_read(folder: Path) -> None:
    row = data.read_rows(folder / "boalf.csv", data.acceptance_row)[3]
    assert row == data.AcceptanceRow(
        "SMPL-1",
        date(2024, 2, 29),
        101,
        at(10, 10),
        Segment(at(10, 12), 10, at(10, 40), 10),
        deemed=False,
        so_flag=True,
        stor_flag=False,
        rr_flag=False,
    )


def test_a_bid_offer_row_is_read(folder: Path) -> None:
    row = data.read_rows(folder / "bod.csv", data.bid_offer_row)[0]
    assert (row.pair, row.bid, row.offer) == (-1, Decimal("-158.0"), Decimal("90.0"))


@pytest.mark.parametrize(
    ("index", "steps"),
    [
        (0, (("999.0", None), ("0.2", -1), ("0.2", -2))),
        (1, (("49.0", None),)),
        (2, (("12.5", None), ("3.0", -10))),
    ],
)
def test_rates_are_read_with_the_elbows_they_have(
    folder: Path, index: int, steps: tuple[tuple[str, int | None], ...]
) -> None:
    row = data.read_rows(folder / "dynamic.csv", data.rate_row)[index]
    assert row.parameter is RateParameter.RDRI
    assert row.rates == tuple(RateStep(Decimal(rate), elbow) for rate, elbow in steps)


def test_a_file_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    assert data.read_rows(tmp_path / "boalf.csv", data.acceptance_row) == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("SMPL-1,2024-02-29", "sm,2024-02-29", "line 2: nationalGridBmUnit is 'sm'"),
        (",50,20,F", ",50.5,20,F", "line 2: levelFrom is '50.5'"),
        (",50,20,F", ",many,20,F", "line 2: levelFrom is 'many'"),
        (",50,20,F", ",NaN,20,F", "line 2: levelFrom is 'NaN'"),
        (",50,20,F", ",50,20,no", "line 2: deemedBoFlag is 'no'"),
        ("10:05:00Z", "10:05:30Z", "line 2: timeTo is '2024-02-29T10:05:30Z'"),
        ("10:05:00Z", "10:05:00", "line 2: timeTo is '2024-02-29T10:05:00'"),
        ("2024-02-29,21", "2024-02-30,21", "line 2: settlementDate is '2024-02-30'"),
        ("acceptanceNumber", "acceptance", "line 2: no column acceptanceNumber"),
    ],
)
def test_a_bad_row_is_refused_with_its_place(folder: Path, old: str, new: str, words: str) -> None:
    change(folder, "boalf.csv", old, new)
    with pytest.raises(BadRow) as refused:
        data.read_rows(folder / "boalf.csv", data.acceptance_row)
    assert str(refused.value) == f"boalf.csv {words}"
