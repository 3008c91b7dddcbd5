"""What the simulator answers to good messages: receipts, Health, Normalization, repeats."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.simulator.cast import make_cast, make_pair, make_tenant
from tests.simulator.peer import Seal, boa, mel, message, stamp
from tests.simulator.rig import rig


def test_a_repeat_gets_the_same_answer_payload_sealed_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            for payload, status in ((mel(), 200), (mel(parameter="XYZ"), 422)):
                first = await on.say("NESO_Redeclaration", payload, status)
                assert await on.say("NESO_Redeclaration", payload, status) == first

    asyncio.run(scenario())


def test_repeats_that_come_at_once_get_one_answer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            body = on.seal().close(payload := mel(note="x" * 400_000))
            answers = await asyncio.gather(*(on.send("NESO_Redeclaration", body) for _ in range(8)))
            opened = [on.open(answer, payload["messageId"]) for answer in answers]
            assert all(answer == opened[0] for answer in opened)

    asyncio.run(scenario())


def test_one_message_id_of_two_tenants_is_two_messages(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            payload = mel()
            await on.say("NESO_Redeclaration", payload)
            theirs = {**payload, "controlPoint": "CPBOB", "bmUnit": "BMU-B"}
            answer = await on.send(
                "NESO_Redeclaration", on.bob().close(theirs), tls=on.cast.bob_tls
            )
            assert on.open(answer, payload["messageId"], "BOB")["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_health_says_ok_and_in_an_outage_outage_while_all_else_is_r999(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            assert (await on.say("NESO_Health", message("health")))["status"] == "OK"
            await on.control("POST", "/outage", {"on": True})
            assert (await on.say("NESO_Health", message("health")))["status"] == "OUTAGE"
            answer = await on.send("NESO_Redeclaration", on.seal().close(held := mel()))
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            receipt = on.open(answer, held["messageId"])
            assert [error["code"] for error in receipt["errors"]] == ["R999"]
            await on.control("POST", "/outage", {"on": False})
            assert (await on.say("NESO_Redeclaration", held))["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_normalization_tells_the_instructions_since_and_the_last_redeclarations(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            before = stamp()
            sent = [
                await on.control("POST", "/dispatch?wait=0", boa(bmUnit=unit))
                for unit in ("BMU-2", "BMU-1")
            ]
            await on.control(
                "POST", "/dispatch?wait=0", boa(controlPoint="CPBRAVO", bmUnit="BMU-3")
            )
            first, last = mel(), mel()
            for payload in (first, last):
                await on.say("NESO_Redeclaration", payload)
            await on.say("NESO_Redeclaration", mel(parameter="XYZ"), 422)
            ask = message("normalization", controlPoint="CPALFA", since=before)
            answer = await on.say("NESO_Normalization", ask)
            assert answer["type"] == "normalization"
            told = answer["instructions"]
            assert told == [got.payload for got in on.host.got[:2]]
            assert [item["messageId"] for item in told] == [item["messageId"] for item in sent]
            taken = {"bmUnit": "BMU-1", "parameter": "MEL", "messageId": last["messageId"]}
            assert answer["redeclarations"] == [taken]
            later = message("normalization", controlPoint="CPALFA", since=stamp(1))
            assert (await on.say("NESO_Normalization", later))["instructions"] == []

    asyncio.run(scenario())


def test_normalization_leaves_out_repeats_and_what_the_host_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            before = stamp()
            first = await on.control("POST", "/dispatch?wait=0", boa(acceptanceNumber=7))
            repeat = {**on.host.got[0].payload, "messageId": mel()["messageId"]}
            await on.control("POST", "/dispatch?wait=0", repeat)
            on.host.refuse_next()
            await on.control("POST", "/dispatch?wait=0", boa())
            ask = message("normalization", controlPoint="CPALFA", since=before)
            told = (await on.say("NESO_Normalization", ask))["instructions"]
            assert [item["messageId"] for item in told] == [first["messageId"]]

    asyncio.run(scenario())


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "EdDSA", "Ed25519"])
def test_the_other_algorithms_are_taken(algorithm: str, tmp_path: Path) -> None:
    cast = make_cast()
    pair = make_pair("carol signing", cast.tenant_ca, kind=algorithm)
    tls = make_pair("carol", cast.tenant_ca)

    async def scenario() -> None:
        points = [{"name": "CPCAROL", "bmUnits": ["BMU-C"]}]
        tenant = make_tenant(tmp_path, "CAROL", tls, (pair,), points)
        async with rig(tmp_path, tenants=[tenant], operator_signing=pair) as on:
            seal = Seal(pair, "CAROL", algorithm=algorithm)
            payload = mel(controlPoint="CPCAROL", bmUnit="BMU-C")
            answer = await on.send("NESO_Redeclaration", seal.close(payload), tls=tls)
            assert on.open(answer, payload["messageId"], "CAROL")["status"] == "ACCEPTED"

    asyncio.run(scenario())
