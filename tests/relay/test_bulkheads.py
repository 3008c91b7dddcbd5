"""What one endpoint may take of a process's threads, and what becomes of those it has no room
for.
"""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from messaging.relay.bulkheads import Berth, Bulkheads, Looks, Share, Ticket

SLOW, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)
TENANT = UUID(int=9)


def ticket(urgency: int, position: int) -> Ticket:
    return Ticket(urgency, position, uuid4(), TENANT, False)


@pytest.mark.parametrize(
    ("threads", "percent", "share"),
    [
        (16, 25, Share(16, 4, 4)),
        (4, 25, Share(4, 1, 1)),
        (1, 25, Share(1, 1, 0)),
        (16, 100, Share(16, 16, 4)),
    ],
)
def test_a_share_of_the_threads(threads: int, percent: int, share: Share) -> None:
    assert Share.of(threads, percent) == share


def test_one_endpoint_gets_its_share_and_no_more() -> None:
    heads = Bulkheads(Share.of(16, 25))
    assert [heads.enter(SLOW) for _ in range(6)] == [True] * 4 + [False] * 2
    assert heads.enter(OTHER)
    heads.leave(SLOW)
    assert heads.enter(SLOW)


def test_several_slow_ones_leave_the_last_threads_to_those_that_have_none() -> None:
    heads = Bulkheads(Share.of(16, 25))
    for endpoint in (SLOW, OTHER, THIRD):
        assert all(heads.enter(endpoint) for _ in range(4))
    late = [uuid4() for _ in range(4)]
    assert all(heads.enter(one) for one in late)
    assert not any(heads.enter(one) for one in late), "each its first only"


def test_room_goes_to_the_most_urgent_and_then_to_the_oldest() -> None:
    heads = Bulkheads(Share.of(4, 25))
    assert heads.enter(SLOW)
    newer, older, answer = ticket(1, 7), ticket(1, 3), ticket(0, 9)
    for one in (newer, older, answer, answer):
        heads.park(SLOW, one)
    assert heads.admit(SLOW) == [], "there is no room yet"
    given = []
    for _ in range(4):
        heads.leave(SLOW)
        given += heads.admit(SLOW)
        heads.enter(SLOW)
    assert given == [answer, older, newer]


def test_a_berth_asked_twice_counts_once_and_gives_back_what_it_had() -> None:
    heads = Bulkheads(Share.of(4, 25))
    berth, second = Berth(heads), Berth(heads)
    assert berth.enter(SLOW)
    assert berth.enter(SLOW)
    assert not second.enter(SLOW)
    waiting = ticket(1, 1)
    second.park(waiting)
    assert second.leave() == []
    assert berth.leave() == [waiting]
    assert berth.leave() == []
    assert Berth(heads).enter(SLOW)


def test_one_that_was_refused_after_the_last_has_left_is_given_out_at_once() -> None:
    """Between its refusal and its parking the room may have come free: nobody would wake it."""
    heads = Bulkheads(Share.of(4, 25))
    first, late = Berth(heads), Berth(heads)
    assert first.enter(SLOW)
    assert not late.enter(SLOW)
    assert first.leave() == []
    waiting = ticket(1, 1)
    late.park(waiting)
    assert late.leave() == [waiting]


def test_one_that_is_refused_is_handed_out_by_nobody_before_it_is_left() -> None:
    """Its row is locked until then: whoever were woken for it would drop it."""
    heads = Bulkheads(Share(1, 1, 0))
    first, refused = Berth(heads), Berth(heads)
    assert first.enter(SLOW)
    assert not refused.enter(SLOW)
    waits = ticket(2, 1)
    refused.park(waits)
    assert first.leave() == []
    assert refused.leave() == [waits]


def test_a_try_that_came_to_nothing_makes_room_for_one_and_an_exchange_for_all() -> None:
    """Else each of them would bring several more, until all that are parked are run through."""
    heads = Bulkheads(Share(16, 4, 4))
    busy = [Berth(heads) for _ in range(4)]
    assert all(one.enter(SLOW) for one in busy)
    for position in range(9):
        heads.park(SLOW, ticket(1, position))
    in_vain, *used = busy
    assert [one.position for one in in_vain.leave()] == [0]
    for one in used[:2]:
        one.use()
    assert [one.position for one in used[0].leave()] == [1, 2]
    assert [one.position for one in used[1].leave()] == [3, 4, 5]


def test_whoever_is_turned_away_has_none_handed_out_in_vain() -> None:
    heads = Bulkheads(Share.of(4, 25))
    heads.park(OTHER, ticket(1, 1))
    for position in (3, 1, 2):
        heads.park(SLOW, ticket(1, position))
    berth = Berth(heads)
    assert berth.enter(SLOW)
    later = ticket(1, 4)
    heads.park(SLOW, later)
    berth.turn_away()
    assert berth.leave() == [later], "nobody else may know of what was parked since"
    assert heads.admit(SLOW) == []
    assert len(heads.admit(OTHER)) == 1
    heads.park(SLOW, later)
    assert heads.admit(SLOW) == [later], "what was handed out may be parked again"


def test_a_berth_that_was_never_asked_for_gives_nothing_back() -> None:
    heads = Bulkheads(Share.of(4, 25))
    assert Berth(heads).leave() == []
    assert heads.enter(SLOW)


def test_looks_that_may_last_take_half_of_the_threads() -> None:
    looks = Looks(4)
    with looks.one_more() as first, looks.one_more() as second, looks.one_more() as third:
        assert (first, second, third) == (True, True, False)
    with looks.one_more() as again:
        assert again
