"""Notifications and bid-offer data that are only read are still held against the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from messaging.rehearsal.market import rows as data
from messaging.rehearsal.market.checks import bid_offer_faults, notification_faults
from tests.rehearsal.sample import change, write_sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sample(tmp_path)


def notified(folder: Path) -> list[str]:
    return list(notification_faults(data.read_rows(folder / "pn.csv", data.level_row)))


def bid(folder: Path) -> list[str]:
    return list(bid_offer_faults(data.read_rows(folder / "bod.csv", data.bid_offer_row)))


def test_the_sample_is_without_fault(folder: Path) -> None:
    assert notified(folder) == []
    assert bid(folder) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("T10:10:00Z,50,50", "T10:12:00Z,50,50", "overlap at 2024-02-29 10:10"),
        ("T10:10:00Z,50,50", "T10:09:00Z,50,50", "gap at 2024-02-29 10:09"),
        ("T10:30:00Z,55,50", "T10:10:00Z,55,50", "does not run forwards at 2024-02-29 10:10"),
        ("55,50", "55,10000", "level out of range at 2024-02-29 10:10"),
    ],
)
def test_a_notification_that_breaks_a_rule_is_told(
    folder: Path, old: str, new: str, words: str
) -> None:
    change(folder, "pn.csv", old, new)
    assert notified(folder) == [f"PN of SMPL-1: {words}"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("-158.0,90.0", "-158.0,-160.0", ", pair -1: bid above offer"),
        ("-150.0,9999.0", "-150.0,100000.0", ", pair 1: price out of range"),
        ("-51,-51", "51,51", ", pair -1: levels on the wrong side of 0"),
        ("10:30:00Z,-51", "10:29:00Z,-51", ", pair -1: not a settlement period"),
        ("-150.0,9999.0", "-159.0,9999.0", ": prices fall as the pair number rises"),
        (",21,1,", ",21,2,", ": pairs [-1, 2] are not contiguous from 1 and -1"),
    ],
)
def test_bid_offer_data_that_break_a_rule_are_told(
    folder: Path, old: str, new: str, words: str
) -> None:
    change(folder, "bod.csv", old, new)
    assert bid(folder) == [f"BOD of SMPL-1 in period 21{words}"]
