"""The table of what is exercised end to end: the messages of both APIs, in both directions, under
every seal, by outcome. What is not played stands in it with the reason.

`python -m tests.e2e.matrix` writes docs/exercised.md anew. How a row is played is scenes'.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "exercised.md"


class Seal(StrEnum):
    JWS_JSON = "jws-json"
    JWS_COMPACT = "jws-compact"
    JWS_DETACHED = "jws-detached"
    CONTENT_HASH = "content-hash"


class Api(StrEnum):
    WA = "Wider Access"
    SMP = "Single Markets Platform"


class Way(StrEnum):
    """Who asks; the other one answers."""

    UP = "host to operator"
    DOWN = "operator to host"


class Message(StrEnum):
    HEALTH = "Health"
    NORMALIZATION = "Normalization"
    REDECLARATION = "Redeclaration: levels, rates, value"
    RESPONSE = "Instruction response: BOA, ANCILLARY, EMERGENCY"
    SUBMISSION = "Submission"
    HEALTH_DOWN = "Health, asked by the operator"
    INSTRUCTION = "Instruction: BOA, ANCILLARY, EMERGENCY"
    REDECLARATION_RECEIPT = "Redeclaration, final receipt"
    SUBMISSION_RECEIPT = "Submission, final receipt"
    AUTHENTICATE = "Authenticate"
    ASSET = "Manage Asset: Create"
    UNIT = "Manage Unit: Create"
    STATUS = "Get Transaction Status"
    RESULT = "Batch return"


class Outcome(StrEnum):
    AT_ONCE = "taken and answered at once"
    LATER = "received, accepted later"
    REJECTED_LATER = "received, rejected later"
    REFUSED = "refused, 422"
    OUT = "out, sealed 503 R999"
    BARE_503 = "out, bare 503"
    HTTP_500 = "500"
    NOT_TAKEN = "no answer, not taken"
    UNANSWERED = "taken, no answer"
    BROKEN_OFF = "taken, answer broken off"
    BAD_SIGNATURE = "signature does not hold"
    STRANGER = "signed by a stranger"
    OTHER_MESSAGE = "answers another message"
    STALE = "signed 15 minutes off"
    REPEAT = "repeated"
    OTHER_BYTES = "other bytes under its id, 409"


UP = (
    Message.HEALTH,
    Message.NORMALIZATION,
    Message.REDECLARATION,
    Message.RESPONSE,
    Message.SUBMISSION,
)
PLATFORM = (Message.AUTHENTICATE, Message.ASSET, Message.UNIT, Message.STATUS, Message.RESULT)
DOWN = (
    Message.HEALTH_DOWN,
    Message.INSTRUCTION,
    Message.REDECLARATION_RECEIPT,
    Message.SUBMISSION_RECEIPT,
    Message.RESULT,
)
UNSEALED = (Message.AUTHENTICATE,)
PARTS: tuple[tuple[Message, ...], ...] = (
    (*UP[:3], Message.HEALTH_DOWN, Message.REDECLARATION_RECEIPT, Message.SUBMISSION_RECEIPT),
    (Message.RESPONSE, Message.INSTRUCTION, Message.SUBMISSION),
    PLATFORM,
)
"""What is played one after the other, by a tenant of its own for each seal; the parts are played
side by side.
"""

_ENDS = "ends at its first answer"
_OWN_ID = "the host never gives one messageId to two payloads"
_NO_RECEIPT = "is answered by a payload of its own and by no receipt"
_ASKS = "the operator, who asks, is the one that judges the answer"
_SILENT = "the host answers what it has committed; its processes are killed in other tests"
_FREE = "is asked anew under an id of its own, so nothing of it is repeated"
_HAS_NO_SEAL = "has no seal"
_NO_CONTENT = "has no content that could be refused"

_ANSWERED = (Outcome.LATER, Outcome.REJECTED_LATER)
_JUDGED = (Outcome.BAD_SIGNATURE, Outcome.STRANGER, Outcome.OTHER_MESSAGE, Outcome.STALE)
_WITHOUT_HOST = (
    Outcome.BARE_503,
    Outcome.HTTP_500,
    Outcome.NOT_TAKEN,
    Outcome.UNANSWERED,
    Outcome.BROKEN_OFF,
)


def _reasons() -> Iterator[tuple[Message, Outcome, str]]:
    for message in (*UP, *PLATFORM[:-1]):
        yield message, Outcome.OTHER_BYTES, _OWN_ID
    for message in (Message.HEALTH, Message.NORMALIZATION, Message.AUTHENTICATE, Message.STATUS):
        for outcome in _ANSWERED:
            yield message, outcome, _NO_RECEIPT
        yield message, Outcome.REPEAT, _FREE
    for outcome in _ANSWERED:
        yield Message.RESPONSE, outcome, _ENDS
    for message in DOWN:
        for outcome in _ANSWERED:
            yield message, outcome, "is answered at once"
        for outcome in _WITHOUT_HOST:
            yield message, outcome, _SILENT
        yield message, Outcome.OTHER_MESSAGE, _ASKS
    for outcome in _JUDGED:
        yield Message.AUTHENTICATE, outcome, _HAS_NO_SEAL
    yield Message.AUTHENTICATE, Outcome.OUT, _HAS_NO_SEAL
    yield Message.AUTHENTICATE, Outcome.REFUSED, "is refused by 401"
    yield Message.HEALTH_DOWN, Outcome.REFUSED, _NO_CONTENT
    yield Message.RESULT, Outcome.OUT, "is taken under maintenance too"


_BASE = (Outcome.AT_ONCE, Outcome.REFUSED)
_COMING = (*_BASE, Outcome.REPEAT, Outcome.OTHER_BYTES)
_CREATE = (*_BASE, Outcome.UNANSWERED, Outcome.BAD_SIGNATURE)
PLAYED: Mapping[Message, tuple[Outcome, ...]] = {
    Message.HEALTH: (*_BASE, Outcome.BAD_SIGNATURE),
    Message.NORMALIZATION: _BASE,
    Message.REDECLARATION: (*_BASE, Outcome.REPEAT, Outcome.BAD_SIGNATURE),
    Message.RESPONSE: (
        *_BASE,
        Outcome.OUT,
        Outcome.NOT_TAKEN,
        Outcome.UNANSWERED,
        Outcome.BAD_SIGNATURE,
        Outcome.REPEAT,
    ),
    Message.SUBMISSION: (
        *_BASE,
        Outcome.LATER,
        Outcome.REJECTED_LATER,
        Outcome.OUT,
        Outcome.NOT_TAKEN,
        Outcome.UNANSWERED,
        Outcome.BAD_SIGNATURE,
        Outcome.STRANGER,
        Outcome.STALE,
        Outcome.REPEAT,
    ),
    Message.HEALTH_DOWN: (Outcome.AT_ONCE, Outcome.REPEAT, Outcome.OTHER_BYTES),
    Message.INSTRUCTION: (*_COMING, Outcome.BAD_SIGNATURE),
    Message.REDECLARATION_RECEIPT: _COMING,
    Message.SUBMISSION_RECEIPT: _COMING,
    Message.AUTHENTICATE: (Outcome.AT_ONCE, Outcome.UNANSWERED),
    Message.ASSET: _CREATE,
    Message.UNIT: _CREATE,
    Message.STATUS: (*_BASE, Outcome.BAD_SIGNATURE),
    Message.RESULT: (*_BASE, Outcome.OTHER_BYTES, Outcome.BAD_SIGNATURE),
}
"""What is played of each message."""

_NOT_YET = "is not played yet"
REASONS: Mapping[tuple[Message, Outcome], str] = {
    **{
        (message, outcome): _NOT_YET
        for message in Message
        for outcome in Outcome
        if outcome not in PLAYED[message]
    },
    **{(message, outcome): reason for message, outcome, reason in _reasons()},
}
"""Why a cell is empty."""


@dataclass(frozen=True, slots=True)
class Row:
    message: Message
    outcome: Outcome
    seal: Seal

    @property
    def part(self) -> int:
        return next(index for index, messages in enumerate(PARTS) if self.message in messages)

    @property
    def api(self) -> Api:
        return Api.SMP if self.message in PLATFORM else Api.WA

    def __str__(self) -> str:
        return f"{self.api.name}-{self.message.name}-{self.outcome.name}-{self.seal}"


def rows() -> tuple[Row, ...]:
    """All that are played. What has no seal is played once."""
    return tuple(
        Row(message, outcome, seal)
        for message in Message
        for outcome in Outcome
        if (message, outcome) not in REASONS
        for seal in Seal
        if message not in UNSEALED or seal is Seal.JWS_JSON
    )


def page() -> str:
    """docs/exercised.md."""
    played = rows()
    out = [_HEAD.format(rows=len(played), seals=len(Seal))]
    for api in Api:
        out.append(f"\n## {api}\n")
        messages = [one for one in Message if (one in PLATFORM) is (api is Api.SMP)]
        out += [_section(message, played) for message in messages]
    return "\n".join(out)


_HEAD = """\
# What is exercised end to end

