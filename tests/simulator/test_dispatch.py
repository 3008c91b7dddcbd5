"""Instructions on their way to the host: what leaves, which answers count, the verdicts that come
back."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.simulator.peer import (
    JOSE,
    Got,
    Host,
    Seal,
    boa,
    message,
    open_seal,
    receipt,
    stamp,
)
from tests.simulator.rig import Rig, rig

NOW = "/dispatch?wait=0"


def response(sent: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The tenant's verdict on a dispatched acceptance, as the host sends it."""
    body = {
        "kind": "BOA",
        "controlPoint": "CPALFA",
        "bmUnit": "BMU-1",
        "acceptanceNumber": sent["acceptanceNumber"],
        "verdict": "ACCEPTED",
        "reasonCode": None,
        "reasonText": None,
        "respondedAt": stamp(),
    }
    merged = message("response", **{**body, **changes})
    return {name: value for name, value in merged.items() if value is not ...}


async def codes(on: Rig, payload: dict[str, Any]) -> list[tuple[str, str]]:
    answer = await on.say("NESO_Instruction", payload, 422)
    return [(error["path"], error["code"]) for error in answer["errors"]]


def test_an_instruction_is_completed_sealed_for_the_tenant_and_its_receipt_is_shown(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            shown = await on.control("POST", NOW, boa())
            [got] = on.host.got
            payload, _ = open_seal(got.body, on.operator_signing, "NGESO", "ALICE")
            assert got.path == "/wa/simulator/NESO_Instruction"
            assert payload["type"] == "instruction"
            assert payload["acceptanceTime"].endswith(":00Z")
            assert payload["respondBy"] > payload["sentAt"]
            assert shown["messageId"] == payload["messageId"]
            assert shown["acceptanceNumber"] == payload["acceptanceNumber"]
            assert shown["sentAt"] <= shown["answeredAt"]
            assert (shown["response"], shown["respondedAt"]) == (None, None)
            answer = shown["answer"]
            assert (answer["status"], answer["verified"], answer["detail"]) == (200, True, None)
            assert answer["payload"]["inReplyTo"] == payload["messageId"]

    asyncio.run(scenario())


def test_what_was_given_stands_and_respond_by_may_be_null(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            given = boa(acceptanceNumber=77, respondBy=None, levels=[], soFlag=1.0)
            await on.control("POST", NOW, given)
            assert on.host.got[0].payload.items() >= given.items()
            await on.control("POST", NOW, boa())
            assert on.host.got[1].payload["acceptanceNumber"] > 77

    asyncio.run(scenario())


def test_acceptance_numbers_rise_per_bmu(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            numbers = [(await on.control("POST", NOW, boa()))["acceptanceNumber"] for _ in range(3)]
            assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "asked",
    [
        {
            "kind": "ANCILLARY",
            "controlPoint": "CPALFA",
            "bmUnit": "BMU-1",
            "service": "STOR",
            "action": "START",
            "timeFrom": "2026-11-22T10:00:00Z",
            "timeTo": None,
            "targetMw": None,
        },
        {"kind": "EMERGENCY", "controlPoint": "CPALFA", "bmUnit": None, "text": "Cease"},
    ],
)
def test_the_other_kinds_have_an_instruction_number_and_take_a_verdict(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            shown = await on.control("POST", NOW, asked)
            number = shown["instructionNumber"]
            assert on.host.got[0].payload["instructionNumber"] == number
            verdict = response(
                shown,
                kind=asked["kind"],
                bmUnit=asked["bmUnit"],
                acceptanceNumber=...,
                instructionNumber=number,
            )
            assert (await on.say("NESO_Instruction", verdict))["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_a_control_point_that_nobody_has_is_a_400(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.control("POST", NOW, boa(controlPoint="NOWHERE"), 400)
            await on.control("POST", NOW, [], 400)
            await on.control("POST", "/dispatch?wait=181", boa(), 400)
            await on.control("GET", "/dispatch/unknown", status=404)
            foreign = await on.control("POST", f"{NOW}&participantId=ALICE", boa(bmUnit="BMU-B"))
            assert foreign["answer"]["status"] == 200

    asyncio.run(scenario())


def test_the_response_is_waited_for_and_can_be_asked_for_later(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            waiting = asyncio.create_task(on.control("POST", "/dispatch?wait=60", boa()))
            [got] = await on.host.wait_for(1)
            early = await on.control("GET", f"/dispatch/{got.payload['messageId']}")
            assert early["response"] is None
            verdict = response(got.payload, inReplyTo=got.payload["messageId"])
            assert (await on.say("NESO_Instruction", verdict))["status"] == "ACCEPTED"
            shown = await waiting
            assert shown["response"] == verdict
            assert shown["respondedAt"] >= shown["sentAt"]
            assert await on.control("GET", f"/dispatch/{shown['messageId']}?wait=9") == shown

    asyncio.run(scenario())


def test_a_refused_instruction_is_not_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            on.host.refuse_next()
            shown = await on.control("POST", "/dispatch?wait=180", boa())
            assert (shown["answer"]["status"], shown["answer"]["verified"]) == (422, True)
            assert shown["answer"]["payload"]["errors"][0]["code"] == "R003"
            assert await codes(on, response(shown)) == [("/acceptanceNumber", "R007")]

    asyncio.run(scenario())


BAD_RESPONSES: list[tuple[dict[str, Any], str, str]] = [
    ({"acceptanceNumber": 5}, "/acceptanceNumber", "R007"),
    ({"bmUnit": "BMU-2"}, "/acceptanceNumber", "R007"),
    ({"kind": "ANCILLARY", "instructionNumber": 5}, "/instructionNumber", "R007"),
    ({"kind": "OTHER"}, "/kind", "R005"),
    ({"controlPoint": "CPBOB", "bmUnit": "BMU-B"}, "/controlPoint", "R002"),
    ({"bmUnit": "BMU-3"}, "/bmUnit", "R002"),
    ({"bmUnit": None}, "/bmUnit", "R001"),
    ({"verdict": "MAYBE"}, "/verdict", "R003"),
    ({"reasonText": ...}, "/reasonText", "R001"),
    ({"reasonCode": 1}, "/reasonCode", "R001"),
    ({"respondedAt": "soon"}, "/respondedAt", "R001"),
    ({"respondedAt": stamp(86400)}, "/respondedAt", "R008"),
    ({"acceptanceNumber": 5.0}, "/acceptanceNumber", "R001"),
    ({"acceptanceNumber": ...}, "/acceptanceNumber", "R001"),
    ({"inReplyTo": "5f0c2b51-6f4b-4c5c-8a6f-111111111111"}, "/inReplyTo", "R002"),
]


@pytest.mark.parametrize(("change", "path", "code"), BAD_RESPONSES)
def test_a_bad_response_is_refused_with_pointer_and_code(
    change: dict[str, Any], path: str, code: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            shown = await on.control("POST", NOW, boa())
            assert await codes(on, response(shown, **change)) == [(path, code)]
            assert (await on.say("NESO_Instruction", response(shown)))["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_the_first_verdict_stays_and_the_same_again_is_accepted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            shown = await on.control("POST", NOW, boa())
            for _ in range(2):
                answer = await on.say("NESO_Instruction", response(shown))
                assert answer["status"] == "ACCEPTED"
            other = response(shown, verdict="REJECTED", reasonCode="SAFE", reasonText="no")
            assert await codes(on, other) == [("/verdict", "R008")]

    asyncio.run(scenario())


def test_a_verdict_after_respond_by_is_too_late(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            for by, said_at in ((stamp(-60), stamp(-61)), (stamp(30), stamp(31))):
                shown = await on.control("POST", NOW, boa(respondBy=by))
                late = response(shown, respondedAt=said_at)
                assert await codes(on, late) == [("/respondedAt", "R008")]
            # Given in time, though it arrives after that: the host may have had to send it again.
            shown = await on.control("POST", NOW, boa(respondBy=stamp(-5)))
            answer = await on.say("NESO_Instruction", response(shown, respondedAt=stamp(-6)))
            assert answer["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_a_response_that_names_another_instruction_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            first = await on.control("POST", NOW, boa())
            second = await on.control("POST", NOW, boa())
            wrong = response(second, inReplyTo=first["messageId"])
            assert await codes(on, wrong) == [("/inReplyTo", "R007")]

    asyncio.run(scenario())


def test_another_tenants_instruction_is_answered_as_an_unknown_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            shown = await on.control("POST", NOW, boa())
            seal = on.bob()
            answers = []
            for named in (shown["messageId"], "5f0c2b51-6f4b-4c5c-8a6f-111111111111"):
                payload = response(shown, controlPoint="CPBOB", bmUnit="BMU-B", inReplyTo=named)
                answer = await on.send("NESO_Instruction", seal.close(payload), tls=on.cast.bob_tls)
                answers.append(on.open(answer, payload["messageId"], "BOB")["errors"])
            assert answers[0] == answers[1]

    asyncio.run(scenario())


def _unsealed(status: int) -> Any:
    return lambda host, got: web.Response(status=status, text="no")


def _sealed(seal_changes: dict[str, Any] | None = None, **changes: Any) -> Any:
    def answer(host: Host, got: Got) -> web.Response:
        payload = {**receipt(got.payload["messageId"]), **changes}
        return host.reply(payload, seal=host.seal(**(seal_changes or {})))

    return answer


NO_ANSWERS = {
    "a bare 500": _unsealed(500),
    "a bare 200": _unsealed(200),
    "another message's receipt": _sealed(inReplyTo="5f0c2b51-6f4b-4c5c-8a6f-111111111111"),
    "a receipt for another receiver": _sealed({"audience": "ALICE"}),
    "an old signature": _sealed({"header": {"iat": 1}}),
    "another jti": _sealed({"header": {"jti": "5f0c2b51-6f4b-4c5c-8a6f-111111111111"}}),
    "another issuer": _sealed({"header": {"iss": "BOB"}}),
    "an unknown key": lambda host, got: host.reply(
        receipt(got.payload["messageId"]),
        seal=Seal(host.cast.bob_signing, "ALICE"),
    ),
    "something else than a JWS": lambda host, got: web.Response(body=b"{}", content_type=JOSE),
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_an_answer_that_does_not_hold_is_none_and_the_same_bytes_go_again(
    answer: Any, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            on.host.answer_next(lambda got: answer(on.host, got))
            shown = await on.control("POST", NOW, boa())
            assert [got.body for got in on.host.got] == [on.host.got[0].body] * 2
            assert (shown["answer"]["verified"], shown["answer"]["attempts"]) == (True, 2)

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [401, 409, 413, 415, 429, 503])
def test_an_unsealed_refusal_is_an_answer_that_is_not_verified(status: int, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            on.host.answer_next(lambda got: web.json_response({"status": status}, status=status))
            answer = (await on.control("POST", NOW, boa()))["answer"]
            assert answer["status"] == status
            assert answer["payload"] == {"status": status}
            assert (answer["verified"], answer["attempts"]) == (False, 1)

    asyncio.run(scenario())


def test_a_receipt_that_is_sealed_right_but_malformed_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            for change, path in (
                ({"status": "REJECTED"}, "/status"),
                ({"errors": None}, "/errors"),
                ({"errors": [{"path": "x", "code": "R1", "text": ""}]}, "/errors/0/path"),
                ({"profile": "host-9"}, "/profile"),
            ):
                on.host.answer_next(partial(_sealed(**change), on.host))
                answer = (await on.control("POST", NOW, boa()))["answer"]
                assert answer["verified"]
                assert path in answer["detail"]

    asyncio.run(scenario())


def test_a_host_that_is_away_gets_no_answer_after_the_time_given(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, hostWaUrl="https://127.0.0.1:1/wa/simulator") as on:
            answer = (await on.control("POST", f"{NOW}&persist=0.3", boa()))["answer"]
            assert (answer["status"], answer["verified"]) == (None, False)
            assert answer["detail"]

    asyncio.run(scenario())


def test_a_host_with_another_certificate_gets_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, hostCa="tenant-ca.pem") as on:
            answer = (await on.control("POST", f"{NOW}&persist=0", boa()))["answer"]
            assert "certificate" in answer["detail"].lower()
            assert on.host.got == []

    asyncio.run(scenario())


def test_a_burst_is_sent_at_once_and_answered_as_a_list_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            gate = asyncio.Event()

            async def hold(got: Got) -> web.StreamResponse:
                await gate.wait()
                return on.host.reply(receipt(got.payload["messageId"]))

            on.host.answers.extend([hold] * 50)
            burst = {"instructions": [boa() for _ in range(50)], "wait": 0}
            waiting = asyncio.create_task(on.control("POST", "/burst", burst))
            # All fifty are there before the first is answered.
            await on.host.wait_for(50)
            gate.set()
            shown = await waiting
            numbers = [item["acceptanceNumber"] for item in shown]
            assert numbers == list(range(numbers[0], numbers[0] + 50))
            assert all(item["answer"]["verified"] for item in shown)

    asyncio.run(scenario())


def test_the_host_is_asked_for_its_health(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            on.host.answer_next(
                lambda got: on.host.reply(
                    message("health", inReplyTo=got.payload["messageId"], status="OK")
                )
            )
            answer = (await on.control("POST", "/health", {"participantId": "ALICE"}))["answer"]
            assert (answer["verified"], answer["detail"]) == (True, None)
            assert answer["payload"]["status"] == "OK"
            assert on.host.got[0].path == "/wa/simulator/NESO_Health"
            await on.control("POST", "/health", {"participantId": "CAROL"}, 400)

    asyncio.run(scenario())


def test_driven_control_points_get_a_plausible_acceptance_now_and_then(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, dispatchEvery=0.05) as on:
            for got in await on.host.wait_for(3):
                payload = got.payload
                assert payload["controlPoint"] == "CPALFA"
                assert payload["bmUnit"] in ("BMU-1", "BMU-2")
                levels = payload["levels"]
                assert payload["acceptanceTime"] <= levels[0]["timeFrom"]
                for before, after in pairwise(levels):
                    assert before["timeTo"] == after["timeFrom"]
                    assert before["levelTo"] == after["levelFrom"]
                assert json.dumps(levels).count("null") == 0

    asyncio.run(scenario())
