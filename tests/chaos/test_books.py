"""Three books that agree have nothing wrong, and each thing that can be wrong is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.books import (
    REFUSED_BY_HOST,
    Came,
    Carried,
    Flow,
    Given,
    Heard,
    Ill,
    Said,
    Word,
    judge,
    judge_links,
)

OK = Word.ACCEPTED


def said(name: str, *words: Word, taken: bool = True, sender: str = "") -> Said:
    return Said(name, taken, words, sender)


def carried(name: str, place: int, state: str = "ACKNOWLEDGED", **more: bool) -> Carried:
    return Carried(name, "UNIT-1", place, state, f"id of {name}", f"bytes of {name}", **more)


def came(name: str, word: Word | None = OK) -> Came:
    return Came(name, f"id of {name}", f"bytes of {name}", word)


WHOLE = Flow(
    "redeclarations",
    [said("a", OK), said("b", Word.REFUSED), said("c", OK)],
    [carried("a", 1), carried("b", 2, "REFUSED"), carried("c", 3)],
    [came("a"), came("b", Word.REFUSED), came("b", Word.REFUSED), came("c")],
)
INSTRUCTED = Flow("instructions", [said("a")], [carried("a", 1)], [came("a", None)], tells=False)


def ills(flow: Flow) -> set[Ill]:
    return {finding.ill for finding in judge(flow)}


@pytest.mark.parametrize("flow", [WHOLE, INSTRUCTED], ids=lambda flow: flow.title)
def test_books_that_agree_have_nothing_wrong(flow: Flow) -> None:
    assert judge(flow) == ()


def one(
    sender: Said, host: Carried | None, receiver: Came | None = None, *, tells: bool = True
) -> Flow:
    return Flow("one", [sender], [host] if host else [], [receiver] if receiver else [], tells)


@pytest.mark.parametrize(
    "flow",
    [
        one(said("a", Word.EXPIRED), carried("a", 1, "EXPIRED")),
        one(said("a", Word.EXPIRED), carried("a", 1, "EXPIRED"), came("a")),
        one(said("a", Word.EXPIRED), carried("a", 1, "SUPERSEDED")),
        one(said("a", Word.REFUSED_BY_HOST, taken=False), carried("a", 1, REFUSED_BY_HOST)),
        one(said("a"), carried("a", 1, "DELIVERED"), came("a", None)),
        one(said("a", taken=False), None),
        one(said("a"), carried("a", 1, "", alarmed=True), tells=False),
        one(said("a"), carried("a", 1, "EXPIRED", alarmed=True), came("a", None), tells=False),
    ],
    ids=lambda flow: f"{flow.carried[0].state if flow.carried else 'never taken'}",
)
def test_what_came_to_nothing_and_was_told_is_no_loss(flow: Flow) -> None:
    assert judge(flow) == ()


@pytest.mark.parametrize(
    ("ill", "flow"),
    [
        (Ill.LOST, one(said("a", OK), None)),
        (Ill.LOST, one(said("a", OK), carried("a", 1))),
        (Ill.LOST, one(said("a"), carried("a", 1, "PENDING"))),
        (Ill.LOST, one(said("a"), carried("a", 1, "EXPIRED"), tells=False)),
        (Ill.LOST, one(said("a"), carried("a", 1, ""), tells=False)),
        (Ill.LOST, one(said("a"), carried("a", 1, "DELIVERED"), came("a"))),
        (Ill.LATE, replace(INSTRUCTED, carried=[carried("a", 1, late=True)])),
        (Ill.OUT_OF_ORDER, replace(WHOLE, came=[came("c"), *WHOLE.came])),
        (Ill.OUT_OF_ORDER, replace(WHOLE, said=WHOLE.said[::-1])),
        (Ill.TWO_IDS, replace(WHOLE, came=[*WHOLE.came, replace(came("c"), reference="other")])),
        (Ill.TWO_IDS, replace(WHOLE, carried=[*WHOLE.carried, carried("c", 4)])),
        (Ill.TWO_PAYLOADS, replace(WHOLE, came=[*WHOLE.came, replace(came("c"), digest="x")])),
        (Ill.INVENTED, replace(WHOLE, came=[*WHOLE.came, came("d")])),
        (Ill.INVENTED, replace(WHOLE, said=WHOLE.said[:2])),
        (Ill.TOLD_OTHERWISE, one(said("a", OK, OK), carried("a", 1), came("a"))),
        (Ill.TOLD_OTHERWISE, one(said("a"), carried("a", 1), came("a"))),
        (Ill.TOLD_OTHERWISE, one(said("a", OK), carried("a", 1), came("a", Word.REFUSED))),
        (Ill.TOLD_OTHERWISE, one(said("a", Word.EXPIRED), carried("a", 1), came("a"))),
        (Ill.TOLD_OTHERWISE, one(said("a"), carried("a", 1, "EXPIRED"))),
        (
            Ill.TOLD_OTHERWISE,
            one(said("a", Word.EXPIRED), carried("a", 1, "SUPERSEDED"), came("a")),
        ),
    ],
)
def test_each_untruth_is_found(ill: Ill, flow: Flow) -> None:
    assert ill in ills(flow)


def test_what_two_senders_said_has_no_order_between_them() -> None:
    apart = [said("c", OK, sender="other"), *WHOLE.said[:2]]
    assert judge(replace(WHOLE, said=apart)) == ()


def given(number: int, content: str, state: str = "ACKNOWLEDGED") -> Given:
    return Given("P", str(number), content, state)


def heard(number: int, content: str) -> Heard:
    return Heard("P", str(number), content)


@pytest.mark.parametrize("turn", [1, -1])
def test_a_number_that_expired_on_the_way_may_be_anothers(turn: int) -> None:
    """Whichever the database tells first."""
    rows = [given(81, "what expired", "EXPIRED"), given(81, "what is told of it")]
    assert list(judge_links(rows[::turn], [heard(81, "what is told of it")])) == []


@pytest.mark.parametrize(
    ("ill", "rows", "arrivals"),
    [
        (Ill.INVENTED, [], [heard(1, "a")]),
        (Ill.TWO_PAYLOADS, [given(1, "a", "EXPIRED")], [heard(1, "a"), heard(1, "b")]),
        (Ill.LOST, [given(1, "a")], []),
        (Ill.LOST, [given(1, "a"), given(1, "b")], [heard(1, "b")]),
        (Ill.LOST, [given(1, "a", "DELIVERED"), given(1, "b", "EXPIRED")], [heard(1, "b")]),
    ],
)
def test_each_untruth_of_a_link_is_found(
    ill: Ill, rows: list[Given], arrivals: list[Heard]
) -> None:
    assert [finding.ill for finding in judge_links(rows, arrivals)] == [ill]
