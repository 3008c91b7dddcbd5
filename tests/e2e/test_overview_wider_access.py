"""The whole flow of the system operator's overview of the Wider Access API, over the running stack:
each test is named for the section of that document which it shows.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from messaging.domain.acknowledgements import ResultVerdict
from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.domain.units import RefusalCode
from tests.e2e.rig import Rig, boa, mel, minute, run, stamp
from tests.e2e.trading_point import Client, OsTool, ndz, next_number

TENANT, POINT, UNIT = "birch", "BRCH2", "BRCH-F01"


def noted(stack: Rig, service: str, direction: str, since: int = 0) -> list[dict[str, Any]]:
    """What the simulated operator sent or got at a service, newest last."""
    rows = stack.control("GET", f"/messages?since={since}")["messages"]
    return [row for row in rows if row["service"] == service and row["direction"] == direction]


def last_number(stack: Rig) -> int:
    rows = stack.control("GET", "/messages?since=0")["messages"]
    return max((int(row["number"]) for row in rows), default=0)


def redeclared(stack: Rig, level: int) -> ResultVerdict | str:
    """By the control point's own link: what the operator said of it."""

    async def work() -> ResultVerdict | str:
        async with stack.control_point(TENANT) as point:
            number = await point.redeclare(mel(POINT, UNIT, level))
            answer = await point.answered(number)
            assert answer.code == RefusalCode.OK
            return (await point.result(number, final=True)).verdict

    return run(work)


def submitted(stack: Rig, os_tool: OsTool, folder: Path) -> str:
    """A file of a trading point's by sftp: its last reply."""
    os_tool("sftp")
    client = Client(stack, TENANT, folder)
    stem = f"{client.agent}_{next_number(client)}"
    file = client.written("file", ndz(client, UNIT, 12))
    done = client.sftp(
        f"put {file} outgoing/{stem}.tmp", f"rename outgoing/{stem}.tmp outgoing/{stem}.sub"
    )
    assert done.returncode == 0, done.stderr
    return client.reply(f"{stem}.acc")


def instructed(stack: Rig, instruction: dict[str, Any]) -> dict[str, Any]:
    """Dispatched by the operator, accepted on the control point's link: what the operator got."""

    async def work() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        async with stack.control_point(TENANT):
            dispatch = loop.run_in_executor(
                None, stack.control, "POST", "/dispatch?wait=20", instruction
            )
            told: dict[str, Any] = await dispatch
            return told

    return run(work)


def test_new_opportunity_electronic_data_transfer_and_dispatch_and_logging_reach_the_api(
    stack: Rig, os_tool: OsTool, tmp_path: Path
) -> None:
    before = last_number(stack)
    assert redeclared(stack, 61) == ResultVerdict.OK
    assert submitted(stack, os_tool, tmp_path).endswith("END,1,1\n")
    (redeclaration,) = [
        row["payload"]
        for row in noted(stack, "NESO_Redeclaration", "in", before)
        if row["role"] == "request" and row["payload"]["bmUnit"] == UNIT
    ]
    (submission,) = [
        row["payload"]
        for row in noted(stack, "NESO_Submission", "in", before)
        if row["role"] == "request" and row["participantId"] == "BIRCH"
    ]
    assert (redeclaration["parameter"], redeclaration["levels"][0]["levelTo"]) == ("MEL", 61)
    assert [record["type"] for record in submission["records"]] == ["NDZ"]


def test_system_and_connection_overview_signed_json_payloads_go_in_both_directions(
    stack: Rig,
) -> None:
    """The simulator verifies each seal with a JOSE library that is not the host's."""
    before = last_number(stack)
    redeclared(stack, 62)
    told = stack.dispatch(UNIT, POINT, wait=0)
    to_operator = noted(stack, "NESO_Redeclaration", "in", before)
    to_host = noted(stack, "NESO_Instruction", "in", before)
    mine = [row for row in to_operator + to_host if row["participantId"] == "BIRCH"]
    assert mine
    assert all(row["verified"] for row in mine)
    assert told["answer"]["status"] == 200
    for key in ("signingCertificate", "certificate"):
        assert stack.path(stack.service["simulator"][key]).exists()


def test_intermediate_connection_overview_a_legacy_protocol_whose_every_hop_is_on_record(
    stack: Rig,
) -> None:
    """The operator takes no responsibility for this leg, so the host's chain vouches for it."""
    redeclared(stack, 63)
    rows = stack.api(TENANT, "GET", f"messages?bm_unit={UNIT}&kind=MEL&limit=1")["results"]
    whole = stack.api(TENANT, "GET", f"messages/{rows[0]['id']}")
    (delivery,) = whole["deliveries"]
    (attempt,) = delivery["attempts"]
    assert attempt["received_at"] <= attempt["sent_at"] <= attempt["answered_at"]
    assert (delivery["state"], attempt["outcome"]) == ("ACKNOWLEDGED", "DELIVERED")
    done = stack.manage("verify_audit")
    assert done.returncode == 0, done.stdout + done.stderr


def test_establishing_connections_the_connection_is_tested_step_by_step(stack: Rig) -> None:
    for row in stack.api(TENANT, "GET", "endpoints?limit=500")["results"]:
        if row["protocol"] == "neso-wa":
            report = stack.api(TENANT, "POST", f"endpoints/{row['id']}/connection-test")
            assert report["colour"] == "green", report


def test_establishing_connections_all_message_flows_are_tested_with_the_operator(
    stack: Rig, os_tool: OsTool, tmp_path: Path
) -> None:
    """Health and Normalization, redeclaration, submission, and each kind of instruction."""
    lamps = stack.api(TENANT, "GET", "connections")["results"]
    assert [(lamp["state"], lamp["normalized_at"] is not None) for lamp in lamps] == [("UP", True)]
    assert redeclared(stack, 64) == ResultVerdict.OK
    assert submitted(stack, os_tool, tmp_path).endswith("END,1,1\n")
    soon = stamp(minute() + timedelta(minutes=2))
    ancillary = {"service": "RESP", "action": "ARM", "timeFrom": soon, "timeTo": None}
    kinds = [
        {"kind": "ANCILLARY", "bmUnit": UNIT, "targetMw": None, **ancillary},
        {"kind": "EMERGENCY", "bmUnit": None, "text": "a rehearsal of all flows"},
    ]
    for kind in kinds:
        told = instructed(stack, {"controlPoint": POINT, **kind})
        assert told["response"]["verdict"] == "ACCEPTED", told
    told = instructed(stack, boa(UNIT, POINT))
    assert told["response"]["verdict"] == "ACCEPTED", told


def test_establishing_connections_an_instruction_may_be_refused_with_its_reason(stack: Rig) -> None:
    async def work() -> dict[str, Any]:
        def refuse(instruction: Any) -> InstructionAnswer:
            number = instruction.number
            return InstructionAnswer(
                POINT, instruction.bm_unit, number, Verdict.REJECTED, "SAFE", "a person is inside"
            )

        loop = asyncio.get_running_loop()
        async with stack.control_point(TENANT, answer=refuse):
            told: dict[str, Any] = await loop.run_in_executor(
                None, stack.control, "POST", "/dispatch?wait=20", boa(UNIT, POINT)
            )
            return told

    told = run(work)
    assert told["response"]["verdict"] == "REJECTED"
    assert told["response"]["reasonText"] == "a person is inside"
