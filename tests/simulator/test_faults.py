"""Every fault of the catalogue, as the host on the other side sees it."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature

from messaging.simulator.catalogue import CATALOGUE
from tests.simulator.peer import boa, market, mel, message, open_seal, thumbprint, unb64
from tests.simulator.rig import Rig, rig
from tests.simulator.test_content import PN, submission

PATH = "NESO_Redeclaration"


async def last_fault(on: Rig) -> str | None:
    fault: str | None = (await on.messages())[-1]["fault"]
    return fault


async def settled(on: Rig, payload: dict[str, Any]) -> dict[str, Any]:
    """The same bytes again, once the fault is used up."""
    return await on.say(PATH, payload)


def test_latency_answers_late_but_well(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("latency", PATH, ms=120, times=1)
            began = time.monotonic()
            await on.say(PATH, mel())
            assert time.monotonic() - began >= 0.12
            assert await last_fault(on) == "latency"

    asyncio.run(scenario())


@pytest.mark.parametrize(("name", "taken"), [("timeout_before", False), ("timeout_after", True)])
def test_a_timeout_never_answers(name: str, taken: bool, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault(name, "Redeclaration", times=1)
            body = on.seal().close(payload := mel())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(on.send(PATH, body), 0.3)
            ask = message("normalization", controlPoint="CPALFA", since="2026-01-01T00:00:00Z")
            told = (await on.say("NESO_Normalization", ask))["redeclarations"]
            assert bool(told) is taken
            assert (await settled(on, payload))["status"] == "ACCEPTED"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "status", "settings"), [("http_500", 500, {}), ("http_503", 503, {"retryAfter": 7})]
)
def test_a_bare_status_takes_nothing(
    name: str, status: int, settings: dict[str, Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault(name, PATH, times=2, **settings)
            body = on.seal().close(payload := mel())
            for _ in range(2):
                answer = await on.send(PATH, body)
                assert (answer.status, answer.content_type) == (status, "application/problem+json")
                expected = str(settings["retryAfter"]) if settings else None
                assert answer.headers.get("Retry-After") == expected
            assert (await settled(on, payload))["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_r999_is_sealed_and_not_remembered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("r999", PATH, times=1, retryAfter=3)
            answer = await on.send(PATH, on.seal().close(payload := mel()))
            assert (answer.status, answer.headers["Retry-After"]) == (503, "3")
            receipt = on.open(answer, payload["messageId"])
            assert (receipt["status"], receipt["errors"][0]["code"]) == ("REJECTED", "R999")
            assert (await settled(on, payload))["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_reset_closes_in_mid_answer_after_taking_the_message(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("reset", PATH, times=1)
            body = on.seal().close(payload := mel())
            with pytest.raises(aiohttp.ClientError):
                await on.send(PATH, body)
            assert await last_fault(on) == "reset"
            assert (await settled(on, payload))["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_bad_signature_names_the_right_certificate_and_does_not_verify(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("bad_signature", PATH, times=1)
            answer = await on.send(PATH, on.seal().close(payload := mel()))
            assert answer.status == 200
            with pytest.raises(InvalidSignature):
                on.open(answer, payload["messageId"])
            assert (await settled(on, payload))["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_wrong_key_names_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("wrong_key", PATH, times=1)
            answer = await on.send(PATH, on.seal().close(payload := mel()))
            outer = answer.json()
            header = _header(outer)
            assert (
                header["kid"] == header["x5t#S256"] != thumbprint(on.operator_signing.certificate)
            )
            with pytest.raises(InvalidSignature):
                on.open(answer, payload["messageId"])

    asyncio.run(scenario())


def _header(outer: dict[str, str]) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(unb64(outer["protected"]))
    return header


def test_wrong_in_reply_to_names_another_message(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("wrong_in_reply_to", PATH, times=1)
            answer = await on.send(PATH, on.seal().close(payload := mel()))
            opened, _ = open_seal(answer.body, on.operator_signing, "NGESO", "ALICE")
            assert opened["inReplyTo"] != payload["messageId"]
            again = await settled(on, payload)
            assert {**again, "inReplyTo": 0} == {**opened, "inReplyTo": 0}

    asyncio.run(scenario())


def test_clock_skew_shifts_iat_and_sent_at(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            for seconds in (-250, 250):
                await on.fault("clock_skew", PATH, times=1, seconds=seconds)
                answer = await on.send(PATH, on.seal().close(payload := mel()))
                opened, header = open_seal(answer.body, on.operator_signing, "NGESO", "ALICE")
                assert header["iat"] - time.time() == pytest.approx(seconds, abs=20)
                right = await settled(on, payload)
                assert (opened["sentAt"] > right["sentAt"]) is (seconds > 0)

    asyncio.run(scenario())


def test_a_fault_of_the_requests_spoils_what_is_dispatched(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("bad_signature", "Instruction", direction="requests", times=1)
            await on.control("POST", "/dispatch?wait=0", boa())
            with pytest.raises(InvalidSignature):
                open_seal(on.host.got[0].body, on.operator_signing, "NGESO", "ALICE")
            await on.control("POST", "/dispatch?wait=0", boa())
            open_seal(on.host.got[1].body, on.operator_signing, "NGESO", "ALICE")

    asyncio.run(scenario())


def test_refuse_answers_the_violation_it_was_given_and_is_remembered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            given = {"code": "R004", "text": "not now", "errorPath": "/levels/0"}
            await on.fault("refuse", PATH, times=1, **given)
            payload = mel()
            for _ in range(2):
                [error] = (await on.say(PATH, payload, 422))["errors"]
                assert error == {"path": "/levels/0", "code": "R004", "text": "not now"}

    asyncio.run(scenario())


def test_refuse_matches_by_bmu_and_parameter_and_by_a_submissions_records(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("refuse", bmUnit="BMU-2", parameter="MEL")
            await on.say(PATH, mel())
            await on.say(PATH, mel(bmUnit="BMU-2"), 422)
            await on.say(PATH, mel(bmUnit="BMU-2", parameter="MDO"))
            await on.say("NESO_Submission", submission(PN))
            theirs = {**PN, "type": "MEL", "bmUnit": "BMU-2"}
            await on.say("NESO_Submission", submission(PN, theirs), 422)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "errors"),
    [("ACCEPTED", []), ("REJECTED", [{"path": "/levels", "code": "R003", "text": "no"}])],
)
@pytest.mark.parametrize("path", [PATH, "NESO_Submission"])
def test_receipt_later_is_received_now_and_final_on_the_hosts_path(
    path: str, status: str, errors: list[dict[str, str]], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            given = {"code": "R003", "text": "no", "errorPath": "/levels"}
            await on.fault("receipt_later", path, seconds=0.02, status=status, times=1, **given)
            payload = mel() if path == PATH else submission(PN)
            assert (await on.say(path, payload))["status"] == "RECEIVED"
            [got] = await on.host.wait_for(1)
            final, _ = open_seal(got.body, on.operator_signing, "NGESO", "ALICE")
            assert got.path == f"/wa/simulator/{path}"
            assert (final["type"], final["status"], final["errors"]) == ("receipt", status, errors)
            assert final["inReplyTo"] == payload["messageId"]
            assert (await on.say(path, payload))["status"] == "RECEIVED"

    asyncio.run(scenario())


def test_a_redeclaration_whose_final_receipt_says_no_is_not_told_as_taken(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.say(PATH, first := mel())
            await on.fault("receipt_later", PATH, seconds=0, status="REJECTED")
            await on.say(PATH, mel())
            await on.host.wait_for(1)
            ask = message("normalization", controlPoint="CPALFA", since="2026-01-01T00:00:00Z")
            [told] = (await on.say("NESO_Normalization", ask))["redeclarations"]
            assert told["messageId"] == first["messageId"]

    asyncio.run(scenario())


def test_a_later_receipt_is_sent_again_until_the_host_takes_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            on.host.answer_next(lambda got: web.Response(status=500))
            on.host.answer_next(lambda got: web.Response(status=503))
            await on.fault("receipt_later", PATH, seconds=0)
            await on.say(PATH, mel())
            got = await on.host.wait_for(3)
            assert got[0].body == got[1].body == got[2].body

    asyncio.run(scenario())


def test_receipt_missing_is_received_and_nothing_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("receipt_missing", PATH, times=1)
            assert (await on.say(PATH, mel()))["status"] == "RECEIVED"
            # Whatever was due before this later receipt would have come before it.
            await on.fault("receipt_later", PATH, seconds=0.05)
            await on.say(PATH, payload := mel())
            [got] = await on.host.wait_for(1)
            assert got.payload["inReplyTo"] == payload["messageId"]

    asyncio.run(scenario())


@pytest.mark.parametrize("new_ids", [False, True])
def test_receipt_duplicated_sends_the_final_receipt_again(new_ids: bool, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("receipt_duplicated", PATH, seconds=0, copies=3, newIds=new_ids)
            await on.say(PATH, payload := mel())
            got = await on.host.wait_for(3)
            assert {item.payload["inReplyTo"] for item in got} == {payload["messageId"]}
            ids = {item.payload["messageId"] for item in got}
            assert len(ids) == (3 if new_ids else 1)

    asyncio.run(scenario())


def test_reordered_sends_the_next_instructions_backwards(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("reordered", "Instruction", count=3, seconds=30, times=1)
            burst = {"instructions": [boa() for _ in range(3)], "wait": 0}
            shown = await on.control("POST", "/burst", burst)
            order = [got.payload["messageId"] for got in on.host.got]
            assert order == [item["messageId"] for item in reversed(shown)]

    asyncio.run(scenario())


def test_reordered_lets_go_of_too_few_after_a_while(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("reordered", "Instruction", count=3, seconds=0.05, times=1)
            shown = await on.control("POST", "/dispatch?wait=0", boa())
            assert shown["answer"]["verified"]

    asyncio.run(scenario())


@pytest.mark.parametrize("new_ids", [False, True])
def test_duplicated_instruction_is_sent_again(new_ids: bool, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("duplicated_instruction", newIds=new_ids, times=1)
            await on.control("POST", "/dispatch?wait=0", boa())
            first, second = await on.host.wait_for(2)
            assert (first.body == second.body) is not new_ids
            number = first.payload["acceptanceNumber"]
            assert second.payload["acceptanceNumber"] == number

    asyncio.run(scenario())


def test_a_fault_can_be_for_one_tenant_one_path_and_a_number_of_times(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("http_500", PATH, participantId="BOB", times=1)
            await on.say(PATH, mel())
            await on.say("NESO_Health", message("health"))
            theirs = mel(controlPoint="CPBOB", bmUnit="BMU-B")
            for status in (500, 200):
                body = on.bob().close(theirs)
                assert (await on.send(PATH, body, tls=on.cast.bob_tls)).status == status

    asyncio.run(scenario())


def test_several_faults_apply_together_and_are_told_together(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            items = [{"fault": "latency", "ms": 1}, {"fault": "r999"}]
            await on.control("POST", "/faults", {"faults": items})
            assert (await on.send(PATH, on.seal().close(mel()))).status == 503
            assert await last_fault(on) == "latency+r999"

    asyncio.run(scenario())


WRONG: list[Any] = [
    {"fault": "gremlins"},
    {"fault": 1},
    {},
    "latency",
    {"fault": "latency", "seconds": 1},
    {"fault": "latency", "ms": "1"},
    {"fault": "latency", "ms": True},
    {"fault": "latency", "ms": -1},
    {"fault": "latency", "path": "NESO_Other"},
    {"fault": "receipt_later", "path": "NESO_Health"},
    {"fault": "receipt_later", "status": "MAYBE"},
    {"fault": "latency", "times": 0},
    {"fault": "latency", "times": 1.5},
    {"fault": "latency", "forSeconds": 0},
    {"fault": "latency", "forSeconds": "1"},
    {"fault": "latency", "participantId": 7},
]


@pytest.mark.parametrize("item", WRONG)
def test_an_unknown_fault_or_parameter_is_a_400_that_lists_what_there_is(
    item: Any, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("latency", ms=1)
            refused = await on.control("POST", "/faults", {"faults": [item]}, 400)
            assert refused["catalogue"].keys() == CATALOGUE.keys()
            assert refused["catalogue"]["latency"]["parameters"]["ms"]["kind"] == "integer"
            kept = (await on.control("GET", "/faults"))["faults"]
            none = dict.fromkeys(("participantId", "times", "forSeconds"))
            assert kept == [{"id": 1, "fault": "latency", "path": "*", **none, "ms": 1}]
            assert (await on.control("DELETE", "/faults"))["faults"] == []

    asyncio.run(scenario())


def test_faults_can_be_set_beside_others_and_taken_away_one_by_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("latency", ms=1)
            more = {"faults": [{"fault": "http_500", "path": PATH}]}
            shown = (await on.control("POST", "/faults/add", more))["faults"]
            assert [item["fault"] for item in shown] == ["latency", "http_500"]
            assert (await on.send(PATH, on.seal().close(mel()))).status == 500
            await on.control("DELETE", f"/faults/{shown[1]['id']}")
            await on.say(PATH, mel())
            await on.control("DELETE", f"/faults/{shown[1]['id']}", None, 404)
            await on.control("DELETE", "/faults/all", None, 404)
            await on.control("POST", "/faults/add", {"faults": [{"fault": "gremlins"}]}, 400)
            kept = (await on.control("GET", "/faults"))["faults"]
            assert [item["fault"] for item in kept] == ["latency"]

    asyncio.run(scenario())


def test_a_fault_can_be_for_a_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.fault("r999", PATH, forSeconds=600)
            payload = mel()
            assert (await on.send(PATH, on.seal().close(payload))).status == 503
            await on.fault("r999", PATH, forSeconds=0.01)
            await asyncio.sleep(0.1)
            assert (await settled(on, payload))["status"] == "ACCEPTED"
            assert (await on.control("GET", "/faults"))["faults"] == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("every", "field", "paths"),
    [
        (2, "", ["/records/1", "/records/3"]),
        (5, "levelFrom", ["/records/4/levelFrom"]),
        (9, "", ["/records/4"]),
    ],
)
def test_partial_errors_refuse_a_submission_by_some_of_its_records(
    every: int, field: str, paths: list[str], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            given = {"every": every, "field": field, "code": "R004", "text": "no"}
            await on.fault("partial_errors", "Submission", times=1, **given)
            half_hours = (
                {**PN, "timeFrom": market(30 * at), "timeTo": market(30 * at + 30)}
                for at in range(5)
            )
            payload = submission(*half_hours)
            for _ in range(2):
                errors = (await on.say("NESO_Submission", payload, 422))["errors"]
                assert errors == [{"path": path, "code": "R004", "text": "no"} for path in paths]

    asyncio.run(scenario())
