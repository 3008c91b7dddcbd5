"""What the operator says to the host over the Wider Access API, to each outcome of the matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from tenants.clock import now
from tests.e2e.lanes import Json, Lane
from tests.e2e.matrix import Message, Outcome
from tests.e2e.rig import stamp
from tests.e2e.scenes_platform import SPOILED
from tests.e2e.scenes_up import declarations, instructions, records

HEALTH, INSTRUCTION = "NESO_Health", "NESO_Instruction"
REDECLARATION, SUBMISSION = "NESO_Redeclaration", "NESO_Submission"
LEVEL: Final = {"BOA": "levels", "ANCILLARY": "targetMw", "EMERGENCY": "text"}


def head(type_: str) -> Json:
    return {
        "type": type_,
        "messageId": str(uuid4()),
        "sentAt": stamp(now()),
        "profile": "host-1",
    }


def ask_health(lane: Lane, outcome: Outcome) -> None:
    told = head("health")
    if outcome in SPOILED:
        assert lane.post(HEALTH, told, SPOILED[outcome]).status == 401
    answer = lane.post(HEALTH, told)
    assert (answer.status, answer.verified) == (200, True), answer
    wanted = b'"OUTAGE"' if outcome is Outcome.OUT else b'"OK"'
    assert wanted in answer.body
    if outcome is Outcome.REPEAT:
        assert lane.post(HEALTH, told).body == answer.body
    if outcome is Outcome.OTHER_BYTES:
        assert lane.post(HEALTH, {**told, "more": 1}).status == 409


def instruct(lane: Lane, outcome: Outcome) -> None:
    for asked in instructions(lane):
        _instruct(lane, outcome, {**asked, **head("instruction")})


def _instruct(lane: Lane, outcome: Outcome, asked: Json) -> None:
    if outcome is Outcome.REFUSED:
        answer = send(lane, {**asked, "bmUnit": "NOBODYS-1"})["answer"]
        assert (answer["status"], answer["verified"]) == (422, True), answer
        assert [one["code"] for one in answer["payload"]["errors"]] == ["R002"], answer
        return
    if outcome in SPOILED:
        lane.wa.faults({**SPOILED[outcome], "path": INSTRUCTION, "times": 1})
        assert send(lane, asked)["answer"]["status"] == 401
    if outcome is Outcome.OUT:
        answer = send(lane, asked)["answer"]
        assert (answer["status"], answer["verified"]) == (503, True), answer
        assert [one["code"] for one in answer["payload"]["errors"]] == ["R999"], answer
        return
    told = send(lane, asked, wait=20)
    assert told["answer"]["payload"]["status"] == "RECEIVED", told
    assert told["response"]["verdict"] == "ACCEPTED", told
    number = {name: told[name] for name in ("acceptanceNumber", "instructionNumber") if told[name]}
    whole = _as_sent(lane, asked["messageId"])
    assert number.items() <= whole.items()
    if outcome is Outcome.REPEAT:
        again = send(lane, whole)["answer"]
        assert (again["status"], again["payload"]) == (200, told["answer"]["payload"]), again
    if outcome is Outcome.OTHER_BYTES:
        assert send(lane, {**whole, "more": 1})["answer"]["status"] == 409


def send(lane: Lane, payload: Json, wait: int = 0) -> Json:
    """One attempt."""
    told = lane.wa.control("POST", f"/dispatch?wait={wait}&persist=0", payload)
    assert isinstance(told, dict)
    return told


def _as_sent(lane: Lane, message_id: str) -> Json:
    """The last time it was sent, with the number that the operator gave it."""
    sent = lane.wa.exchanges(0, INSTRUCTION, "out")
    return [one.payload for one in sent if one.payload.get("messageId") == message_id][-1]


def receipt(in_reply_to: str, status: str) -> Json:
    errors = [{"path": "", "code": "R003", "text": "no"}] if status == "REJECTED" else []
    return {**head("receipt"), "inReplyTo": in_reply_to, "status": status, "errors": errors}


def receipt_of(lane: Lane, outcome: Outcome, service: str, body: Json) -> None:
    """The final word on a message that the operator has received and not judged."""
    lane.wa.faults({"fault": "receipt_missing", "path": service, "times": 1})
    since = lane.wa.noted()
    message_id = lane.submit(body)

    def received() -> str:
        said = lane.wa.exchanges(since, service)
        return said[0].payload["messageId"] if said and said[0].status == 200 else ""

    reference = lane.until(received, "RECEIVED")
    told = receipt(reference, "ACCEPTED")
    if outcome in SPOILED:
        assert lane.post(service, told, SPOILED[outcome]).status == 401
    first = lane.post(service, told)
    assert (first.status, first.verified) == (200, True), first
    assert b'"RECEIVED"' in first.body
    lane.settled(message_id, "ACKNOWLEDGED")
    if outcome is Outcome.REFUSED:
        second = lane.post(service, receipt(reference, "REJECTED"))
        assert (second.status, b'"R008"' in second.body) == (422, True), second
        unknown = lane.post(service, receipt(str(uuid4()), "ACCEPTED"))
        assert (unknown.status, unknown.verified) == (422, True), unknown
    if outcome is Outcome.REPEAT:
        assert lane.post(service, told).body == first.body
    if outcome is Outcome.OTHER_BYTES:
        assert lane.post(service, {**told, "status": "REJECTED"}).status == 409
    lane.settled(message_id, "ACKNOWLEDGED")


def unknown_while_out(lane: Lane, service: str) -> None:
    answer = lane.post(service, receipt(str(uuid4()), "ACCEPTED"))
    assert (answer.status, answer.verified) == (503, True), answer


def redeclaration_receipt(lane: Lane, outcome: Outcome) -> None:
    if outcome is Outcome.OUT:
        unknown_while_out(lane, REDECLARATION)
    else:
        receipt_of(lane, outcome, REDECLARATION, declarations(lane)[2])


def submission_receipt(lane: Lane, outcome: Outcome) -> None:
    if outcome is Outcome.OUT:
        unknown_while_out(lane, SUBMISSION)
    else:
        receipt_of(lane, outcome, SUBMISSION, records(lane))


DOWN: Final[dict[Message, Callable[[Lane, Outcome], Any]]] = {
    Message.HEALTH_DOWN: ask_health,
    Message.INSTRUCTION: instruct,
    Message.REDECLARATION_RECEIPT: redeclaration_receipt,
    Message.SUBMISSION_RECEIPT: submission_receipt,
}
