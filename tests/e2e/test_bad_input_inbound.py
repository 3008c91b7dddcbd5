"""Bad requests and bad content from the system operator's side against the running stack: each is
answered as the wire format says, recorded once, and tells of nobody else. The cases are in
bad_inbound.toml.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.bad_input import changed_row, context_of, refused, refused_in
from tests.e2e.bad_operator import (
    SEALED,
    TENANT,
    UNIT,
    Answer,
    Json,
    acceptance,
    dumped,
    header,
    health,
    opened,
    post,
    say,
    sealed,
)
from tests.e2e.rig import Rig, stamp
from tests.servers import ROOT

CASES = tomllib.loads((ROOT / "tests" / "e2e" / "bad_inbound.toml").read_text())


def name_of(case: Json) -> str:
    return str(case["name"])


# Requests.


@pytest.mark.parametrize("case", CASES["request"], ids=name_of)
def test_what_is_no_request_to_a_service_is_a_problem(stack: Rig, case: Json) -> None:
    headers = {name: text.format(long="x" * 400_000) for name, text in _headers(case).items()}
    with refused(stack, case["chain"]):
        answer = post(
            stack,
            b"{}",
            case.get("path", "NESO_Instruction"),
            type_=case.get("type", SEALED),
            method=case.get("method", "POST"),
            headers=headers,
        )
    assert (answer.status, answer.type) == (case["status"], "application/problem+json")
    if case.get("method") != "HEAD":
        assert answer.problem["status"] == case["status"]


def _headers(case: Json) -> dict[str, str]:
    found: dict[str, str] = case.get("headers", {})
    return found


# What takes more than one request. Each scene gives back its last answer.


def repeated(stack: Rig) -> Answer:
    payload = health()
    first, again = (say(stack, payload, "NESO_Health") for _ in range(2))
    told = [opened(stack, one, 200, payload["messageId"]) for one in (first, again)]
    assert told[0] == told[1]
    assert (told[0]["type"], told[0]["status"]) == ("health", "OK")
    return again


def refused_again(stack: Rig) -> Answer:
    payload = acceptance(bmUnit="NONE-XX1")
    first, again = (say(stack, payload) for _ in range(2))
    told = [opened(stack, one, 422, payload["messageId"]) for one in (first, again)]
    assert told[0] == told[1]
    return again


def reused_id(stack: Rig) -> Answer:
    payload = health()
    assert say(stack, payload, "NESO_Health").status == 200
    return say(stack, {**payload, "note": "other bytes"}, "NESO_Health")


def over_a_mebibyte(stack: Rig) -> Answer:
    return post(stack, b"x" * (2**20 + 1), "NESO_Health")


def suspended(stack: Rig) -> Answer:
    payload = acceptance()
    with changed_row(stack, TENANT, "tenants_tenant", f"name = '{TENANT}'", state="SUSPENDED"):
        answer = say(stack, payload)
    assert opened(stack, answer, 422, payload["messageId"])["errors"][0]["code"] == "R020"
    return answer


def receipt_for_nothing(stack: Rig) -> Answer:
    payload = health(type="receipt", inReplyTo=str(uuid4()), status="ACCEPTED", errors=[])
    answer = say(stack, payload, "NESO_Redeclaration")
    (error,) = opened(stack, answer, 422, payload["messageId"])["errors"]
    assert (error["code"], error["path"]) == ("R002", "/inReplyTo")
    return answer


def a_control_points_certificate(stack: Rig) -> Answer:
    point = stack.tenant(TENANT)["controlPoints"][1]
    payload = acceptance()
    body = sealed(stack, dumped(payload), header(stack, payload["messageId"]))
    context = context_of(stack, point["certificate"], point["key"])
    return post(stack, dumped(body), context=context)


SCENES: dict[str, Callable[[Rig], Answer]] = {
    "taken": lambda stack: say(stack, health(), "NESO_Health"),
    "repeated": repeated,
    "refused again": refused_again,
    "reused id": reused_id,
    "over a mebibyte": over_a_mebibyte,
    "suspended": suspended,
    "receipt for nothing": receipt_for_nothing,
    "a control point's certificate": a_control_points_certificate,
}
STAGED = [case for case in CASES["staged"] if case.get("played", "here") == "here"]


@pytest.mark.parametrize("case", STAGED, ids=name_of)
def test_what_takes_more_than_a_request_is_answered_with_its_status(stack: Rig, case: Json) -> None:
    with refused(stack, case["chain"], case["entries"]):
        answer = SCENES[case["scene"]](stack)
    assert answer.status == case["status"]
    if answer.status in (200, 422):
        assert answer.type == SEALED
    else:
        assert answer.problem["status"] == case["status"]


# What is well sealed and says something wrong.


def payload_of(case: Json, message_id: str) -> bytes:
    if "raw" in case:
        text: str = case["raw"].format(id=message_id, now=stamp(datetime.now(UTC)))
        return text.encode()
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    payload = acceptance(messageId=message_id, **case.get("change", {}))
    payload.pop(case.get("without", ""), None)
    if payload.get("bmUnit") == "{long}":
        payload["bmUnit"] = "B" * 262_144
    written = {name: json.dumps(value) for name, value in payload.items()} | case.get("json", {})
    if depth := case.get("nested"):
        written["note"] = "[" * depth + "]" * depth
    return ("{" + ",".join(f'"{name}":{value}' for name, value in written.items()) + "}").encode()


@pytest.mark.parametrize("case", CASES["refused"], ids=name_of)
def test_content_that_is_wrong_is_refused_under_seal_and_stays_refused(
    stack: Rig, case: Json
) -> None:
    message_id = str(uuid4())
    told = header(stack, message_id)
    body = dumped(sealed(stack, payload_of(case, message_id), told))
    with refused(stack, TENANT):
        first = opened(stack, post(stack, body), 422, message_id)
        assert opened(stack, post(stack, body), 422, message_id) == first
    assert (first["type"], first["status"]) == ("receipt", "REJECTED")
    assert first["errors"][0]["code"] == case["code"]
    if "path" in case:
        assert first["errors"][0]["path"] == case["path"]


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\udfff\\ud800", "\\uffff"])
def test_what_unicode_does_not_pair_is_kept_in_members_that_mean_nothing(
    stack: Rig, text: str
) -> None:
    message_id = str(uuid4())
    payload = dumped(health(messageId=message_id))[:-1] + f',"note":"{text}"}}'.encode()
    body = dumped(sealed(stack, payload, header(stack, message_id)))
    with refused_in(stack, {}):
        answer = opened(stack, post(stack, body, "NESO_Health"), 200, message_id)
    assert answer["status"] == "OK"


def test_thirty_one_lists_within_each_other_are_taken(stack: Rig) -> None:
    message_id = str(uuid4())
    payload = dumped(health(messageId=message_id))[:-1] + b',"note":' + b"[" * 31 + b"]" * 31 + b"}"
    body = dumped(sealed(stack, payload, header(stack, message_id)))
    answer = opened(stack, post(stack, body, "NESO_Health"), 200, message_id)
    assert answer["status"] == "OK"


# Nothing is told of another tenant.


def kinds(**changes: Any) -> dict[str, Json]:
    """One instruction of each kind."""
    boa = acceptance(**changes)
    common = {name: boa[name] for name in ("type", "messageId", "profile", "sentAt", "respondBy")}
    common |= {name: boa[name] for name in ("controlPoint", "bmUnit")}
    times = {"timeFrom": boa["levels"][0]["timeFrom"], "timeTo": None, "targetMw": None}
    number = {"instructionNumber": boa["acceptanceNumber"]}
    return {
        "BOA": boa,
        "ANCILLARY": {
            **common,
            **number,
            **times,
            "kind": "ANCILLARY",
            "service": "FFR",
            "action": "START",
        },
        "EMERGENCY": {**common, **number, "kind": "EMERGENCY", "text": "now"},
    }


@pytest.mark.parametrize("kind", ["BOA", "ANCILLARY", "EMERGENCY"])
@pytest.mark.parametrize(
    ("member", "theirs", "nobodys"),
    [("bmUnit", "ALDR-F01", "NONE-XX1"), ("controlPoint", "ALDR2", "NOBODY")],
)
def test_anothers_name_is_answered_exactly_as_one_that_nobody_has(
    stack: Rig, kind: str, member: str, theirs: str, nobodys: str
) -> None:
    """The whole answer, but for its ids and times; and nothing in the other's chain."""
    answers = []
    for name in (theirs, nobodys):
        payload = kinds(**{member: name})[kind]
        with refused(stack, TENANT):
            answer = say(stack, payload)
        told = opened(stack, answer, 422, payload["messageId"])
        assert told["errors"][0]["code"] == "R002"
        headers = {n: text for n, text in answer.headers.items() if n != "date"}
        answers.append((headers, but_for_ids_and_times(told)))
    assert answers[0] == answers[1]


def but_for_ids_and_times(told: Json) -> str:
    """As it is written, members in their order."""
    hidden = ("messageId", "sentAt", "inReplyTo")
    return json.dumps({name: "." if name in hidden else value for name, value in told.items()})


def test_none_of_all_this_became_an_instruction(stack: Rig) -> None:
    rows = stack.query("SELECT count(*) FROM messaging_instruction WHERE bm_unit = %s", UNIT)
    assert rows == [(0,)]
