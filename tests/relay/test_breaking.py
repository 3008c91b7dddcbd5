"""The circuit breaker's table: what each exchange makes of each state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from messaging.relay.breaking import PAUSES, Circuit, Way, way_of
from messaging.states import BreakerState

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
PROBE, OTHER = UUID(int=1), UUID(int=2)
MOST = 3

FRESH = Circuit()
FAILING = Circuit(failures=2)
OPEN = Circuit(BreakerState.OPEN, 3, 1, AT + PAUSES[0], PROBE)
TRYING = Circuit(BreakerState.HALF_OPEN, 3, 1, AT - PAUSES[0], PROBE)
TRYING_STILL = Circuit(BreakerState.HALF_OPEN, 9, 7, AT - PAUSES[0], PROBE)


@pytest.mark.parametrize(
    ("before", "way", "of", "after"),
    [
        (FRESH, Way.ANSWERED, OTHER, FRESH),
        (FRESH, Way.UNTRIED, OTHER, FRESH),
        (FRESH, Way.FAILED, OTHER, Circuit(failures=1)),
        (FAILING, Way.ANSWERED, OTHER, FRESH),
        (FAILING, Way.UNTRIED, OTHER, FAILING),
        (FAILING, Way.FAILED, OTHER, Circuit(BreakerState.OPEN, 3, 1, AT + PAUSES[0])),
        (OPEN, Way.FAILED, OTHER, OPEN),
        (OPEN, Way.FAILED, PROBE, OPEN),
        (OPEN, Way.ANSWERED, OTHER, FRESH),
        (TRYING, Way.ANSWERED, PROBE, FRESH),
        (TRYING, Way.ANSWERED, OTHER, FRESH),
        (TRYING, Way.FAILED, OTHER, TRYING),
        (TRYING, Way.UNTRIED, OTHER, TRYING),
        (TRYING, Way.FAILED, PROBE, Circuit(BreakerState.OPEN, 4, 2, AT + PAUSES[1], PROBE)),
        (TRYING, Way.UNTRIED, PROBE, Circuit(BreakerState.OPEN, 3, 1, AT, PROBE)),
        (
            TRYING_STILL,
            Way.FAILED,
            PROBE,
            Circuit(BreakerState.OPEN, 10, 8, AT + PAUSES[-1], PROBE),
        ),
    ],
)
def test_what_an_exchange_makes_of_a_breaker(
    before: Circuit, way: Way, of: UUID, after: Circuit
) -> None:
    assert before.after(way, of, AT, MOST) == after


@pytest.mark.parametrize(
    ("circuit", "may"),
    [
        (FRESH, False),
        (OPEN, False),
        (Circuit(BreakerState.OPEN, 3, 1, AT), True),
        (TRYING, False),
    ],
)
def test_one_is_tried_when_the_pause_is_over_and_none_is_being_tried(
    circuit: Circuit, may: bool
) -> None:
    assert circuit.may_probe(AT) is may


def test_no_pause_could_make_an_answer_late() -> None:
    assert max(PAUSES) <= timedelta(seconds=5)


@pytest.mark.parametrize(
    ("status", "tried", "way"),
    [
        (None, True, Way.FAILED),
        (None, False, Way.UNTRIED),
        (200, True, Way.ANSWERED),
        (401, True, Way.ANSWERED),
        (422, True, Way.ANSWERED),
        (429, True, Way.ANSWERED),
        (500, True, Way.FAILED),
        (502, True, Way.FAILED),
        (503, True, Way.ANSWERED),
        (504, True, Way.FAILED),
    ],
)
def test_how_the_way_was_by_the_answer(status: int | None, tried: bool, way: Way) -> None:
    assert way_of(status, tried=tried) is way
