"""The main job over real links, real TLS, real workers and the simulated operator: up, down, and
every hop in the audit log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from messaging.domain.acknowledgements import ResultVerdict
from messaging.domain.instructions import BidOfferAcceptance, InstructionAnswer, Verdict
from messaging.domain.redeclarations import (
    LevelParameter,
    RateParameter,
    RateRedeclaration,
    RateStep,
    Redeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.units import RefusalCode
from messaging.rehearsal.control_point import ControlPoint
from tests.e2e.rig import Rig, boa, mel, run

POINT, UNIT, OTHER = "ALDR2", "ALDR-F01", "ALDR-F02"


async def said(point: ControlPoint, message: Redeclaration) -> tuple[str, str]:
    """The answer's code and the final RESULT's verdict."""
    number = await point.redeclare(message)
    answer = await point.answered(number)
    if answer.code != RefusalCode.OK:
        return answer.code, ""
    return answer.code, (await point.result(number, final=True)).verdict


def rates(*steps: tuple[str, int | None]) -> tuple[RateStep, ...]:
    return tuple(RateStep(Decimal(rate), elbow) for rate, elbow in steps)


def every_form() -> Iterator[Redeclaration]:
    for parameter in LevelParameter:
        level = 80 if parameter in (LevelParameter.MEL, LevelParameter.MDO) else -80
        message = mel(POINT, UNIT, level)
        yield type(message)(POINT, UNIT, parameter, message.levels)
    for up in (RateParameter.RURE, RateParameter.RURI):
        yield RateRedeclaration(POINT, UNIT, up, rates(("1.5", None)))
        yield RateRedeclaration(POINT, UNIT, up, rates(("1.5", None), ("2", 10), ("0.2", 20)))
    for down in (RateParameter.RDRE, RateParameter.RDRI):
        yield RateRedeclaration(POINT, UNIT, down, rates(("999", None), ("0.2", -1)))
    for scalar in ScalarParameter:
        yield ScalarRedeclaration(POINT, UNIT, scalar, 7)


def test_every_form_of_redeclaration_is_acknowledged_relayed_and_answered(stack: Rig) -> None:
    async def work() -> None:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            for message in every_form():
                assert await said(point, message) == ("OK", "OK"), message

    run(work)


def at_the_operator(stack: Rig, **wanted: Any) -> list[dict[str, Any]]:
    """Payloads that the simulator got, with these members."""
    told = stack.control("GET", "/messages?since=0")
    payloads = [row.get("payload") or {} for row in told["messages"]]
    return [p for p in payloads if all(p.get(name) == value for name, value in wanted.items())]


def test_what_the_operator_gets_is_what_the_control_point_said(stack: Rig) -> None:
    async def work() -> None:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            await said(point, mel(POINT, UNIT, 4321))

    run(work)
    (got,) = [
        p
        for p in at_the_operator(stack, type="redeclaration", parameter="MEL")
        if p["levels"][0]["levelFrom"] == 4321
    ]
    assert (got["controlPoint"], got["bmUnit"], got["profile"]) == (POINT, UNIT, "host-1")


def test_an_acceptance_reaches_the_link_and_its_answer_the_operator(stack: Rig) -> None:
    async def work() -> Any:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            told = await asyncio.to_thread(stack.dispatch, UNIT, POINT, wait=20)
            (arrival,) = [
                a
                for a in point.received
                if isinstance(a.message, BidOfferAcceptance)
                and a.message.number == told["acceptanceNumber"]
            ]
            return told, arrival.message

    told, instruction = run(work)
    assert told["answer"]["payload"]["status"] == "RECEIVED"
    assert told["response"]["verdict"] == "ACCEPTED"
    (segment,) = instruction.levels
    assert (segment.level_from, segment.level_to) == (0, 50)


def test_what_goes_out_on_a_link_counts_as_sent_when_its_first_byte_left(stack: Rig) -> None:
    async def work() -> None:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            await asyncio.to_thread(stack.dispatch, UNIT, POINT, wait=20)

    run(work)
    times = stack.query(
        "SELECT a.received_at, (convert_from(e.record, 'UTF8')::jsonb ->> 'at')::timestamptz,"
        " a.sent_at, a.answered_at, a.settled_at, d.sent_at FROM messaging_delivery d"
        " JOIN messaging_attempt a ON a.delivery_id = d.id JOIN messaging_message m"
        " ON m.id = d.message_id JOIN audit_entry e ON e.delivery_id = d.id AND e.event = 'sending'"
        " WHERE d.lane = 'link' AND m.kind = 'BOA' ORDER BY d.position DESC LIMIT 1"
    )
    received, numbered, first_byte, acknowledged, settled, shown = times[0]
    assert received <= numbered < first_byte <= acknowledged <= settled
    assert shown == first_byte
    figures = stack.metrics("gateway")
    assert figures['hostsvc_hop_seconds_sum{hop="wait",lane="link"}'] > 0


def test_a_rejection_carries_its_reason(stack: Rig) -> None:
    def refuse(instruction: Any) -> InstructionAnswer:
        number, unit = instruction.number, instruction.bm_unit
        return InstructionAnswer(POINT, unit, number, Verdict.REJECTED, "SAFE", "tripped")

    async def work() -> Any:
        async with stack.control_point("alder", answer=refuse) as point:
            await point.wait_ready()
            return await asyncio.to_thread(stack.dispatch, UNIT, POINT, wait=20)

    response = run(work)["response"]
    assert (response["verdict"], response["reasonCode"], response["reasonText"]) == (
        "REJECTED",
        "SAFE",
        "tripped",
    )


def test_what_the_operator_refuses_is_told_with_its_first_code_and_text(stack: Rig) -> None:
    stack.control(
        "POST",
        "/faults",
        {
            "faults": [
                {
                    "fault": "refuse",
                    "path": "Redeclaration",
                    "times": 1,
                    "code": "R003",
                    "text": "too high",
                    "errorPath": "/levels/0/levelFrom",
                }
            ]
        },
    )

    async def work() -> Any:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            number = await point.redeclare(mel(POINT, UNIT, 90))
            return await point.result(number, final=True)

    result = run(work)
    assert (result.verdict, result.code, result.text) == (
        ResultVerdict.REFUSE,
        "R030",
        "R003 too high",
    )


def test_in_an_outage_messages_are_held_and_go_in_order_when_it_ends(stack: Rig) -> None:
    levels = [201, 202, 203]

    async def work() -> None:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            stack.control("POST", "/outage", {"on": True})
            numbers = [
                await point.redeclare(mel(POINT, OTHER, level, start_in))
                for start_in, level in enumerate(levels, 5)
            ]
            for number in numbers:
                held = await point.result(number)
                assert (held.verdict, held.code) == (ResultVerdict.HELD, "R999")
            stack.control("POST", "/outage", {"on": False})
            for number in numbers:
                assert (await point.result(number, final=True)).verdict == ResultVerdict.OK

    run(work)
    taken = [
        p["levels"][0]["levelFrom"]
        for p in at_the_operator(stack, type="redeclaration", bmUnit=OTHER)
        if "levels" in p and p["levels"][0]["levelFrom"] in levels
    ]
    assert taken[-3:] == levels


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "bad_signature"},
        {"fault": "wrong_key"},
        {"fault": "wrong_in_reply_to"},
        {"fault": "reset"},
        {"fault": "http_500"},
        {"fault": "clock_skew", "seconds": 900},
        {"fault": "receipt_later", "seconds": 0.5},
        {"fault": "receipt_duplicated"},
    ],
    ids=lambda fault: fault["fault"],
)
def test_a_misbehaving_operator_costs_neither_a_loss_nor_a_second_result(
    stack: Rig, fault: dict[str, Any]
) -> None:
    stack.control("POST", "/faults", {"faults": [{"path": "Redeclaration", "times": 1, **fault}]})

    async def work() -> int:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            number = await point.redeclare(mel(POINT, UNIT, 77))
            assert (await point.result(number, final=True)).verdict == ResultVerdict.OK
            await asyncio.sleep(0.5)
            return len(
                [a for a in point.received if a.type == "RESULT" and a.in_reply_to == number]
            )

    assert run(work) == 1


def test_a_control_point_that_was_away_gets_what_came_meanwhile(stack: Rig) -> None:
    told = stack.dispatch(UNIT, POINT, wait=0)
    assert told["answer"]["status"] == 200

    async def work() -> dict[str, Any]:
        async with stack.control_point("alder") as point:
            await point.wait_for(
                lambda a: getattr(a.message, "number", None) == told["acceptanceNumber"]
            )
            # The link is kept until its answer has gone all the way.
            path = f"/dispatch/{told['messageId']}?wait=20"
            return await asyncio.to_thread(stack.control, "GET", path)

    assert run(work)["response"]["verdict"] == "ACCEPTED"


def test_the_same_instruction_twice_at_once_is_one_on_the_link(stack: Rig) -> None:
    stack.control("POST", "/faults", {"faults": [{"fault": "duplicated_instruction", "times": 1}]})

    async def work() -> int:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            told = await asyncio.to_thread(stack.dispatch, UNIT, POINT, wait=20)
            await asyncio.sleep(1)
            number = told["acceptanceNumber"]
            return len([a for a in point.received if getattr(a.message, "number", 0) == number])

    assert run(work) == 1


def test_a_killed_worker_a_killed_gateway_and_a_flushed_broker_lose_nothing(stack: Rig) -> None:
    levels = list(range(301, 331))

    async def work() -> None:
        async with stack.control_point("alder", state=stack.var / "killed.book") as point:
            await point.wait_ready()
            numbers = []
            for position, level in enumerate(levels):
                numbers.append(await point.redeclare(mel(POINT, OTHER, level, position)))
                if position == 5:
                    stack.kill("-A hostsvc worker")
                if position == 12:
                    stack.kill("run_gateway")
                if position == 20:
                    stack.kill("valkey")
            for number in numbers:
                assert (await point.result(number, final=True)).verdict == ResultVerdict.OK

    run(work)
    taken = [
        p["levels"][0]["levelFrom"]
        for p in at_the_operator(stack, type="redeclaration", bmUnit=OTHER)
        if "levels" in p and p["levels"][0]["levelFrom"] in levels
    ]
    assert list(dict.fromkeys(taken)) == levels
    (open_deliveries,) = stack.query(
        "SELECT count(*) FROM messaging_delivery WHERE lane = 'operator'"
        " AND state NOT IN ('ACKNOWLEDGED', 'REFUSED', 'EXPIRED', 'SUPERSEDED')"
    )
    assert open_deliveries == (0,)


def test_a_burst_to_one_link_arrives_whole_and_is_answered(stack: Rig) -> None:
    units = stack.units("birch")
    answers: list[Any] = []

    async def work() -> None:
        async with stack.control_point("birch") as point:
            await point.wait_ready()
            instructions = [boa(unit, "BRCH2") for unit in units]
            told = await asyncio.to_thread(
                stack.control, "POST", "/burst", {"instructions": instructions, "wait": 20}
            )
            answers.extend(told["answers"] if isinstance(told, dict) else told)

    run(work)
    assert [answer["response"]["verdict"] for answer in answers] == ["ACCEPTED"] * len(units)


def test_the_chains_of_all_tenants_and_of_the_house_hold(stack: Rig) -> None:
    """Other tests of the stack may have enrolled tenants of their own."""
    ((tenants,),) = stack.query("SELECT count(*) FROM tenants_tenant")
    done = stack.manage("verify_audit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("entries hold") == tenants + 1


def test_each_hop_of_a_redeclaration_is_an_entry_with_the_four_times(stack: Rig) -> None:
    async def work() -> None:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            await said(point, mel(POINT, UNIT, 555))

    run(work)
    (message,) = stack.query(
        "SELECT message_id FROM messaging_delivery WHERE lane = 'operator'"
        " ORDER BY position DESC LIMIT 1"
    )
    rows = stack.query(
        "SELECT event, convert_from(record, 'UTF8')::jsonb -> 'detail' FROM audit_entry"
        " WHERE message_id = %s ORDER BY seq",
        message[0],
    )
    events = [event for event, _ in rows]
    assert events == [
        "received",
        "decoded",
        "stored",
        "signed",
        "sending",
        "answered",
        "acknowledged",
    ]
    detail = dict(rows)["answered"]
    times = [detail[name] for name in ("received_at", "sent_at", "answered_at", "settled_at")]
    assert times == sorted(times)


def test_pointing_a_tenant_elsewhere_and_back_is_a_command(stack: Rig) -> None:
    operator = stack.service["simulator"]
    files = [str(stack.path(operator[name])) for name in ("ca", "signingCertificate")]
    where = ["--wa", operator["waUrl"], "--smp", operator["smpUrl"]]
    done = stack.manage("point_endpoint", "alder", *where, "--ca", files[0], "--signer", files[1])
    assert done.returncode == 0, done.stderr
    unknown = stack.manage(
        "point_endpoint", "nobody", *where, "--ca", files[0], "--signer", files[1]
    )
    assert unknown.returncode != 0
    assert "nobody" in unknown.stderr

    async def work() -> None:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            assert await said(point, mel(POINT, UNIT, 66)) == ("OK", "OK")

    run(work)


def test_no_process_runs_with_more_rights_than_its_own(stack: Rig) -> None:
    used = stack.query("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'hostsvc'")
    assert {name for (name,) in used} == {"hostsvc_app", "hostsvc_staff"}
    assert stack.query("SELECT 1 FROM pg_roles WHERE rolname = 'hostsvc_app' AND rolsuper") == []


# Numbered and committed as any process of the host's does it, and then nobody is told.
UNTOLD = """
from messaging.domain.acknowledgements import FreeText
from messaging.relay import register, route
from tenants import directory
from tenants.clock import now
from tenants.scope import in_tenant
tenant = directory.find_tenant(directory.Known.TENANT_NAME, b"alder")
def tell():
    point = register.find_control_point("ALDR2", "simulator")
    return route.tell(point, FreeText(point.name, "nobody was told of this"), now())
print(in_tenant(tenant, tell).numbered is not None)
"""


def test_a_word_that_was_lost_costs_seconds_and_no_message(stack: Rig) -> None:
    async def work() -> None:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            told = await asyncio.to_thread(stack.manage, "shell", "-v", "0", "-c", UNTOLD)
            assert told.stdout.strip().endswith("True"), told.stderr
            heard = await point.wait_for(
                lambda arrival: "nobody was told" in arrival.content.decode()
            )
            following = await point.redeclare(mel(POINT, UNIT, 70))
            assert (await point.result(following, final=True)).verdict == ResultVerdict.OK
            results = [a for a in point.received if a.type == "RESULT"]
            assert results[-1].number > heard.number

    run(work)
