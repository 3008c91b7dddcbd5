"""What every payload must have: type, messageId, sentAt, profile."""

from __future__ import annotations

import re

from messaging.simulator.checks.fields import Fields
from messaging.simulator.checks.findings import Code

PROFILE = "host-1"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def check_envelope(fields: Fields, type_: str | None) -> None:
    """`type_` is None for the Single Markets Platform, whose bodies carry no type."""
    if type_ is not None:
        fields.one_of("type", (type_,), Code.UNKNOWN_TYPE, f"type (here: {type_})")
    if not is_uuid(fields.text("messageId")):
        fields.note("messageId", Code.MALFORMED, "not a UUID")
    fields.stamp("sentAt")
    fields.one_of("profile", (PROFILE,), Code.UNKNOWN_PROFILE, "profile")
