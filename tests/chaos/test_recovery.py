"""Recovery is counted to the end of a message that was begun after the strike, and of no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.chaos.recovery import Passage, recovered

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def passage(begun: float, done: float) -> Passage:
    return Passage(NOON + timedelta(seconds=begun), NOON + timedelta(seconds=done))


def test_the_first_to_end_of_those_begun_after_it_counts() -> None:
    passages = [passage(-1, 1), passage(2, 9), passage(3, 5), passage(6, 7)]
    assert recovered(NOON, passages) == timedelta(seconds=5)


def test_there_is_none_where_nothing_begun_after_it_has_ended() -> None:
    assert recovered(NOON, [passage(-1, 1)]) is None
