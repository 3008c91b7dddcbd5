"""A wrong clock of the operator's: all that it writes, and all that it judges by."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.simulator.peer import boa, mel, message, open_seal, receipt, stamp
from tests.simulator.rig import rig
from tests.simulator.test_dispatch import response
from tests.simulator.test_smp import asset, enter

PATH = "NESO_Redeclaration"


def _ahead(text: str) -> float:
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize("seconds", [-200, 200])
def test_stamps_signatures_and_dates_are_off_in_answers_and_in_instructions(
    seconds: int, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.control("POST", "/clock", {"seconds": seconds})
            answer = await on.send(PATH, on.seal().close(mel()))
            said, header = open_seal(answer.body, on.operator_signing, "NGESO", "ALICE")
            assert _ahead(said["sentAt"]) == pytest.approx(seconds, abs=20)
            assert header["iat"] - time.time() == pytest.approx(seconds, abs=20)
            date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            assert date - time.time() == pytest.approx(seconds, abs=20)
            await on.control("POST", "/dispatch?wait=0", boa())
            sent, header = open_seal(on.host.got[0].body, on.operator_signing, "NGESO", "ALICE")
            for name, late in (("sentAt", 0), ("acceptanceTime", -30), ("respondBy", 120)):
                assert _ahead(sent[name]) == pytest.approx(seconds + late, abs=50)
            assert header["iat"] - time.time() == pytest.approx(seconds, abs=20)
            entry = (await on.messages())[0]
            assert abs(_ahead(entry["at"])) < 20, "what it noted has the true time"

    asyncio.run(scenario())


def test_a_clock_that_is_far_off_refuses_what_was_signed_by_a_right_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            payload = mel()
            for seconds in (400, -400):
                await on.control("POST", "/clock", {"seconds": seconds})
                answer = await on.send(PATH, on.seal().close(payload))
                assert answer.status == 401
                assert "time of signing" in answer.json()["detail"]
            await on.control("POST", "/clock", {"seconds": 0})
            assert (await on.say(PATH, payload))["status"] == "ACCEPTED"

    asyncio.run(scenario())


def test_an_answer_of_the_host_is_judged_by_it_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.control("POST", "/clock", {"seconds": 1000})
            shown = await on.control("POST", "/dispatch?wait=0&persist=0", boa())
            assert not shown["answer"]["verified"]
            on.host.answer_next(
                lambda got: on.host.reply(
                    receipt(got.payload["messageId"]),
                    seal=on.host.seal(header={"iat": int(time.time()) + 1000}),
                )
            )
            shown = await on.control("POST", "/dispatch?wait=0&persist=0", boa())
            assert shown["answer"]["verified"]

    asyncio.run(scenario())


def test_a_verdict_that_is_in_time_is_too_late_by_a_clock_that_is_ahead(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.control("POST", "/clock", {"seconds": 200})
            shown = await on.control("POST", "/dispatch?wait=0", boa(respondBy=stamp(60)))
            verdict = response(shown)
            refused = await on.say("NESO_Instruction", verdict, 422)
            assert refused["errors"][0]["code"] == "R008"

    asyncio.run(scenario())


@pytest.mark.parametrize("body", [{}, {"seconds": "soon"}, {"seconds": 1e12}, {"seconds": None}])
def test_a_bad_clock_is_a_problem(body: dict[str, object], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.control("POST", "/clock", body, 400)

    asyncio.run(scenario())


def test_a_token_runs_out_by_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            await client.say("Asset/Create", message(None, assets=[asset()]))
            await on.control("POST", "/clock", {"seconds": 61})
            answer = await client.send("Asset/Create", message(None, assets=[asset()]))
            assert answer.status == 401
            later = await enter(on)
            await later.say("Asset/Create", message(None, assets=[asset()]))

    asyncio.run(scenario())
