"""Builds the payloads the simulator writes: the members every payload has, receipts, answers.
Sealing them is `sealing.py`'s."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime

from messaging.simulator.checks.envelope import PROFILE
from messaging.simulator.checks.findings import Code, Violation
from messaging.simulator.memory import Answer
from messaging.simulator.stamps import write_stamp
from messaging.simulator.strict_json import write


def make_payload(
    type_: str | None, in_reply_to: str | None, members: Mapping[str, object], at: datetime
) -> dict[str, object]:
    """`at` is when it is sent by the operator's clock, `type_` None for what the Single Markets
    Platform says, `in_reply_to` None for what is no answer."""
    return {
        **({} if type_ is None else {"type": type_}),
        "messageId": str(uuid.uuid4()),
        "sentAt": write_stamp(at),
        "profile": PROFILE,
        **({} if in_reply_to is None else {"inReplyTo": in_reply_to}),
        **members,
    }


def make_receipt(
    in_reply_to: str, status: str, at: datetime, violations: Iterable[Violation] = ()
) -> dict[str, object]:
    errors = [{"path": item.path, "code": item.code, "text": item.text} for item in violations]
    return make_payload("receipt", in_reply_to, {"status": status, "errors": errors}, at)


def answer(payload: Mapping[str, object], status: int = 200) -> Answer:
    return Answer(status, write(payload), str(payload["messageId"]))


def refusal(
    in_reply_to: str, violations: Iterable[Violation], at: datetime, status: int = 422
) -> Answer:
    return answer(make_receipt(in_reply_to, "REJECTED", at, violations), status)


def out(in_reply_to: str, retry_after: int, at: datetime) -> Answer:
    """The operator's system is out: a sealed 503 that a repeat of the message must not get
    again."""
    violation = Violation("", Code.OUT, "the system operator's system is out")
    payload = make_receipt(in_reply_to, "REJECTED", at, (violation,))
    return Answer(503, write(payload), str(payload["messageId"]), retry_after, remembered=False)
