"""Between the bytes of one message in the API's JSON and the typed message."""

from __future__ import annotations

import json
from typing import Any, Final

from messaging.domain.instructions import InstructionAnswer
from messaging.domain.messages import BmMessage
from messaging.domain.redeclarations import (
    LevelRedeclaration,
    RateRedeclaration,
    ScalarRedeclaration,
)
from messaging.domain.units import RefusalCode
from messaging.protocols.base import RemoteProtocolError
from messaging.protocols.rest.reading import Unreadable, read
from messaging.protocols.rest.writing import as_json

REDECLARED: Final = (LevelRedeclaration, RateRedeclaration, ScalarRedeclaration)
"""What can be submitted for a BM unit."""
_STORED: Final = (*REDECLARED, InstructionAnswer)


def encode(message: BmMessage) -> bytes:
    return json.dumps(as_json(message), separators=(",", ":")).encode("ascii")


def decode(content: bytes) -> BmMessage:
    """Raises RemoteProtocolError and nothing else, whatever the bytes."""
    try:
        message: BmMessage = read(parse(content), *_STORED)
    except NotJson as error:
        raise RemoteProtocolError(str(error)) from None
    except Unreadable as error:
        first = error.found[0]
        field = "".join(f"/{step}" for step in first.path)
        raise RemoteProtocolError(first.text, code=first.code, field=field) from None
    return message


class NotJson(ValueError):
    """The bytes are not JSON in UTF-8, or a name stands twice in one object."""

    code = RefusalCode.MALFORMED


def parse(content: bytes) -> Any:
    """A JSON value. Raises NotJson."""
    try:
        return json.loads(
            content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        raise NotJson(f"not JSON: {error}"[:200]) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return members


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")
