"""What the operator says to the host over the Wider Access API, to each outcome of the matrix.

A scene that is played while the host cannot take anything gives back how it goes on when it can.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final
from uuid import uuid4

from messaging.simulator.posting import HostAnswer
from tenants.clock import now
from tests.e2e.lanes import Json, Lane
from tests.e2e.matrix import Message, Outcome
from tests.e2e.rig import minute, stamp
from tests.e2e.scenes_platform import CUT_SHORT, SPOILED, Later, cut_short, not_taken
from tests.e2e.scenes_up import declarations, instructions, records

HEALTH, INSTRUCTION = "NESO_Health", "NESO_Instruction"
REDECLARATION, SUBMISSION = "NESO_Redeclaration", "NESO_Submission"
SENT_LATE: Final[Json] = {
    "fault": "reordered",
    "path": INSTRUCTION,
    "times": 1,
    "count": 1000,
    "seconds": 4,
}


def head(type_: str) -> Json:
    return {
        "type": type_,
        "messageId": str(uuid4()),
        "sentAt": stamp(now()),
        "profile": "host-1",
    }


def ask_health(lane: Lane, outcome: Outcome) -> Later | None:
    told = head("health")
    if outcome is Outcome.BARE_503:
        not_taken(lane, HEALTH, told, outcome)
        return lambda: _is_answered(lane.post(HEALTH, told), b'"OK"')
    if outcome is Outcome.OUT:
        _is_answered(lane.post(HEALTH, told), b'"OUTAGE"')
        return lambda: _is_answered(lane.post(HEALTH, head("health")), b'"OK"')
    if outcome is Outcome.REFUSED:
        answer = lane.post(HEALTH, {**told, "profile": "nobodys-1"})
        assert (answer.status, answer.verified, b'"R006"' in answer.body) == (422, True, True)
        return None
    if outcome in SPOILED:
        assert lane.post(HEALTH, told, SPOILED[outcome]).status == 401
    if outcome in CUT_SHORT:
        cut_short(lane, HEALTH, told, outcome)
    answer = lane.post(HEALTH, told)
    _is_answered(answer, b'"OK"')
    assert lane.taken(told["messageId"]) == 1
    if outcome is Outcome.REPEAT:
        assert lane.post(HEALTH, told).body == answer.body
    if outcome is Outcome.OTHER_BYTES:
        assert lane.post(HEALTH, {**told, "more": 1}).status == 409
    return None


def _is_answered(answer: HostAnswer, wanted: bytes) -> None:
    assert (answer.status, answer.verified, wanted in answer.body) == (200, True, True), answer


def instruct(lane: Lane, outcome: Outcome) -> Later | None:
    asked = [{**one, **head("instruction")} for one in instructions(lane)]
    if outcome in CUT_SHORT:
        lane.wa.faults(SENT_LATE)
        with ThreadPoolExecutor(len(asked)) as threads:
            list(threads.map(lambda one: _cut_short(lane, outcome, _whole(lane, one)), asked))
        return None
    if outcome in (Outcome.OUT, Outcome.BARE_503):
        for one in asked:
            _not_taken(lane, outcome, one)
        return lambda: _all_taken(lane, [_as_sent(lane, one["messageId"]) for one in asked])
    for one in asked:
        _instruct(lane, outcome, one)
    return None


def _all_taken(lane: Lane, wholes: list[Json]) -> None:
    for whole in wholes:
        _taken(lane, whole)


def _taken(lane: Lane, asked: Json) -> Json:
    """What the dispatch tells, once the control point has said yes."""
    told = send(lane, asked, wait=30)
    assert told["answer"]["payload"]["status"] == "RECEIVED", told
    assert told["response"]["verdict"] == "ACCEPTED", told
    assert lane.taken(asked["messageId"]) == 1
    return told


def _not_taken(lane: Lane, outcome: Outcome, asked: Json) -> None:
    answer = send(lane, asked)["answer"]
    is_sealed = outcome is Outcome.OUT
    assert (answer["status"], answer["verified"]) == (503, is_sealed), answer
    if is_sealed:
        assert [one["code"] for one in answer["payload"]["errors"]] == ["R999"], answer
    assert lane.taken(asked["messageId"]) == 0


def _whole(lane: Lane, asked: Json) -> Json:
    """With what the operator would add, so that its bytes are known before they are sent."""
    number = int(now().timestamp()) + lane.number()
    name = "acceptanceNumber" if asked["kind"] == "BOA" else "instructionNumber"
    accepted = {"acceptanceTime": stamp(minute())} if asked["kind"] == "BOA" else {}
    respond_by = stamp(now() + timedelta(seconds=120))
    names = ("type", "messageId", "sentAt", "profile")
    told = {**asked, name: number, **accepted, "respondBy": respond_by}
    return {**{one: told[one] for one in names}, **told}


def _cut_short(lane: Lane, outcome: Outcome, whole: Json) -> None:
    """The operator knows what it says before it says it: else it would not know the response."""
    with ThreadPoolExecutor(1) as threads:
        sent = threads.submit(_taken, lane, whole)
        lane.until(lambda: lane.wa.knows(whole["messageId"]), "an instruction that is sent late")
        cut_short(lane, INSTRUCTION, whole, outcome)
        sent.result(120)


def _instruct(lane: Lane, outcome: Outcome, asked: Json) -> None:
    if outcome is Outcome.REFUSED:
        answer = send(lane, {**asked, "bmUnit": "NOBODYS-1"})["answer"]
        assert (answer["status"], answer["verified"]) == (422, True), answer
        assert [one["code"] for one in answer["payload"]["errors"]] == ["R002"], answer
        return
    if outcome in SPOILED:
        lane.wa.faults({**SPOILED[outcome], "path": INSTRUCTION, "times": 1})
        assert send(lane, asked)["answer"]["status"] == 401
    told = _taken(lane, asked)
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
    lane.settled(message_id, "DELIVERED")
    told = receipt(reference, "ACCEPTED")
    if outcome in SPOILED:
        assert lane.post(service, told, SPOILED[outcome]).status == 401
    if outcome in CUT_SHORT:
        cut_short(lane, service, told, outcome)
    first = _counts(lane, service, told, message_id)
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


def _counts(lane: Lane, service: str, told: Json, message_id: str) -> HostAnswer:
    answer = lane.post(service, told)
    assert (answer.status, answer.verified) == (200, True), answer
    assert b'"RECEIVED"' in answer.body
    lane.settled(message_id, "ACKNOWLEDGED")
    assert lane.taken(told["messageId"]) == 1
    return answer


def receipt_while_out(lane: Lane, outcome: Outcome, service: str) -> Later:
    """On a message that there is not: which is told only when the host judges it at all."""
    told = receipt(str(uuid4()), "ACCEPTED")
    not_taken(lane, service, told, outcome)

    def judged() -> None:
        answer = lane.post(service, told)
        assert (answer.status, answer.verified, b'"R002"' in answer.body) == (422, True, True)

    return judged


def redeclaration_receipt(lane: Lane, outcome: Outcome) -> Later | None:
    if outcome in (Outcome.OUT, Outcome.BARE_503):
        return receipt_while_out(lane, outcome, REDECLARATION)
    receipt_of(lane, outcome, REDECLARATION, declarations(lane)[2])
    return None


def submission_receipt(lane: Lane, outcome: Outcome) -> Later | None:
    if outcome in (Outcome.OUT, Outcome.BARE_503):
        return receipt_while_out(lane, outcome, SUBMISSION)
    receipt_of(lane, outcome, SUBMISSION, records(lane))
    return None


DOWN: Final[dict[Message, Callable[[Lane, Outcome], Later | None]]] = {
    Message.HEALTH_DOWN: ask_health,
    Message.INSTRUCTION: instruct,
    Message.REDECLARATION_RECEIPT: redeclaration_receipt,
    Message.SUBMISSION_RECEIPT: submission_receipt,
}
