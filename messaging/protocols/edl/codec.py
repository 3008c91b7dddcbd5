"""Between EDL wire messages and typed ones, by a profile; knows no link, no numbering and no rule
of the market.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from messaging.domain.acknowledgements import FreeText
from messaging.domain.messages import BmMessage
from messaging.domain.units import RefusalCode
from messaging.protocols.base import (
    Envelope,
    LocalProtocolError,
    Parcel,
    RemoteProtocolError,
    Stamp,
)
from messaging.protocols.edl.forms import (
    FORMS,
    LONG_TEXTS,
    form_of,
    messages_of,
    values_of_all,
)
from messaging.protocols.edl.head import Head, read_data, read_head, write_message
from messaging.protocols.edl.profile import EdlProfile, Form, MessageLayout, Role


class EdlCodec:
    """One wire message a parcel: `Parcel.content` is the whole of it, `Parcel.name` its type code.
    It carries one typed message, or, where the profile says so, one each of several BM units.

    A stamp's reference and reply are log numbers as the header writes them, "" for none. With
    `sender`, types that this role does not send are unknown.
    """

    __slots__ = ("profile", "sender")

    def __init__(self, profile: EdlProfile, sender: Role | None = None) -> None:
        self.profile = profile
        self.sender = sender

    def decode(self, parcel: Parcel) -> Envelope:
        """RemoteProtocolError says MALFORMED, with the field, or UNKNOWN_TYPE; its reference is the
        log number.
        """
        if len(parcel.content) > self.profile.framing.max_bytes:
            raise RemoteProtocolError("message too long")
        head, data = read_head(self.profile, parcel.content)
        reference = self._reference(head.number)
        if not head.control_point:
            raise RemoteProtocolError("prefix is blank", field="control_point", reference=reference)
        try:
            messages = self._messages(head, data)
        except RemoteProtocolError as error:
            error.reference = reference
            raise
        stamp = Stamp(reference, head.sent_at, self._reference(head.in_reply_to))
        return Envelope(stamp, messages)

    def encode(self, envelope: Envelope) -> Parcel:
        """LocalProtocolError where the messages cannot be written whole, in one wire message.

        Without a reference in the stamp it is written as not yet numbered: to keep, not to send.
        """
        layout, control_point = self._shared(envelope.messages)
        head = Head(
            control_point,
            layout.code,
            _number(envelope.stamp.reference or "0"),
            envelope.stamp.sent_at,
            _number(envelope.stamp.in_reply_to or "0"),
        )
        content = write_message(
            self.profile, head, layout, values_of_all(layout, envelope.messages)
        )
        return Parcel(content, layout.code)

    def divide(self, message: BmMessage) -> tuple[BmMessage, ...]:
        """The message with as much of its free text as it holds, and FreeText messages with the
        rest.
        """
        layout = self._layout(message)
        name = LONG_TEXTS.get(layout.form)
        text = getattr(message, name) if name else None
        if name is None or not text:
            return (message,)
        first, *rest = self._pieces(layout, name, text)
        control_point = _control_point_of(message)
        changed: BmMessage = replace(cast(Any, message), **{name: first})
        return (changed, *(FreeText(control_point, piece) for piece in rest))

    def divide_refusal(self, control_point: str, text: str) -> tuple[str, tuple[FreeText, ...]]:
        """The text that a NACK holds, and FreeText messages with the rest of it."""
        layout = self.profile.message(Form.NACK)
        first, *rest = self._pieces(layout, LONG_TEXTS[Form.NACK], text)
        return first, tuple(FreeText(control_point, piece) for piece in rest)

    def _messages(self, head: Head, data: str | None) -> tuple[BmMessage, ...]:
        layout = self.profile.messages.get(head.type)
        readable = layout is not None and FORMS[layout.form].build is not None
        if layout is None or not readable or (self.sender and self.sender not in layout.senders):
            raise RemoteProtocolError(
                "unknown message type", code=RefusalCode.UNKNOWN_TYPE, field="type"
            )
        if data is None:
            text = "the data are not printable, or not ended as they must be"
            raise RemoteProtocolError(text, field="data")
        return messages_of(layout, head.control_point, read_data(self.profile, layout, data))

    def _shared(self, messages: tuple[BmMessage, ...]) -> tuple[MessageLayout, str]:
        """What messages that travel together have in common: their type and their control point."""
        if not messages:
            raise LocalProtocolError("an EDL parcel carries a message at least")
        layouts = {layout.code: layout for layout in map(self._layout, messages)}
        points = {_control_point_of(message) for message in messages}
        if len(layouts) != 1 or len(points) != 1:
            raise LocalProtocolError("messages of one parcel have one type and one control point")
        return layouts.popitem()[1], points.pop()

    def _layout(self, message: BmMessage) -> MessageLayout:
        form, about = form_of(message)
        try:
            return self.profile.message(form, about)
        except KeyError:
            raise LocalProtocolError(f"{self.profile.name} has no {form} {about}") from None

    def _pieces(self, layout: MessageLayout, name: str, text: str) -> list[str]:
        first = layout.one.field(name).size
        after = self.profile.message(Form.TEXT).data.field(LONG_TEXTS[Form.TEXT]).size
        return cut_text(text, first, after)

    def _reference(self, number: int) -> str:
        return self.profile.number_text(number) if number else ""


def cut_text(text: str, first: int, after: int) -> list[str]:
    """`text` in pieces of at most `first`, then `after` characters; joined they give it back but
    for blanks at its end.

    No piece ends in a blank, which its field would lose; blanks that would fill a whole piece are
    left out.
    """
    pieces, size = [], first
    rest = text.rstrip(" ")
    while len(rest) > size:
        piece = rest[:size].rstrip(" ")
        if not piece:
            rest = rest.lstrip(" ")
            continue
        pieces.append(piece)
        rest, size = rest[len(piece) :], after
    return [*pieces, rest] if rest or not pieces else pieces


def _control_point_of(message: BmMessage) -> str:
    return cast(str, getattr(message, "control_point"))  # noqa: B009 - not every message has it


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise LocalProtocolError(f"not a log number: {text!r}")
    return int(text)
