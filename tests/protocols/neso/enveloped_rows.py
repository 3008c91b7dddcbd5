"""What the golden payloads of the enveloped-1 profile hold: the messages of the default profile's,
answers under the messageId of what they answer, and stamps to the millisecond.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from messaging.domain.acknowledgements import NormalizationRequest
from messaging.domain.instructions import InstructionAnswer
from messaging.domain.messages import BmMessage
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.forms import FORMS, form_of
from messaging.protocols.neso.wa.loading import load_profile
from tests.protocols.neso import rows
from tests.protocols.neso.rows import MESSAGE, SENT, at

GOLDEN = rows.GOLDEN / "enveloped-1"
PROFILE = load_profile("enveloped-1")
CODEC = WaCodec(PROFILE)


def _row(service: str, message: BmMessage) -> tuple[str, Envelope]:
    answer = FORMS[form_of(message)[0]].answer
    if isinstance(message, InstructionAnswer):
        service = "Reply"
        message = replace(message, responded_at=at(10, 0, 59, 123000))
    if isinstance(message, NormalizationRequest):
        message = replace(message, since=at(0, 0, 0, 1000))
    return service, Envelope(Stamp(MESSAGE, SENT, MESSAGE if answer else ""), (message,))


ROWS = {name: _row(service, row.messages[0]) for name, (service, row) in rows.ROWS.items()}
"""Golden file to the service that `encode` names, and what it says."""


def golden(name: str) -> bytes:
    """The payload, without the line feed that ends its file."""
    return (GOLDEN / f"{name}.json").read_bytes().removesuffix(b"\n")


def opened(name: str) -> dict[str, Any]:
    """A golden payload to change before it is read."""
    payload: dict[str, Any] = json.loads(golden(name))
    return payload
