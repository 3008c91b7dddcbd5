"""Bad messages on EDL links against the running stack: each is answered as the profile says,
recorded once, and tells of no other tenant. The cases are in bad_edl.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.bad_input import RawLink, Said, changed_row, link_of, refused
from tests.e2e.rig import Rig, minute, stamp
from tests.servers import ROOT

TENANT, POINT, UNIT = "birch", "BRCH2", "BRCH-F01"
ANOTHERS, NOBODYS = "ALDR-F01", "NONE-XX1"
CASES = tomllib.loads((ROOT / "tests" / "e2e" / "bad_edl.toml").read_text())


def name_of(case: dict[str, Any]) -> str:
    return str(case["name"])


def filled(text: str) -> str:
    now = minute()
    return text.format(
        name=POINT,
        unit=UNIT,
        other=ANOTHERS,
        driven="BRCH-001",
        nobody=NOBODYS,
        blank="",
        sent=now.strftime("%Y%m%d%H%M%S"),
        now=now.strftime("%Y%m%d%H%M"),
        soon=(now + timedelta(minutes=30)).strftime("%Y%m%d%H%M"),
        past=(now - timedelta(minutes=10)).strftime("%Y%m%d%H%M"),
    )


@pytest.fixture(scope="module")
def ready(stack: Rig) -> Iterator[RawLink]:
    """One link for the messages that leave it as it is."""
    with link_of(stack, TENANT) as link:
        assert link.greet().type == "READY"
        yield link


def well(link: RawLink) -> None:
    """The link takes a good message still."""
    assert link.say_next("NTO", f"{UNIT:9}    10").type == "ACK"


@pytest.mark.parametrize("case", CASES["refused"], ids=name_of)
def test_what_a_message_says_wrongly_is_refused_under_its_number(
    stack: Rig, ready: RawLink, case: dict[str, Any]
) -> None:
    with refused(stack, TENANT):
        said = ready.say_next(case["type"], filled(case["data"]), case.get("reply", 0))
    assert (said.type, said.code) == ("NACK", case["code"])
    well(ready)


# What takes more than one message to come about.


def gap(stack: Rig, link: RawLink) -> str:
    """It is told the number expected, and none is used."""
    link.say("NTO", f"{UNIT:9}    10", link.number + 50_000)
    said = link.answer(link.number + 50_000)
    assert said.data[4:].strip() == f"expected {link.number + 1:08d}"
    return said.code


def reused(stack: Rig, link: RawLink) -> str:
    well(link)
    link.say("NTO", f"{UNIT:9}    11", link.number)
    return link.answer(link.number).code


def instruction(stack: Rig, link: RawLink, **more: Any) -> tuple[str, int]:
    """Has an acceptance sent; what an answer names it by, and its log number."""
    told = stack.dispatch(UNIT, POINT, wait=0, **more)
    while (said := link.hear()).type != "BOAI":
        if said.number:
            link.say("ACK", "OK  ", 0, said.number)
    link.say("ACK", "OK  ", 0, said.number)
    return f"{UNIT:9}{told['acceptanceNumber']:>10}", said.number


def contradicted(stack: Rig, link: RawLink) -> str:
    which, number = instruction(stack, link)
    assert link.say_next("ACCEPT", f"{which}{'':64}", number).type == "ACK"
    return link.say_next("REJECT", f"{which}{'SAFE':4}{'tripped':60}", number).code


def suspended(stack: Rig, link: RawLink, type_: str = "NTO") -> str:
    with changed_row(stack, TENANT, "tenants_tenant", f"name = '{TENANT}'", state="SUSPENDED"):
        return link.say_next(type_, f"{UNIT:9}    14").code


def result_of(link: RawLink, number: int) -> Said:
    """The next RESULT to a message of ours."""
    while (said := link.hear()).type != "RESULT" or said.reply != number:
        if said.number:
            link.say("ACK", "OK  ", 0, said.number)
    link.say("ACK", "OK  ", 0, said.number)
    return said


def refused_by_the_operator(stack: Rig, link: RawLink) -> str:
    """Its parameter is said nowhere else: an acknowledgement is not yet a delivery, and what the
    tests before have said may reach the operator later than the fault does.
    """
    fault = {"fault": "refuse", "path": "Redeclaration", "times": 1, "code": "R003", "text": "no"}
    only = {"bmUnit": UNIT, "parameter": "MZT"}
    stack.control("POST", "/faults", {"faults": [fault | only]})
    link.number += 1
    link.say("MZT", f"{UNIT:9}    12", link.number)
    said = result_of(link, link.number)
    assert said.data[:6] == "REFUSE"
    assert said.data[10:].strip() == "R003 no"
    return said.data[6:10]


def outage(stack: Rig, link: RawLink) -> str:
    """It is held, and taken once the outage is over."""
    stack.control("POST", "/outage", {"on": True})
    try:
        link.number += 1
        link.say("NTO", f"{UNIT:9}    13", link.number)
        held = result_of(link, link.number)
    finally:
        stack.control("POST", "/outage", {"on": False})
    assert held.data[:6].strip() == "HELD"
    assert result_of(link, link.number).data[:8] == "OK    OK"
    return held.data[6:10]


def expired(stack: Rig, link: RawLink) -> str:
    respond_by = datetime.now(UTC) + timedelta(seconds=5)
    which, number = instruction(stack, link, respondBy=stamp(respond_by))
    stack.control("POST", "/outage", {"on": True})
    try:
        assert link.say_next("ACCEPT", f"{which}{'':64}", number).type == "ACK"
        while (final := result_of(link, link.number)).data[:4] == "HELD":
            pass
    finally:
        stack.control("POST", "/outage", {"on": False})
    assert final.data[:6] == "REFUSE"
    return final.data[6:10]


SCENES: dict[str, Callable[[Rig, RawLink], str]] = {
    "gap": gap,
    "reused": reused,
    "contradicted": contradicted,
    "suspended": suspended,
    "suspended and unknown": lambda stack, link: suspended(stack, link, "XYZZY"),
    "refused by the operator": refused_by_the_operator,
    "outage": outage,
    "expired": expired,
}


@pytest.mark.parametrize("case", CASES["staged"], ids=name_of)
def test_what_comes_about_in_more_than_one_message_is_told_with_its_code(
    stack: Rig, ready: RawLink, case: dict[str, Any]
) -> None:
    with refused(stack, TENANT, case.get("entries", 1)):
        assert SCENES[case["scene"]](stack, ready) == case["code"]
    well(ready)


# Nothing is told of another tenant.

FORMS = {
    **dict.fromkeys(("MEL", "MDO"), "   1{now}   100{soon}   100"),
    **dict.fromkeys(("MIL", "MDB"), "   1{now}  -100{soon}  -100"),
    **dict.fromkeys(("RURE", "RURI", "RDRE", "RDRI"), "   1.5{blank:24}"),
    **dict.fromkeys(("NDZ", "NTO", "NTB", "MZT", "MNZT", "SEL", "SIL", "MDV", "MDP"), "     7"),
    **dict.fromkeys(("ACCEPT", "REJECT"), " 999999999{blank:64}"),
}


def but_for_numbers_and_times(line: bytes) -> bytes:
    """An answer without its log numbers and the time it was sent at."""
    prefix, header, rest = line.split(b"^", 2)
    return b"^".join((prefix, header[:6], rest))


@pytest.mark.parametrize("type_", FORMS)
def test_another_tenants_unit_is_answered_exactly_as_an_unknown_one(
    stack: Rig, ready: RawLink, type_: str
) -> None:
    answers = []
    for name in (ANOTHERS, NOBODYS):
        with refused(stack, TENANT):
            said = ready.say_next(type_, f"{name:9}" + filled(FORMS[type_]))
        assert said.code == "R002"
        answers.append(but_for_numbers_and_times(ready.line))
    assert answers[0] == answers[1]


# What replaces the link of before, or breaks its own.


@pytest.mark.parametrize("case", CASES["broken"], ids=name_of)
def test_what_breaks_a_link_is_answered_and_the_link_closed(
    stack: Rig, case: dict[str, Any]
) -> None:
    with refused(stack, case["chain"]), link_of(stack, TENANT) as link:
        if case["greeted"]:
            assert link.greet().type == "READY"
        link.send(filled(case["content"]).encode("latin-1"))
        while (said := link.hear()).type != "NACK":
            pass
        assert (said.code, said.reply) == (case["code"], case.get("reply", 0))
        assert link.is_closed()


def test_anothers_control_point_is_answered_exactly_as_one_that_nobody_has(stack: Rig) -> None:
    answers = []
    for name in ("ALDR2", "NOBODY"):
        with refused(stack, TENANT), link_of(stack, TENANT, name) as link:
            assert link.greet().code == "R001"
            answers.append(but_for_numbers_and_times(link.line).replace(name.encode(), b"."))
            assert link.is_closed()
    assert answers[0].replace(b". ", b".") == answers[1].replace(b". ", b".")
