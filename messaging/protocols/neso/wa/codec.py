"""Between Wider Access payloads and typed messages, by a profile; knows no seal, no HTTP and no
rule of the market.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn, cast

from messaging.domain.acknowledgements import SentInstruction
from messaging.domain.instructions import Instruction
from messaging.domain.messages import BmMessage
from messaging.domain.units import RefusalCode
from messaging.protocols.base import (
    Envelope,
    LocalProtocolError,
    Parcel,
    RemoteProtocolError,
    Stamp,
)
from messaging.protocols.neso.strict_json import NotStrictJson, parse_object, write
from messaging.protocols.neso.wa.forms import FORMS, form_of, values_of
from messaging.protocols.neso.wa.members import (
    join_pointer,
    pointer_to,
    put,
    read_member,
    read_members,
    write_member,
)
from messaging.protocols.neso.wa.profile import (
    Layout,
    Member,
    MessageLayout,
    PayloadType,
    WaProfile,
)

_TOLD: Final = frozenset({"parameter", "kind"})
"""Fields of typed messages that the word in a type's telling member stands for."""


class WaCodec:
    """One payload a parcel: `Parcel.content` is the payload as sealed, `Parcel.name` the service it
    travels on.

    A stamp's reference is the messageId. `decode` without a service name takes any payload of the
    profile; `encode` leaves the name empty for an answer, which travels on the service of what it
    answers. Where an answer bears the messageId of what it answers, it has no other: its stamp's
    reference is not written, and read as that one.
    """

    __slots__ = ("_carried", "profile")

    def __init__(self, profile: WaProfile) -> None:
        self.profile = profile
        self._carried = _carried(profile)

    def decode(self, parcel: Parcel) -> Envelope:
        """RemoteProtocolError points at the member at fault; its reference is the messageId where
        that can be read.
        """
        types = self._types(parcel)
        try:
            payload = parse_object(parcel.content)
        except NotStrictJson as error:
            raise RemoteProtocolError(str(error)) from None
        try:
            return self._read(payload, "", types)
        except RemoteProtocolError as error:
            error.reference = self._readable_reference(payload)
            raise

    def encode(self, envelope: Envelope) -> Parcel:
        """LocalProtocolError where the payload cannot say the message, or an answer does not name
        what it answers.
        """
        if len(envelope.messages) != 1:
            raise LocalProtocolError("a Wider Access payload carries one message")
        payload = self._write(envelope.stamp, envelope.messages[0])
        layout = self._layout(envelope.messages[0])
        service = "" if layout.answer else self._service(layout.type)
        return Parcel(write(payload), service)

    def divide(self, message: BmMessage) -> tuple[BmMessage, ...]:
        """A payload holds any message whole."""
        return (message,)

    def type_of(self, message: BmMessage) -> str:
        """The word in the payload's member `type`."""
        return self._layout(message).type

    def pointer_of(self, message: BmMessage, path: tuple[str | int, ...]) -> str:
        """The JSON Pointer of a path through a typed message: ("levels", 0, "level_from") is
        /levels/0/levelFrom.

        A step that the profile has no member for stands as it is.
        """
        layout = self._layout(message)
        body: Layout | None = layout.body
        pointer = ""
        for at, step in enumerate(path):
            if isinstance(step, int):
                pointer = join_pointer(pointer, step)
                continue
            member = self._find_member(layout, body, step)
            pointer = pointer_to(member, pointer) if member else join_pointer(pointer, step)
            body = _inside(member, message, path[at + 1 : at + 2])
        return pointer

    def pointer_to(self, meaning: str) -> str:
        """The JSON Pointer of the member of the envelope with that meaning; of what names the
        question, for an answer that bears its messageId.
        """
        found = (one for one in self.profile.envelope.members if one.meaning == meaning)
        return pointer_to(next(found, self.profile.envelope.correlation))

    def path_of(self, message: BmMessage, pointer: str) -> tuple[str | int, ...]:
        """The path through a typed message that a JSON Pointer into its payload is about:
        /records/17/levelFrom is ("records", 17, "level_from").

        A step that the profile has no member for stands as it is, whatever a peer pointed at.
        """
        body: Layout | None = self._layout(message).body
        steps = [_unescaped(step) for step in pointer.split("/")[1:]]
        path: list[str | int] = []
        while steps:
            if isinstance(steps[0], int):
                path.append(steps.pop(0))
                continue
            member = _led_to(body, steps)
            path.append(member.meaning if member else steps[0])
            steps = steps[len(member.steps) if member else 1 :]
            body = _inside(member, message, steps[:1])
        return tuple(path)

    def content_of(self, payload: bytes) -> bytes:
        """What an instruction's payload says, without its messageId, sentAt and respondBy: the same
        again is a repeat.

        RemoteProtocolError for a payload that is no instruction.
        """
        (message,) = self.decode(Parcel(payload)).messages
        if not isinstance(message, Instruction):
            raise RemoteProtocolError("not an instruction", code=RefusalCode.UNKNOWN_TYPE)
        return self.content_of_instruction(message)

    def content_of_instruction(self, instruction: Instruction) -> bytes:
        """`content_of` for an instruction that came within another payload; members we ignore make
        no difference.
        """
        layout = self._layout(instruction)
        values = values_of(instruction)
        body = {
            member.name: write_member(member, values.get(member.meaning), _no_payload)
            for member in layout.body.members
            if member.meaning != "respond_by"
        }
        content = {"type": layout.type, "word": layout.word, "body": body}
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")

    def _types(self, parcel: Parcel) -> frozenset[str]:
        if not parcel.name:
            return frozenset(self.profile.types)
        service = self.profile.services.get(parcel.name)
        if service is None:
            raise RemoteProtocolError("no such service", code=RefusalCode.UNKNOWN_TYPE)
        if len(parcel.content) > service.max_bytes:
            raise RemoteProtocolError(f"longer than {service.max_bytes} bytes")
        return self._carried[parcel.name]

    def _readable_reference(self, payload: Mapping[str, object]) -> str | None:
        member = self.profile.envelope.message_id
        try:
            return str(read_member(member, payload, "", _no_payload))
        except RemoteProtocolError:
            return None

    def _read(self, payload: Mapping[str, object], at: str, types: frozenset[str]) -> Envelope:
        head = self._read_head(payload, at)
        layout = self._told(self._type(head, at, types), head, payload, at)
        values = read_members(layout.body, payload, at, self._read_instruction)
        message = FORMS[layout.form].build(layout.about, values)
        stamp = Stamp(head["message_id"], head["sent_at"], self._answered(layout, head))
        return Envelope(stamp, (message,))

    def _answered(self, layout: MessageLayout, head: Mapping[str, Any]) -> str:
        """The messageId of what a payload answers, or an empty string."""
        if self.profile.answers_echo:
            return str(head["message_id"]) if layout.answer else ""
        return str(head.get("in_reply_to", ""))

    def _read_head(self, payload: Mapping[str, object], at: str) -> dict[str, Any]:
        """The profile first: under another one nothing else can be judged."""
        members = self.profile.envelope
        named = read_member(members.profile, payload, at, _no_payload)
        if named != self.profile.name:
            raise RemoteProtocolError(
                "unknown profile",
                code=RefusalCode.UNKNOWN_PROFILE,
                field=pointer_to(members.profile, at),
            )
        wanted = [members.type, members.message_id, members.sent_at]
        if members.in_reply_to is not None and _is_there(members.in_reply_to, payload):
            wanted.append(members.in_reply_to)
        return {one.meaning: read_member(one, payload, at, _no_payload) for one in wanted}

    def _type(self, head: Mapping[str, Any], at: str, types: frozenset[str]) -> PayloadType:
        found = self.profile.types.get(head["type"])
        if found is None or found.name not in types:
            raise _unknown(self.profile.envelope.type, at)
        return found

    def _told(
        self, type_: PayloadType, head: Mapping[str, Any], payload: Mapping[str, object], at: str
    ) -> MessageLayout:
        answers = not type_.questions or bool(type_.answers and "in_reply_to" in head)
        if answers and "in_reply_to" not in head:
            # Read for the sake of its fault: an answer names what it answers.
            read_member(self.profile.envelope.correlation, payload, at, _no_payload)
        layouts = type_.answers if answers else type_.questions
        if type_.told_by is None:
            return layouts[""]
        word = str(read_member(type_.told_by, payload, at, _no_payload))
        if word not in layouts:
            raise _unknown(type_.told_by, at)
        return layouts[word]

    def _read_instruction(self, value: object, at: str, member: Member) -> SentInstruction:
        if not isinstance(value, dict):
            raise RemoteProtocolError("not an object", field=at)
        envelope = self._read(value, at, member.types)
        (message,) = envelope.messages
        return SentInstruction(
            envelope.stamp.reference, envelope.stamp.sent_at, cast(Instruction, message)
        )

    def _write(self, stamp: Stamp, message: BmMessage) -> dict[str, object]:
        layout = self._layout(message)
        if layout.answer and not stamp.in_reply_to:
            raise LocalProtocolError("an answer names what it answers")
        type_ = self.profile.types[layout.type]
        if not layout.answer and stamp.in_reply_to and (type_.answers or self.profile.answers_echo):
            raise LocalProtocolError("a question of this type would be read as an answer")
        payload = self._write_head(stamp, layout)
        if type_.told_by is not None:
            put(payload, type_.told_by, layout.word)
        values = values_of(message)
        for member in layout.body.members:
            value = values.get(member.meaning)
            put(payload, member, write_member(member, value, self._write_instruction))
        return payload

    def _write_head(self, stamp: Stamp, layout: MessageLayout) -> dict[str, object]:
        echoes = self.profile.answers_echo and layout.answer
        values = {
            "type": layout.type,
            "message_id": stamp.in_reply_to if echoes else stamp.reference,
            "sent_at": stamp.sent_at,
            "profile": self.profile.name,
            "in_reply_to": stamp.in_reply_to,
        }
        written: dict[str, object] = {}
        for one in self.profile.envelope.members:
            if one.meaning != "in_reply_to" or stamp.in_reply_to:
                put(written, one, write_member(one, values[one.meaning], _no_payload))
        return written

    def _write_instruction(self, value: object) -> object:
        if not isinstance(value, SentInstruction):
            raise LocalProtocolError(f"not a sent instruction: {value!r}")
        return self._write(Stamp(value.message_id, value.sent_at), value.instruction)

    def _layout(self, message: BmMessage) -> MessageLayout:
        form, about = form_of(message)
        try:
            return self.profile.by_meaning[form, about]
        except KeyError:
            raise LocalProtocolError(f"{self.profile.name} has no {form} {about}") from None

    def _find_member(self, layout: MessageLayout, body: Layout | None, step: str) -> Member | None:
        """In the body, else, at the top, around it."""
        member = body.find(step) if body else None
        if member is not None or body is not layout.body:
            return member
        if step in _TOLD:
            return self.profile.types[layout.type].told_by
        return next((one for one in self.profile.envelope.members if one.meaning == step), None)

    def _service(self, type_: str) -> str:
        return next(one.service.name for one in self.profile.exchanges if one.type == type_)


