"""What is submitted and answered through the API of a running stack reaches the simulated operator,
in order with what the control point says.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any
from uuid import uuid4

from tests.e2e.rig import Rig, run
from tests.e2e.test_main_job import at_the_operator

POINT, UNIT = "ALDR2", "ALDR-F01"


def ask(stack: Rig, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
    told = stack.service
    headers = {"Authorization": f"Bearer {stack.tenant('alder')['apiKey']}"}
    headers |= {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    data = json.dumps(body).encode() if body is not None else None
    url = told["api"]["url"] + path
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def ndz(value: int) -> dict[str, Any]:
    told = {"type": "ScalarRedeclaration", "control_point": POINT, "bm_unit": UNIT}
    return {**told, "parameter": "NDZ", "value": value}


def test_a_message_is_submitted_once_and_its_outcome_is_told(stack: Rig) -> None:
    key = str(uuid4())
    status, told = ask(stack, "POST", "/messages", ndz(401), key)
    assert status == 202
    assert ask(stack, "POST", "/messages", ndz(401), key) == (202, told)

    def settled() -> bool:
        _, message = ask(stack, "GET", f"/messages/{told['id']}")
        return [one["state"] for one in message["deliveries"]] == ["ACKNOWLEDGED"]

    stack.until(settled)
    (payload,) = at_the_operator(stack, bmUnit=UNIT, parameter="NDZ", value=401)
    assert payload["controlPoint"] == POINT


def test_many_go_in_order(stack: Rig) -> None:
    values = list(range(410, 430))
    bodies = [ndz(value) for value in values]
    status, told = ask(stack, "POST", "/messages/bulk", bodies, str(uuid4()))
    assert (status, told["taken"]) == (202, len(values))

    def heard() -> list[int]:
        got = [one["value"] for one in at_the_operator(stack, bmUnit=UNIT, parameter="NDZ")]
        return [value for value in got if value in values]

    stack.until(lambda: len(heard()) == len(values))
    assert heard() == values


def answered_by_api(stack: Rig) -> dict[str, Any]:
    """Dispatches, and accepts through the API; gives the instruction as the API then shows it."""
    number = stack.dispatch(UNIT, POINT, wait=0)["acceptanceNumber"]

    def waiting() -> list[Any]:
        _, rows = ask(stack, "GET", f"/instructions?bm_unit={UNIT}&kind=BOA")
        return [row for row in rows["results"] if row["number"] == number]

    (row,) = stack.until(waiting)
    status, told = ask(stack, "POST", f"/instructions/{row['id']}/accept", {})
    assert (status, told["verdict"]) == (202, "ACCEPTED"), told
    stack.until(lambda: at_the_operator(stack, acceptanceNumber=number, verdict="ACCEPTED"))
    _, shown = ask(stack, "GET", f"/instructions/{row['id']}")
    assert isinstance(shown, dict)
    return shown


def test_an_instruction_is_accepted_in_the_control_points_stead(stack: Rig) -> None:
    """The control point holds its link and says nothing."""

    async def work() -> dict[str, Any]:
        async with stack.control_point("alder", answer=lambda _: None) as point:
            await point.wait_ready()
            return await asyncio.to_thread(answered_by_api, stack)

    shown = run(work)
    assert (shown["verdict"], shown["answered_by"]) == ("ACCEPTED", "API")
