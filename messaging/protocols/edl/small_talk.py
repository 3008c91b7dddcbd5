"""The unnumbered messages a link is kept by, as bytes and as values; when each may be said is
`states`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from messaging.domain.units import RefusalCode
from messaging.protocols.base import LocalProtocolError, RemoteProtocolError
from messaging.protocols.edl.head import Head, read_data, write_message
from messaging.protocols.edl.profile import EdlProfile, Form
from messaging.protocols.edl.states import Speech
from messaging.protocols.layouts import Values

_SPEECH: Final = {
    Form.HELLO: Speech.HELLO,
    Form.READY: Speech.READY,
    Form.HEARTBEAT: Speech.HEARTBEAT,
    Form.ACK: Speech.ACK,
    Form.NACK: Speech.NACK,
}
_FORM: Final = {speech: form for form, speech in _SPEECH.items()}


def speech_of(profile: EdlProfile, code: str) -> Speech:
    """What a message type is to a session; one that the profile doesn't know is numbered."""
    message = profile.messages.get(code)
    return _SPEECH.get(message.form, Speech.NUMBERED) if message else Speech.NUMBERED


def read_speech(profile: EdlProfile, head: Head, data: str | None) -> Values:
    """The values of an unnumbered message; RemoteProtocolError where its data cannot be read."""
    if data is None:
        raise RemoteProtocolError(f"{head.type} has data that are not printable, or do not end")
    return read_data(profile, profile.messages[head.type], data)


def write_speech(
    profile: EdlProfile,
    control_point: str,
    speech: Speech,
    now: datetime,
    values: Values,
    in_reply_to: int = 0,
) -> bytes:
    layout = profile.message(_FORM[speech])
    head = Head(control_point, layout.code, 0, now, in_reply_to)
    return write_message(profile, head, layout, values)


def write_nack(
    profile: EdlProfile,
    control_point: str,
    now: datetime,
    in_reply_to: int,
    code: RefusalCode,
    text: str,
) -> bytes:
    """A NACK with as much of `text` as it holds, or, without one, with the profile's own."""
    if code is RefusalCode.OK:
        raise LocalProtocolError("OK refuses nothing")
    said = (text or profile.refusals[code].text)[: nack_size(profile)]
    values = {"code": str(code), "text": said}
    return write_speech(profile, control_point, Speech.NACK, now, values, in_reply_to)


def nack_size(profile: EdlProfile) -> int:
    return profile.message(Form.NACK).data.field("text").size


def gap_text(profile: EdlProfile, expected: int) -> str:
    return profile.limits.gap_text + profile.number_text(expected)


def expected_by_peer(profile: EdlProfile, code: str, text: str) -> int | None:
    """The number that the refusal of a gap asks for, None for any other refusal."""
    digits = text.removeprefix(profile.limits.gap_text)
    if code != RefusalCode.NUMBER_GAP or digits == text or not digits.isdigit():
        return None
    return int(digits)
