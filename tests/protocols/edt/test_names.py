"""Names of files, the turn of their numbers, and the order in which files are taken."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.protocols.base import LocalProtocolError, RemoteProtocolError
from messaging.protocols.edt.names import (
    FileName,
    Turn,
    archive_name,
    gap_text,
    in_turn,
    number_after,
    parse_name,
    submission_name,
    turn_of,
)
from tests.protocols.edt.rows import PROFILE

NAMES = PROFILE.names
NUMBERS = st.integers(1, 999_999)
TAKEN = datetime(2026, 11, 22, 9, 8, 7, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("AGENT_000042.sub", FileName("AGENT", 42)),
        ("A_000001.sub", FileName("A", 1)),
        ("TRADER-01_999999.sub", FileName("TRADER-01", 999_999)),
        ("-_000001.sub", FileName("-", 1)),
    ],
)
def test_a_name_says_whose_file_it_is_and_its_number(text: str, name: FileName) -> None:
    assert parse_name(PROFILE, text) == name
    assert submission_name(PROFILE, name) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ".sub", "_.sub", "_000042.sub", "AGENT.sub", "AGENT000042.sub", "AGENT_.sub"),
        *("AGENT_42.sub", "AGENT_0000042.sub", "AGENT_000000.sub", "AGENT_00004A.sub"),
        *("AGENT_000042", "AGENT_000042.SUB", "AGENT_000042.sub.tmp", "AGENT_000042.ack"),
        *("agent_000042.sub", "AGENT_X_000042.sub", "TOO-LONG-1_000042.sub", "A B_000042.sub"),
        *(
            "../AGENT_000042.sub",
            "/AGENT_000042.sub",
            "AGENT_000042.sub\n",
            "AGENT_00004\u0662.sub",
        ),
        "AGENT_000042.20261122T090807Z.sub",
    ],
)
def test_what_is_no_name_of_a_submission_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_name(PROFILE, text)
    assert caught.value.field == "name"


@pytest.mark.parametrize(
    "name", [FileName("AGENT", 0), FileName("AGENT", 10**6), FileName("a", 1), FileName("", 1)]
)
def test_no_other_name_is_written(name: FileName) -> None:
    with pytest.raises(LocalProtocolError):
        submission_name(PROFILE, name)


def test_a_taken_file_is_kept_under_the_moment_it_was_taken() -> None:
    name = archive_name(PROFILE, FileName("AGENT", 42), TAKEN)
    assert name == "AGENT_000042.20261122T090807Z.sub"


def test_after_the_last_number_comes_the_first() -> None:
    assert number_after(NAMES, 41) == 42
    assert number_after(NAMES, 999_998) == 999_999
    assert number_after(NAMES, 999_999) == 1


@pytest.mark.parametrize(
    ("sequence", "expected", "turn"),
    [
        (42, 42, Turn.NEW),
        (41, 42, Turn.REPEAT),
        (1, 42, Turn.REPEAT),
        (43, 42, Turn.GAP),
        (999_999, 42, Turn.REPEAT),
        (1, 1, Turn.NEW),
        (999_999, 1, Turn.REPEAT),
        (990_000, 1, Turn.REPEAT),
        (989_999, 1, Turn.GAP),
        (1, 999_999, Turn.GAP),
        (999_998, 999_999, Turn.REPEAT),
        (500_000, 1, Turn.GAP),
    ],
)
def test_a_number_is_new_a_repeat_or_out_of_turn(sequence: int, expected: int, turn: Turn) -> None:
    assert turn_of(NAMES, sequence, expected) is turn


def test_the_refusal_of_a_gap_names_the_number_expected() -> None:
    assert gap_text(NAMES, 42) == "expected 000042"


@given(NUMBERS)
def test_the_number_after_the_one_taken_is_new_and_the_one_taken_a_repeat(taken: int) -> None:
    expected = number_after(NAMES, taken)
    assert 1 <= expected <= 999_999
    assert turn_of(NAMES, expected, expected) is Turn.NEW
    assert turn_of(NAMES, taken, expected) is Turn.REPEAT
    assert turn_of(NAMES, number_after(NAMES, expected), expected) is Turn.GAP


@given(NUMBERS, st.integers(1, 30), st.randoms())
def test_files_that_are_there_together_are_taken_in_the_order_of_their_numbers(
    first: int, count: int, chance: object
) -> None:
    """Repeats of those taken before come first; so does no agent's file stand in another's way."""
    numbers = [first]
    for _ in range(count):
        numbers.append(number_after(NAMES, numbers[-1]))
    files = [FileName("AGENT", number) for number in numbers]
    mixed = [*files, FileName("BEFORE", 7), FileName("UNKNOWN", 2), FileName("UNKNOWN", 1)]
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    taken = in_turn(NAMES, mixed, {"AGENT": numbers[count // 2], "BEFORE": 7})
    assert [one for one in taken if one.agent == "AGENT"] == files
    assert [one.sequence for one in taken if one.agent == "UNKNOWN"] == [1, 2]
