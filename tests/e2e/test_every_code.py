"""Every code of the host-1 EDL profile through the real gateway, byte for byte: what a control
point may say reaches the operator, or ends at the host; what the operator says reaches the control
point; and what is said from the wrong side is refused.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from messaging.protocols.edl.loading import OWN_FOLDER
from tests.e2e.bad_input import RawLink, Said, connect, context_of, link_of, refused
from tests.e2e.processes import beside
from tests.e2e.rig import Rig, boa, minute, stamp
from tests.e2e.test_delimited import speak
from tests.e2e.test_main_job import at_the_operator

pytestmark = pytest.mark.xdist_group("stack")

TENANT, POINT, UNIT = "birch", "BRCH2", "BRCH-F03"
SERIES = ("MEL", "MIL", "MDO", "MDB")
RATES = ("RURE", "RURI", "RDRE", "RDRI")
VALUES = ("NDZ", "NTO", "NTB", "MZT", "MNZT", "SEL", "SIL", "MDV", "MDP")
HOSTS = ("READY", "BOAI", "ASI", "EMRI", "RESULT")


def when(minutes: int) -> str:
    return (minute() + timedelta(minutes=minutes)).strftime("%Y%m%d%H%M")


@pytest.fixture(scope="module")
def link(stack: Rig) -> Iterator[RawLink]:
    with link_of(stack, TENANT) as link:
        assert link.greet().type == "READY"
        yield link


def next_of(link: RawLink, code: str) -> Said:
    """The next message of that type, itself acknowledged like all before it."""
    while True:
        said = link.hear()
        if said.number:
            link.say("ACK", "OK  ", 0, said.number)
        if said.type == code:
            return said


def redeclared(link: RawLink, code: str, data: str) -> None:
    """Acknowledged, and answered with the operator's word. What was said on an earlier link may
    have its answer on this one.
    """
    assert link.say_next(code, data).type == "ACK"
    while (result := next_of(link, "RESULT")).reply != link.number:
        pass
    assert result.data == f"OK    OK  {'':80}"


@pytest.mark.parametrize("code", SERIES)
def test_a_series_reaches_the_operator(stack: Rig, link: RawLink, code: str) -> None:
    level = 61 if code in ("MEL", "MDO") else -62
    data = f"{UNIT:9}   2{when(0)}{level:6}{when(30)}     0{when(45)}     0{when(60)}{level:6}"
    redeclared(link, code, data)
    got = at_the_operator(stack, type="redeclaration", parameter=code, bmUnit=UNIT)[-1]
    assert [(one["levelFrom"], one["levelTo"]) for one in got["levels"]] == [(level, 0), (0, level)]


@pytest.mark.parametrize("code", RATES)
def test_rates_reach_the_operator(stack: Rig, link: RawLink, code: str) -> None:
    elbows = (10, 20) if code.startswith("RU") else (-10, -20)
    redeclared(link, code, f"{UNIT:9}   1.5{elbows[0]:6}   2.0{elbows[1]:6} 999.9")
    got = at_the_operator(stack, type="redeclaration", parameter=code, bmUnit=UNIT)[-1]
    assert [(one["rate"], one["fromMw"]) for one in got["rates"]] == [
        (1.5, None),
        (2.0, elbows[0]),
        (999.9, elbows[1]),
    ]


@pytest.mark.parametrize("code", VALUES)
def test_a_value_reaches_the_operator(stack: Rig, link: RawLink, code: str) -> None:
    redeclared(link, code, f"{UNIT:9}    37")
    got = at_the_operator(stack, type="redeclaration", parameter=code, bmUnit=UNIT)[-1]
    assert got["value"] == 37


def instruction(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "controlPoint": POINT, "bmUnit": UNIT, **more}


ANCILLARY = {"service": "FFR", "action": "START", "timeFrom": 5, "timeTo": 65, "targetMw": 25}
DOWN: dict[str, tuple[dict[str, Any], str, str]] = {
    "an acceptance": ({}, "BOAI", "ACCEPT"),
    "an ancillary instruction": (ANCILLARY, "ASI", "REJECT"),
    "an emergency of a BM unit": ({"text": "Trip at once"}, "EMRI", "ACCEPT"),
    "an emergency of all": ({"text": "Shed load", "bmUnit": None}, "EMRI", "REJECT"),
}


def wanted(more: dict[str, Any], code: str) -> tuple[dict[str, Any], str]:
    """What the operator sends, and the data that must come of it, without the number."""
    if code == "BOAI":
        sent = boa(UNIT, POINT, level=44)
        flags = f"NNNN   1{when(2)}     0{when(12)}    44"
        return sent, flags
    if code == "ASI":
        times = {name: stamp(minute() + timedelta(minutes=more[name])) for name in _TIMES}
        data = f"{'FFR':6}{'START':6}{when(5)}{when(65)}    25"
        return instruction("ANCILLARY", **{**more, **times}), data
    return instruction("EMERGENCY", **more), f"{more['text']:200}"


_TIMES = ("timeFrom", "timeTo")


@pytest.mark.parametrize(("more", "code", "verdict"), DOWN.values(), ids=DOWN)
def test_an_instruction_reaches_the_control_point_and_its_answer_the_operator(
    stack: Rig, link: RawLink, more: dict[str, Any], code: str, verdict: str
) -> None:
    sent, data = wanted(more, code)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(stack.control, "POST", "/dispatch?wait=20", sent)
        said = next_of(link, code)
        unit, number = said.data[:9], said.data[9:19]
        assert unit.strip() == (sent["bmUnit"] or "")
        assert said.data.endswith(data)
        answer = f"{unit}{number}{'SAFE':4}{'as agreed':60}"
        assert link.say_next(verdict, answer, said.number).type == "ACK"
        response = asked.result()["response"]
    assert response["verdict"] == {"ACCEPT": "ACCEPTED", "REJECT": "REJECTED"}[verdict]
    assert (response["reasonCode"], response["reasonText"]) == ("SAFE", "as agreed")
    result = next_of(link, "RESULT")
    assert (result.reply, result.data[:10]) == (link.number, "OK    OK  ")


def test_text_ends_at_the_host_and_what_is_too_long_comes_as_text(
    stack: Rig, link: RawLink
) -> None:
    assert link.say_next("TEXT", f"{'hello':200}").type == "ACK"
    (kind, deliveries) = stack.query(
        "SELECT m.kind, count(d.id) FROM messaging_message m"
        " LEFT JOIN messaging_delivery d ON d.message_id = m.id"
        " WHERE m.kind = 'TEXT' AND m.origin = 'CONTROL_POINT' GROUP BY m.id"
        " ORDER BY m.id DESC LIMIT 1"
    )[0]
    assert (kind, deliveries) == ("TEXT", 0)
    text = "x" * 200 + "and the rest"
    sent = instruction("EMERGENCY", text=text)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(stack.control, "POST", "/dispatch?wait=20", sent)
        said = next_of(link, "EMRI")
        rest = next_of(link, "TEXT")
        assert said.data[19:] + rest.data.rstrip() == text
        link.say_next("ACCEPT", f"{said.data[:19]}{'':64}", said.number)
        assert asked.result()["response"]["verdict"] == "ACCEPTED"


@pytest.mark.parametrize("code", ["HBEAT", "ACK", "NACK"])
def test_small_talk_takes_no_number_and_is_not_answered(link: RawLink, code: str) -> None:
    data = {"HBEAT": "", "ACK": "OK  ", "NACK": f"R004{'never sent':80}"}[code]
    link.say(code, data, 0, 0 if code == "HBEAT" else 99_999_998)
    assert link.say_next("NTO", f"{UNIT:9}    12").type == "ACK"


@pytest.mark.parametrize("code", [code for code in HOSTS if code != "READY"])
def test_what_only_the_host_says_is_an_unknown_type(stack: Rig, link: RawLink, code: str) -> None:
    with refused(stack, TENANT):
        said = link.say_next(code, f"{UNIT:9}         1")
    assert (said.type, said.code) == ("NACK", "R005")


@pytest.mark.parametrize("code", ["READY", "HELLO"])
def test_a_greeting_out_of_place_ends_the_link(stack: Rig, code: str) -> None:
    with refused(stack, TENANT), link_of(stack, TENANT) as again:
        assert again.greet().type == "READY"
        again.say(code, f"{'host-1':12}{0:08d}")
        while (said := again.hear()).type != "NACK":
            pass
        assert said.code == "R001"
        assert again.is_closed()


@pytest.fixture(scope="module")
def hurried(stack: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a gateway with a profile of short times, which the control point speaks."""
    folder = tmp_path_factory.mktemp("profiles")
    text = Path(OWN_FOLDER, "host-1.toml").read_text()
    for name, seconds in (("silence", 3), ("heartbeat", 1)):
        before = next(line for line in text.splitlines() if line.startswith(f"{name}_seconds"))
        text = text.replace(before, f"{name}_seconds = {seconds}")
    (folder / "edl").mkdir()
    (folder / "edl" / "hurried-1.toml").write_text(text.replace('"host-1"', '"hurried-1"', 1))
    with beside(stack, "run_gateway", "HOSTSVC_EDL_LISTEN", HOSTSVC_PROFILES=folder) as gateway:
        speak(stack, "hurried-1", POINT)
        yield gateway.port
        speak(stack, "host-1", POINT)


def test_the_host_beats_and_ends_a_link_on_which_nothing_is_heard(stack: Rig, hurried: int) -> None:
    point = stack.tenant(TENANT)["controlPoints"][1]
    context = context_of(stack, point["certificate"], point["key"])
    with connect(stack, context, POINT, port=hurried) as quick:
        quick.say("HELLO", f"{'hurried-1':12}{0:08d}")
        assert quick.hear().type == "READY"
        for _ in range(4):
            while quick.hear().type != "HBEAT":
                pass
            quick.say("HBEAT", "")
        began = time.monotonic()
        assert quick.is_closed()
        print(f"silence was borne for {time.monotonic() - began:.1f} s")
