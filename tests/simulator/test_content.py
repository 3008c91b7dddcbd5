"""What the simulator refuses, and takes, of the content of messages whose seal holds."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.peer import market, mel, message, stamp
from tests.simulator.rig import Rig, rig

GROUP = {"timeFrom": market(0), "levelFrom": 100, "timeTo": market(30), "levelTo": 100}
RATES = [{"rate": 1.5, "fromMw": None}, {"rate": 2, "fromMw": 10}, {"rate": 3.0, "fromMw": 20}]


def group(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GROUP, **changes}.items() if value is not ...}


def scalar(parameter: str, value: Any) -> dict[str, Any]:
    return {"parameter": parameter, "levels": ..., "value": value}


def rates(parameter: str, items: Any) -> dict[str, Any]:
    return {"parameter": parameter, "levels": ..., "rates": items}


def errors_of(answer: dict[str, Any]) -> list[tuple[str, str]]:
    assert (answer["type"], answer["status"]) == ("receipt", "REJECTED")
    assert all(error["text"] for error in answer["errors"])
    return [(error["path"], error["code"]) for error in answer["errors"]]


async def refuse(on: Rig, path: str, payload: dict[str, Any]) -> list[tuple[str, str]]:
    return errors_of(await on.say(path, payload, 422))


BAD_REDECLARATIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "submission"}, "/type", "R005"),
    ({"type": ...}, "/type", "R001"),
    ({"messageId": "m-1"}, "/messageId", "R001"),
    ({"sentAt": "2026-11-22 10:00"}, "/sentAt", "R001"),
    ({"sentAt": "2026-11-22T10:00:00+00:00"}, "/sentAt", "R001"),
    ({"sentAt": "2026-11-22T10:00:00.123Z"}, "/sentAt", "R001"),
    ({"sentAt": "2026-02-30T10:00:00Z"}, "/sentAt", "R001"),
    ({"profile": "host-2"}, "/profile", "R006"),
    ({"controlPoint": "CPBOB"}, "/controlPoint", "R002"),
    ({"controlPoint": "NOWHERE"}, "/controlPoint", "R002"),
    ({"controlPoint": None}, "/controlPoint", "R001"),
    ({"bmUnit": "BMU-B"}, "/bmUnit", "R002"),
    ({"bmUnit": "BMU-3"}, "/bmUnit", "R002"),
    ({"bmUnit": ...}, "/bmUnit", "R001"),
    ({"parameter": "PN"}, "/parameter", "R005"),
    ({"parameter": "XYZ"}, "/parameter", "R005"),
    ({"parameter": 1}, "/parameter", "R001"),
    ({"levels": ...}, "/levels", "R001"),
    ({"levels": {}}, "/levels", "R001"),
    ({"levels": []}, "/levels", "R001"),
    ({"levels": [1]}, "/levels/0", "R001"),
    ({"value": 1}, "/value", "R001"),
    ({"levels": [group(levelFrom=100.0)]}, "/levels/0/levelFrom", "R001"),
    ({"levels": [group(levelFrom=True)]}, "/levels/0/levelFrom", "R001"),
    ({"levels": [group(levelTo="100")]}, "/levels/0/levelTo", "R001"),
    ({"levels": [group(levelTo=None)]}, "/levels/0/levelTo", "R001"),
    ({"levels": [group(levelTo=...)]}, "/levels/0/levelTo", "R001"),
    ({"levels": [group(levelTo=10000)]}, "/levels/0/levelTo", "R003"),
    ({"levels": [group(levelTo=-1)]}, "/levels/0/levelTo", "R003"),
    ({"parameter": "MIL", "levels": [group()]}, "/levels/0/levelFrom", "R003"),
    ({"levels": [group(timeFrom=market(0)[:-3] + "30Z")]}, "/levels/0/timeFrom", "R001"),
    ({"levels": [group(timeTo=market(0))]}, "/levels/0/timeTo", "R004"),
    (
        {"levels": [group(), group(timeFrom=market(29), timeTo=market(60))]},
        "/levels/1/timeFrom",
        "R004",
    ),
    (scalar("NDZ", 1000), "/value", "R003"),
    (scalar("NDZ", -1), "/value", "R003"),
    (scalar("NDZ", 5.0), "/value", "R001"),
    (scalar("SEL", False), "/value", "R001"),
    (scalar("NTO", 100000), "/value", "R003"),
    (rates("RURE", []), "/rates", "R001"),
    (rates("RURE", [{"rate": 0, "fromMw": None}]), "/rates/0/rate", "R003"),
    (rates("RURE", [{"rate": 1000, "fromMw": None}]), "/rates/0/rate", "R003"),
    (rates("RURE", [{"rate": 1.25, "fromMw": None}]), "/rates/0/rate", "R003"),
    (rates("RURE", [{"rate": "1", "fromMw": None}]), "/rates/0/rate", "R001"),
    (rates("RURE", [{"rate": True, "fromMw": None}]), "/rates/0/rate", "R001"),
    (rates("RURE", [{"rate": 1}]), "/rates/0/fromMw", "R001"),
    (rates("RURE", [{"rate": 1, "fromMw": 5}]), "/rates/0/fromMw", "R001"),
    (rates("RURE", [RATES[0], {"rate": 1, "fromMw": None}]), "/rates/1/fromMw", "R001"),
    (rates("RURE", [RATES[0], {"rate": 1, "fromMw": 1.0}]), "/rates/1/fromMw", "R001"),
    (rates("RURE", [RATES[0], RATES[2], RATES[1]]), "/rates/2/fromMw", "R003"),
    (rates("RDRE", RATES), "/rates/2/fromMw", "R003"),
    (rates("RURE", [*RATES, {"rate": 1, "fromMw": 30}]), "/rates", "R003"),
]


@pytest.mark.parametrize(("change", "path", "code"), BAD_REDECLARATIONS)
def test_a_bad_redeclaration_is_refused_with_pointer_and_code(
    change: dict[str, Any], path: str, code: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            assert (path, code) in await refuse(on, "NESO_Redeclaration", mel(**change))

    asyncio.run(scenario())


GOOD_REDECLARATIONS: list[dict[str, Any]] = [
    {},
    {"unknownMember": {"kept": True}},
    {"levels": [group(), group(timeFrom=market(90), timeTo=market(91))]},
    {"sentAt": "2026-11-22T10:00:00Z"},
    {"controlPoint": "CPBRAVO", "bmUnit": "BMU-3"},
    {"parameter": "MIL", "levels": [group(levelFrom=-5, levelTo=0)]},
    scalar("MDV", -9999),
    scalar("NTB", 99999),
    rates("RURI", RATES[:1]),
    rates("RURE", RATES),
    rates("RDRI", [RATES[0], RATES[2], RATES[1]]),
]


@pytest.mark.parametrize("change", GOOD_REDECLARATIONS)
def test_a_good_redeclaration_is_accepted(change: dict[str, Any], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            answer = await on.say("NESO_Redeclaration", mel(**change))
            assert (answer["type"], answer["status"], answer["errors"]) == (
                "receipt",
                "ACCEPTED",
                [],
            )

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "payload",
    [b"not json", b"[]", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff", b'{"a":{"b":1,"b":1}}'],
)
def test_a_payload_that_is_no_strict_json_object_is_refused_r001(
    payload: bytes, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            jti = mel()["messageId"]
            seal = on.seal(header={"jti": jti})
            answer = await on.send("NESO_Redeclaration", seal.close(payload))
            assert answer.status == 422
            assert errors_of(on.open(answer, jti)) == [("", "R001")]

    asyncio.run(scenario())


def test_a_lone_surrogate_is_refused_and_shown(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            answer = await refuse(on, "NESO_Redeclaration", mel(parameter="\ud800"))
            assert answer == [("/parameter", "R005")]
            assert (await on.messages())[0]["payload"]["parameter"] == "\ud800"

    asyncio.run(scenario())


def submission(*records: dict[str, Any], **changes: Any) -> dict[str, Any]:
    body = {"tradingAgent": "ALICE", "sequence": 1, "records": list(records), **changes}
    return message("submission", **body)


def record(type_: str, **members: Any) -> dict[str, Any]:
    whole = {"type": type_, "bmUnit": "BMU-1", **members}
    return {name: value for name, value in whole.items() if value is not ...}


def bod(**changes: Any) -> dict[str, Any]:
    pair = {"pairNumber": 1, "offerPrice": 50.25, "bidPrice": -10}
    return record("BOD", **{**GROUP, **pair, **changes})


def curve(**members: Any) -> dict[str, Any]:
    return record("RURE", effectiveTime=market(0), **members)


PN = record("PN", **GROUP)

BAD_SUBMISSIONS: list[tuple[dict[str, Any], str, str]] = [
    (submission(PN, tradingAgent="BOB"), "/tradingAgent", "R002"),
    (submission(PN, sequence=0), "/sequence", "R003"),
    (submission(PN, sequence=1.0), "/sequence", "R001"),
    (submission(), "/records", "R001"),
    (submission(PN, record("PNX", **GROUP)), "/records/1/type", "R005"),
    (submission(record("PN", **group(bmUnit="BMU-B"))), "/records/0/bmUnit", "R002"),
    (submission(record("PN", **group(levelTo=...))), "/records/0/levelTo", "R001"),
    (submission(record("PN", value=None, **GROUP)), "/records/0/value", "R001"),
    (submission(PN, PN), "/records/1/timeFrom", "R004"),
    (submission(record("MEL", **group(levelTo=-1))), "/records/0/levelTo", "R003"),
    (submission(bod(pairNumber=0)), "/records/0/pairNumber", "R003"),
    (submission(bod(pairNumber=6)), "/records/0/pairNumber", "R003"),
    (submission(bod(levelFrom=-1)), "/records/0/levelFrom", "R003"),
    (submission(bod(pairNumber=-1)), "/records/0/levelFrom", "R003"),
    (submission(bod(offerPrice=1.005)), "/records/0/offerPrice", "R003"),
    (submission(bod(offerPrice=100000)), "/records/0/offerPrice", "R003"),
    (submission(bod(bidPrice=51)), "/records/0/offerPrice", "R003"),
    (submission(bod(bidPrice="1")), "/records/0/bidPrice", "R001"),
    (submission(bod(timeTo=market(29))), "/records/0/timeTo", "R004"),
    (submission(record("NDZ", value=5)), "/records/0/effectiveTime", "R001"),
    (submission(record("NDZ", effectiveTime=market(0), value=5.0)), "/records/0/value", "R001"),
    (submission(curve()), "/records/0/rate1", "R001"),
    (submission(curve(rate1=1, elbow2=5)), "/records/0/rate2", "R001"),
    (submission(curve(rate1=1, rate2=5)), "/records/0/elbow2", "R001"),
    (submission(curve(rate1=1, elbow3=5, rate3=1)), "/records/0/elbow3", "R001"),
    (submission(curve(rate1=1, elbow2=5, rate2=1, elbow3=5, rate3=1)), "/records/0/elbow3", "R003"),
]


@pytest.mark.parametrize(("payload", "path", "code"), BAD_SUBMISSIONS)
def test_a_bad_submission_is_refused_with_pointer_and_code(
    payload: dict[str, Any], path: str, code: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            assert (path, code) in await refuse(on, "NESO_Submission", payload)

    asyncio.run(scenario())


def test_a_submission_of_every_record_type_is_accepted(tmp_path: Path) -> None:
    levels = [record(name, **group(levelFrom=0, levelTo=0)) for name in ("PN", "QPN", "MEL", "MIL")]
    offers = [bod(), bod(pairNumber=-1, levelFrom=-5, levelTo=-5, offerPrice=1, bidPrice=0.5)]
    dynamic = [
        record(name, effectiveTime=market(0), value=0)
        for name in ("NDZ", "NTO", "NTB", "MZT", "MNZT", "SEL", "SIL", "MDV", "MDP")
    ]
    curves = [curve(rate1=1), curve(rate1=0.1, elbow2=5, rate2=1, elbow3=6, rate3=999.9)]
    # The next unit's series is its own, whatever order the records come in.
    other = record("PN", **group(bmUnit="BMU-3"))

    async def scenario() -> None:
        async with rig(tmp_path) as on:
            payload = submission(*levels, *offers, *dynamic, *curves, other)
            assert (await on.say("NESO_Submission", payload))["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_a_submission_wrong_in_every_record_is_answered_in_bounded_space(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            payload = submission(*[record("PN", **group(levelTo=1.0))] * 5000)
            assert len(json.dumps(payload)) > 256 * 1024
            assert len(await refuse(on, "NESO_Submission", payload)) == 1000

    asyncio.run(scenario())


BAD_OTHERS: list[tuple[str, dict[str, Any], str, str]] = [
    ("NESO_Normalization", {"type": "normalization", "since": stamp()}, "/controlPoint", "R001"),
    (
        "NESO_Normalization",
        {"type": "normalization", "controlPoint": "CPBOB", "since": stamp()},
        "/controlPoint",
        "R002",
    ),
    (
        "NESO_Normalization",
        {"type": "normalization", "controlPoint": "CPALFA", "since": None},
        "/since",
        "R001",
    ),
    ("NESO_Health", {"type": "heath"}, "/type", "R005"),
    ("NESO_Health", {"type": "health", "profile": 1}, "/profile", "R001"),
]


@pytest.mark.parametrize(("service", "members", "path", "code"), BAD_OTHERS)
def test_bad_health_and_normalization_are_refused(
    service: str, members: dict[str, Any], path: str, code: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            payload = {**message(None), **members}
            assert (path, code) in await refuse(on, service, payload)

    asyncio.run(scenario())
