"""The table of states and moves, and when ends are told of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.keys import expiry
from tenants.keys.life import VERIFYING, CertificateState, Move, MoveRefused, after, can

S = CertificateState
ALLOWED = {
    (S.REQUESTED, Move.ANSWER): S.NEXT,
    (S.NEXT, Move.SWITCH): S.ACTIVE,
    (S.RETIRING, Move.SWITCH): S.ACTIVE,
    (S.ACTIVE, Move.RETIRE): S.RETIRING,
    (S.NEXT, Move.EXPIRE): S.EXPIRED,
    (S.ACTIVE, Move.EXPIRE): S.EXPIRED,
    (S.RETIRING, Move.EXPIRE): S.EXPIRED,
    (S.REQUESTED, Move.REVOKE): S.REVOKED,
    (S.NEXT, Move.REVOKE): S.REVOKED,
    (S.ACTIVE, Move.REVOKE): S.REVOKED,
    (S.RETIRING, Move.REVOKE): S.REVOKED,
    (S.EXPIRED, Move.REVOKE): S.REVOKED,
}
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize("move", Move)
@pytest.mark.parametrize("state", CertificateState)
def test_every_state_and_move(state: CertificateState, move: Move) -> None:
    target = ALLOWED.get((state, move))
    assert can(state, move) == (target is not None)
    if target is None:
        with pytest.raises(MoveRefused):
            after(state, move)
    else:
        assert after(state, move) is target


def test_nothing_comes_back_from_being_revoked_or_verifies_once_it_has_ended() -> None:
    assert not any(can(S.REVOKED, move) for move in Move)
    assert frozenset({S.NEXT, S.ACTIVE, S.RETIRING}) == VERIFYING


def test_each_threshold_is_told_of_once_day_by_day() -> None:
    end, told, seen = NOON + 90 * DAY, set[int](), list[tuple[int, int]]()
    for day in range(100):
        for days in expiry.due(NOON, end, NOON + day * DAY, told):
            told.add(days)
            seen.append((day, days))
    assert seen == [(30, 60), (60, 30), (76, 14), (83, 7), (87, 3), (89, 1), (90, 0)]


def test_what_comes_with_five_days_left_is_told_of_as_of_seven_and_no_more() -> None:
    assert expiry.due(NOON, NOON + 5 * DAY, NOON, set()) == [7]
    assert expiry.thresholds_of(NOON, NOON + 5 * DAY) == (7, 3, 1, 0)


def test_what_was_missed_while_nobody_looked_is_told_of_after_all() -> None:
    end = NOON + 90 * DAY
    assert expiry.due(NOON, end, end - 10 * DAY, {60}) == [30, 14]


@given(st.integers(0, 4000), st.integers(0, 5000))
def test_the_next_moment_is_when_something_gets_due(lasts: int, hours: int) -> None:
    end, at = NOON + lasts * timedelta(hours=7), NOON + timedelta(hours=hours)
    told = set(expiry.due(NOON, end, at, set()))
    following = expiry.next_moment(NOON, end, told)
    if following is None:
        assert 0 in told
    else:
        assert following > at
        assert expiry.due(NOON, end, following, told)
        assert not expiry.due(NOON, end, following - timedelta(microseconds=1), told)
