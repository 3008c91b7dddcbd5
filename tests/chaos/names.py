"""One name for each message, whoever speaks of it: what it says, exactly. No two that the traffic
makes say the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from messaging.domain.instructions import (
    AncillaryInstruction,
    BidOfferAcceptance,
    EmergencyInstruction,
    Instruction,
    InstructionAnswer,
)
from messaging.domain.messages import BmMessage
from messaging.domain.redeclarations import (
    LevelRedeclaration,
    RateRedeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.rehearsal.telling import tell, tell_payload

REDECLARATIONS = LevelRedeclaration | RateRedeclaration | ScalarRedeclaration
INSTRUCTIONS = BidOfferAcceptance | AncillaryInstruction | EmergencyInstruction


def of_message(message: BmMessage | None) -> str | None:
    """None for what is neither a redeclaration, an instruction, nor an answer to one."""
    if isinstance(message, InstructionAnswer):
        words = (message.verdict, message.number, message.bm_unit, message.reason_code)
        return _joined(*words, message.reason_text)
    if isinstance(message, REDECLARATIONS | INSTRUCTIONS):
        return tell(message)
    return None


def of_payload(payload: Mapping[str, Any]) -> str | None:
    """Of the Wider Access API."""
    match payload.get("type"):
        case "response":
            number = payload.get("acceptanceNumber", payload.get("instructionNumber"))
            reason = (payload["reasonCode"], payload["reasonText"])
            return _joined(payload["verdict"], number, payload["bmUnit"], *reason)
        case "redeclaration" | "instruction":
            return tell_payload(payload)
        case "submission":
            first = payload["records"][0]
            return of_submission(
                payload["tradingAgent"], payload["sequence"], first["bmUnit"], first["value"]
            )
        case _:
            return None


def of_scalar(content: bytes) -> str:
    """As it was sent to the REST API."""
    return of_redeclared(json.loads(content))


def of_redeclared(told: Mapping[str, Any]) -> str:
    parameter = ScalarParameter(told["parameter"])
    return tell(
        ScalarRedeclaration(told["control_point"], told["bm_unit"], parameter, told["value"])
    )


def of_file(content: bytes, stem: str) -> str:
    """Of a submission file with one scalar; `stem` is its name without the ending."""
    agent, _, sequence = stem.partition("_")
    _, _, unit, _, value = content.decode().strip().split(",")
    return of_submission(agent, int(sequence), unit, int(value))


def of_submission(agent: str, sequence: int, bm_unit: str, value: float) -> str:
    return f"submission {agent} {sequence}: {bm_unit} {int(value)}"


def of_instruction(instruction: Instruction) -> str:
    """As a control point is told of it in a text."""
    of = f" of {instruction.bm_unit}" if instruction.bm_unit else ""
    return f"{instruction.kind} {instruction.number}{of}"


def _joined(*words: object) -> str:
    return " ".join(str(word) for word in words if word)
