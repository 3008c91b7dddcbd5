"""A replay's messages compared with what came: down to the field of the segment that differs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from messaging.rehearsal.market.comparison import Told, compare


def told(unit: str, number: int, *levels: int, **members: Any) -> Told:
    segments = [{"levelFrom": level, "levelTo": level} for level in levels]
    content = {"bmUnit": unit, "levels": segments, **members}
    return Told(unit, f"BOA {number} of {unit}", json.dumps(content))


SENT = (told("A", 1, 50, 20), told("B", 1, 7), told("A", 2, 20), told("A", 3, 0, 5, 9))


def test_what_came_as_it_was_sent_shows_no_difference() -> None:
    compared = compare(SENT, (SENT[1], SENT[0], SENT[2], SENT[3]))
    assert compared.differences == ()
    assert (compared.messages, compared.segments) == (4, 7)


@pytest.mark.parametrize(
    ("came", "words"),
    [
        (SENT[1:], "BOA 1 of A: sent, and never came"),
        ((*SENT, SENT[0]), "BOA 1 of A: sent 1x, came 2x"),
        ((*SENT, told("B", 9)), "BOA 9 of B: came, and was never sent"),
        ((SENT[0], SENT[1], SENT[3], SENT[2]), "BOA 2 of A: did not come in its order"),
        (
            (*SENT[:3], told("A", 3, 0, 4, 9)),
            "BOA 3 of A, levels 2 levelFrom: 5 was sent, 4 came",
        ),
        ((*SENT[:3], told("A", 3, 0, 5)), "BOA 3 of A, levels 3 levelTo: 9 was sent, nothing came"),
        ((told("A", 1, 50, 20, soFlag=True), *SENT[1:]), "BOA 1 of A, soFlag: nothing was sent"),
    ],
)
def test_each_difference_is_told_where_it_is(came: tuple[Told, ...], words: str) -> None:
    found = compare(SENT, came).differences
    assert any(difference.startswith(words) for difference in found), found


def test_only_the_field_that_differs_is_told() -> None:
    came = (*SENT[:3], told("A", 3, 0, 5, 9, wall=4))
    assert compare(SENT, came).differences == ("BOA 3 of A, wall: nothing was sent, 4 came",)