Messages of both APIs, in both directions, under each of the {seals} seals, by outcome: {rows} rows,
each played against the running service with a tenant, a key and an operator of its seal's own
(`tests/e2e/test_matrix.py`). What is not played is named, with the reason. This page is written by
`python -m tests.e2e.matrix`, and a test holds it against the table.
"""


def _section(message: Message, played: tuple[Row, ...]) -> str:
    way = Way.DOWN if message in DOWN else Way.UP
    lines = [f"### {message} ({way})\n", f"| outcome | {' | '.join(Seal)} |"]
    lines.append("|---" * (len(Seal) + 1) + "|")
    for outcome in Outcome:
        if (message, outcome) not in REASONS:
            marks = [_mark(Row(message, outcome, seal), played) for seal in Seal]
            lines.append(f"| {outcome} | {' | '.join(marks)} |")
    grouped: dict[str, list[str]] = {}
    for (told, outcome), reason in REASONS.items():
        if told is message:
            grouped.setdefault(reason, []).append(outcome.value)
    if grouped:
        lines.append("\nNot played:\n")
    lines += [f"- {'; '.join(outcomes)}: {reason}." for reason, outcomes in grouped.items()]
    return "\n".join(lines) + "\n"


def _mark(row: Row, played: tuple[Row, ...]) -> str:
    if row in played:
        return "yes"
    return "no seal"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
