"""The books of the two outer parties, as they themselves noted it: the control points', and the
simulated operator's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from messaging.domain.acknowledgements import ResultVerdict
from messaging.domain.instructions import (
    AncillaryInstruction,
    BidOfferAcceptance,
    EmergencyInstruction,
    InstructionAnswer,
)
from messaging.rehearsal.books import Book, Matter, Record
from messaging.rehearsal.players import Declaration, Player
from messaging.rehearsal.telling import tell, tell_payload

CONTROL_POINTS = "the control points' book"
OPERATOR = "the operator's book"

Reference = tuple[str, str, str]
"""Whose, under which reference, and the SHA-256 of the bytes in hex."""

_INSTRUCTION = "NESO_Instruction"
_REDECLARATION = "NESO_Redeclaration"
_TAKEN = (200, 422)


def book_of_players(players: Iterable[Player]) -> Book:
    """What was declared and what came of it; which instructions came and what was answered."""
    records: list[Record] = []
    for player in players:
        records += [_declared(player.name, one) for one in player.declared]
        records += _instructed(player)
    return Book(CONTROL_POINTS, tuple(records))


def sent_by(player: Player) -> list[Reference]:
    """All it sent on its link, by log number."""
    return [
        (player.name, str(sent.number), digest(sent.content))
        for sent in player.logged()
        if sent.number is not None and sent.code is not None
    ]


def taken_by(player: Player) -> list[Reference]:
    """All that came on its link, by log number."""
    return [(player.name, str(one.number), digest(one.content)) for one in player.arrivals()]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def outcome_of(declaration: Declaration) -> str:
    if declaration.answer is not None and not declaration.answer.is_ack:
        return f"NACK {declaration.answer.code}"
    final = declaration.final
    if final is None:
        return ""
    return "OK" if final.verdict is ResultVerdict.OK else f"REFUSE {final.code} {final.text}"


def verdict_of(answer: InstructionAnswer) -> str:
    words = (answer.verdict.value, answer.reason_code, answer.reason_text)
    return " ".join(word for word in words if word)


def _declared(control_point: str, one: Declaration) -> Record:
    message = one.message
    return Record(
        Matter.REDECLARATION,
        control_point,
        message.bm_unit,
        message.parameter.value,
        tell(message),
        outcome_of(one),
    )


def _instructed(player: Player) -> Iterator[Record]:
    said = {tell(one.instruction): verdict_of(one.answer) for one in player.answered if one.answer}
    for arrival in player.arrivals():
        message = arrival.message
        if isinstance(message, BidOfferAcceptance | AncillaryInstruction | EmergencyInstruction):
            content = tell(message)
            label = f"{message.kind} {message.number}"
            unit = message.bm_unit
            outcome = said.get(content, "")
            yield Record(Matter.INSTRUCTION, player.name, unit, label, content, outcome)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request the operator sent or got, and the answer that counts, both as it noted them."""

    request: dict[str, Any]
    answer: dict[str, Any]

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = self.request["payload"]
        return payload

    @property
    def message_id(self) -> str:
        return str(self.payload["messageId"])

    @property
    def control_point(self) -> str:
        return str(self.payload.get("controlPoint"))

    @property
    def sent_at(self) -> int:
        """When the request was noted, in microseconds since 1970."""
        return int(self.request["atMicros"])

    @property
    def answered_at(self) -> int:
        return int(self.answer["atMicros"])

    @property
    def reference(self) -> Reference:
        return (
            self.request["participantId"],
            self.message_id,
            self.request["payloadSha256"],
        )


class OperatorNotes:
    """What the simulated operator noted of some control points: each message once, however often it
    was sent.
    """

    def __init__(self, entries: Iterable[dict[str, Any]], control_points: Collection[str]) -> None:
        exchanges = [one for one in _exchanges(entries) if one.control_point in control_points]
        self.redeclarations = _once(exchanges, "in", _REDECLARATION, "redeclaration")
        self.responses = _once(exchanges, "in", _INSTRUCTION, "response")
        self.instructions = _once(exchanges, "out", _INSTRUCTION, "instruction")

    def book(self) -> Book:
        declared = [self._declared(one) for one in self.redeclarations]
        return Book(OPERATOR, (*declared, *self._instructed()))

    def _declared(self, one: Exchange) -> Record:
        payload = one.payload
        return Record(
            Matter.REDECLARATION,
            one.control_point,
            payload["bmUnit"],
            payload["parameter"],
            tell_payload(payload),
            _receipt(one.answer["payload"]),
        )

    def _instructed(self) -> Iterator[Record]:
        """An instruction that was sent again under another id is the same one."""
        said = self._verdicts()
        seen: set[str] = set()
        for one in self.instructions:
            content = tell_payload(one.payload)
            if one.answer["status"] == 200 and content not in seen:
                seen.add(content)
                key = subject_of(one.payload)
                yield Record(
                    Matter.INSTRUCTION,
                    one.control_point,
                    one.payload["bmUnit"] or "",
                    f"{one.payload['kind']} {key[-1]}",
                    content,
                    " and ".join(said.get(key, ())),
                )

    def _verdicts(self) -> dict[tuple[Any, ...], list[str]]:
        said: dict[tuple[Any, ...], list[str]] = {}
        for one in self.responses:
            if one.answer["status"] == 200:
                payload = one.payload
                words = (payload["verdict"], payload["reasonCode"], payload["reasonText"])
                text = " ".join(word for word in words if word)
                said.setdefault(subject_of(payload), []).append(text)
        return said


def _exchanges(entries: Iterable[dict[str, Any]]) -> Iterator[Exchange]:
    """Pairs of a sealed request and its sealed answer."""
    requests: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry["role"] == "request":
            if isinstance(entry["payload"], dict) and "messageId" in entry["payload"]:
                requests[entry["exchange"]] = entry
        elif entry["exchange"] in requests and isinstance(entry["payload"], dict):
            yield Exchange(requests[entry["exchange"]], entry)


def _once(
    exchanges: Iterable[Exchange], direction: str, service: str, type_: str
) -> tuple[Exchange, ...]:
    """Those that were taken or refused for good, in the order of the first answer of each
    messageId.
    """
    found: dict[str, Exchange] = {}
    for one in exchanges:
        wanted = (one.request["direction"], one.request["service"], one.payload.get("type"))
        if wanted == (direction, service, type_) and one.answer["status"] in _TAKEN:
            found.setdefault(one.message_id, one)
    return tuple(found.values())


def subject_of(payload: dict[str, Any]) -> tuple[Any, ...]:
    """Which instruction an instruction's or a response's payload is about."""
    number = payload.get("acceptanceNumber", payload.get("instructionNumber"))
    return (payload["controlPoint"], payload["bmUnit"], payload["kind"], number)


def _receipt(payload: dict[str, Any]) -> str:
    """As the host tells the control point of it."""
    if payload["status"] != "REJECTED":
        return "OK" if payload["status"] == "ACCEPTED" else ""
    first = payload["errors"][0]
    return f"REFUSE R030 {first['code']} {first['text']}"
