"""What the rehearsal of crash points makes of the relay's table, and of what it saw; no stack is
run here.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from messaging.relay.crash_points import PLACES, Kind, Step
from tests.chaos import points_stack
from tests.chaos.points import table_of, unknown_to_the_table
from tests.chaos.points_books import two_payloads
from tests.chaos.points_storm import Death, Round
from tests.chaos.points_targets import in_turn, sample, targets


def test_every_point_is_a_target_in_each_kind_of_process_that_reaches_it() -> None:
    wanted = sum(2 * len(place.kinds) for place in PLACES.values() if not place.rare)
    assert len(set(targets())) == wanted
    assert {one.kind for one in targets()} == set(Kind)


def test_a_seed_kills_each_target_once_and_heartbeats_come_last() -> None:
    order = in_turn(7, targets())
    assert Counter(one for some in order.values() for one in some) == Counter(targets())
    assert all({one.kind for one in some} == {kind} for kind, some in order.items())
    last = [one.point.step for one in order[Kind.GATEWAY][-2:]]
    assert last == [Step.LINK_BEAT, Step.LINK_BEAT]


def test_a_seed_says_the_order_and_the_sample() -> None:
    assert in_turn(7, targets()) == in_turn(7, targets()) != in_turn(8, targets())
    assert sample(7, 12) == sample(7, 12) != sample(8, 12)


@pytest.mark.parametrize("count", [3, 8, 20])
def test_a_sample_is_of_as_many_kinds_of_process_as_it_can_be(count: int) -> None:
    chosen = sample(3, count)
    assert len(set(chosen)) == count
    assert len({one.kind for one in chosen}) == min(count, len(Kind))


def test_a_visit_that_the_table_does_not_know_is_told(tmp_path: Path) -> None:
    (tmp_path / "crash").mkdir()
    noted = points_stack.visits(tmp_path, Kind.WEB.value)
    noted.write_text("before-api\nafter-api\nafter-api crashed 1795363541.4\n")
    assert not list(unknown_to_the_table(tmp_path))
    noted.write_text("before-api\nbefore-link-take\n")
    (found,) = unknown_to_the_table(tmp_path)
    assert found.startswith("before-link-take was visited by web")


def test_the_table_of_a_run_names_what_was_never_visited() -> None:
    first, second = [one for one in targets() if one.point.step is Step.LINK_TAKE]
    played = Round(1, (Death(first, 2, 4.25), Death(second, 1, None)), ())
    table = table_of([played, played])
    cells = [list(column.cells) for column in table.columns]
    assert cells[2:4] == [["2", "0"], ["4.2 s", "never visited"]]


def test_one_id_with_two_payloads_is_told() -> None:
    def request(id_: str, digest: str) -> dict[str, object]:
        heading = {"role": "request", "direction": "in", "participantId": "ALDER"}
        return {**heading, "payload": {"messageId": id_}, "payloadSha256": digest}

    assert not list(two_payloads([request("a", "1"), request("a", "1"), request("b", "2")]))
    (found,) = two_payloads([request("a", "1"), request("a", "2")])
    assert found == "the operator got a of ALDER with 2 payloads"
