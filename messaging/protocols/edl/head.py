"""A message's prefix and header as values: what session and codec both must know before they look
at the data. All bytes of a message go through its profile's style here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from messaging.protocols.base import LocalProtocolError, RemoteProtocolError
from messaging.protocols.edl.delimited import DelimitedStyle
from messaging.protocols.edl.fixed import FixedStyle
from messaging.protocols.edl.profile import EdlProfile, MessageLayout, StyleName
from messaging.protocols.edl.style import Style
from messaging.protocols.layouts import Values

_STYLES: Final[Mapping[StyleName, Style]] = {
    StyleName.FIXED: FixedStyle(),
    StyleName.DELIMITED: DelimitedStyle(),
}


@dataclass(frozen=True, slots=True)
class Head:
    """`number` and `in_reply_to` are 0 where there is none; `type` may be one that the profile does
    not know.
    """

    control_point: str
    type: str
    number: int
    sent_at: datetime
    in_reply_to: int


def read_head(profile: EdlProfile, content: bytes) -> tuple[Head, str | None]:
    """The head and the data of a whole message, None where the data are not ended as they must be.

    RemoteProtocolError, without a reference, where prefix or header cannot be read.
    """
    values, data = _style(profile).split(profile, content)
    head = Head(**values)
    for number in (head.number, head.in_reply_to):
        if number > profile.limits.number_modulus:
            raise RemoteProtocolError("header: a number above the highest", field="number")
    return head, data


def read_data(profile: EdlProfile, layout: MessageLayout, data: str) -> Mapping[str, Any]:
    """The values of a message's data; RemoteProtocolError names the field that cannot be read."""
    return _style(profile).read(profile, layout.data, data)


def write_message(profile: EdlProfile, head: Head, layout: MessageLayout, values: Values) -> bytes:
    """The whole wire message; LocalProtocolError where a field cannot hold its value, or the
    message is too long.
    """
    data = _style(profile).write(profile, layout.data, values)
    return _join(profile, head, data)


def restamp(
    profile: EdlProfile,
    content: bytes,
    number: int,
    sent_at: datetime,
    in_reply_to: int | None = None,
) -> bytes:
    """A message of our own under another number and time, its data untouched."""
    head, data = read_head(profile, content)
    if data is None:
        raise LocalProtocolError("only a whole message can be given another number")
    reply = head.in_reply_to if in_reply_to is None else in_reply_to
    return _join(profile, Head(head.control_point, head.type, number, sent_at, reply), data)


def _join(profile: EdlProfile, head: Head, data: str) -> bytes:
    values = {name: getattr(head, name) for name in Head.__slots__}
    content = _style(profile).join(profile, values, data)
    if len(content) > profile.framing.max_bytes:
        raise LocalProtocolError(f"{head.type} of {len(content)} bytes is too long to be sent")
    return content


def _style(profile: EdlProfile) -> Style:
    return _STYLES[profile.framing.style]