def _carried(profile: WaProfile) -> dict[str, frozenset[str]]:
    """The payload types that each service carries, as questions and as answers."""
    return {
        name: frozenset(
            type_
            for row in profile.exchanges
            if row.service.name == name
            for type_ in (row.type, row.answer, profile.refusal)
        )
        for name in profile.services
    }


def _inside(member: Member | None, message: BmMessage, after: Sequence[str | int]) -> Layout | None:
    """The layout of what a member holds; of a list of records, that of the one named next."""
    if member is None or member.records is None:
        return member.group if member else None
    index = after[0] if after else None
    records = getattr(message, member.meaning)
    if not isinstance(index, int) or not 0 <= index < len(records):
        return None
    found = member.records.by_about.get(records[index].type)
    return found.group if found else None


def _led_to(body: Layout | None, steps: Sequence[str | int]) -> Member | None:
    """The member that the first of these steps lead to."""
    members = body.members if body else ()
    found = (one for one in members if one.steps == tuple(steps[: len(one.steps)]))
    return next(found, None)


def _is_there(member: Member, payload: Mapping[str, object]) -> bool:
    holder: object = payload
    for name in member.steps:
        if not isinstance(holder, dict) or name not in holder:
            return False
        holder = holder[name]
    return True


def _unescaped(step: str) -> str | int:
    """RFC 6901. A number without leading zeros, and not too long, is an index."""
    if re.fullmatch(r"0|[1-9][0-9]{0,8}", step, re.ASCII):
        return int(step)
    return step.replace("~1", "/").replace("~0", "~")


def _unknown(member: Member, at: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"{member.name}: not one that is carried here",
        code=RefusalCode.UNKNOWN_TYPE,
        field=pointer_to(member, at),
    )


def _no_payload(*_: object) -> NoReturn:
    raise LocalProtocolError("a payload stands within a list of payloads only")
