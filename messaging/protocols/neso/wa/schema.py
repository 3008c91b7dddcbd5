"""A Wider Access profile as JSON Schema (draft 2020-12): one document, with a definition for each
payload.

What JSON Schema cannot say is not in it: that no member is named twice, that 100.0 is no integer,
and the rules of the market.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from messaging.domain.units import BM_UNIT_NAME, CONTROL_POINT_NAME, TRADING_AGENT_NAME
from messaging.protocols.neso.strict_json import MOST_DIGITS
from messaging.protocols.neso.wa.profile import (
    Kind,
    Layout,
    Member,
    MessageLayout,
    PayloadType,
    RecordSet,
    WaProfile,
)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_UUID: Final = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_STAMP: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{6})?Z$"
_TIME: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:00(\\.000000)?Z$"
_LARGEST: Final = 10**MOST_DIGITS - 1

Schema = dict[str, Any]


def schema_text(profile: WaProfile) -> str:
    return json.dumps(schema_of(profile), indent=2, ensure_ascii=False) + "\n"


def schema_of(profile: WaProfile) -> Schema:
    """Whatever payload it is, exactly one of the definitions holds."""
    messages = [
        (type_, one)
        for type_ in profile.types.values()
        for one in (*type_.questions.values(), *type_.answers.values())
    ]
    names = [definition_name(one) for _, one in messages]
    return {
        "$schema": DIALECT,
        "title": f"Wider Access profile {profile.name}",
        "description": f"{profile.title}. Members that are not named here are ignored.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in names],
        "$defs": {definition_name(one): _payload(profile, type_, one) for type_, one in messages},
    }


def definition_name(message: MessageLayout) -> str:
    """Its type, the word that tells it apart, and whether it is an answer."""
    parts = [message.type, message.word, "answer" if message.answer else ""]
    return "-".join(part for part in parts if part)


def _payload(profile: WaProfile, type_: PayloadType, message: MessageLayout) -> Schema:
    envelope = profile.envelope
    fixed = {envelope.type: message.type, envelope.profile: profile.name}
    if type_.told_by is not None:
        fixed[type_.told_by] = message.word
    schema = _object(())
    for member, word in fixed.items():
        _put(schema, member, {"const": word, "description": _known(member)})
    for member in (envelope.message_id, envelope.sent_at):
        _put(schema, member, _described(member, profile))
    if envelope.in_reply_to is not None:
        answered = _described(envelope.in_reply_to, profile)
        if message.answer:
            _put(schema, envelope.in_reply_to, answered)
        elif not type_.answers:
            _put(schema, envelope.in_reply_to, answered, required=False)
        else:
            schema["not"] = _presence(envelope.in_reply_to)
    for member in message.body.members:
        _put(schema, member, _described(member, profile))
    return {"description": f"{message.form.value}. Source: {message.source}", **schema}


def _object(members: Iterable[tuple[Member, Schema]]) -> Schema:
    schema: Schema = {"type": "object", "properties": {}, "required": []}
    for member, inner in members:
        _put(schema, member, inner, required=not member.absent)
    return schema


def _put(schema: Schema, member: Member, inner: Schema, *, required: bool = True) -> None:
    """Where the member stands, with the objects on the way to it."""
    for name in member.within:
        _require(schema, name, required)
        schema = schema["properties"].setdefault(name, _object(()))
    _require(schema, member.name, required)
    schema["properties"][member.name] = inner


def _require(schema: Schema, name: str, required: bool) -> None:
    if required and name not in schema["required"]:
        schema["required"].append(name)


def _presence(member: Member) -> Schema:
    """True of an object that has the member, whatever it holds."""
    schema: Schema = {"required": [member.name]}
    for name in reversed(member.within):
        schema = {"required": [name], "properties": {name: schema}}
    return schema


def _described(member: Member, profile: WaProfile) -> Schema:
    schema = member.spelling.schema(member) if member.spelling else _plain(member, profile)
    if member.null:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return {"description": _known(member), **schema}


def _known(member: Member) -> str:
    meaning = member.meaning.replace("_", " ") or "tells it from others"
    return f"{meaning}. Source: {member.source}"


def _plain(member: Member, profile: WaProfile) -> Schema:
    match member.kind:
        case Kind.LIST if member.group is not None:
            return _list(member, _members(member.group, profile))
        case Kind.PAYLOADS:
            return _list(member, {"oneOf": list(_references(member, profile))})
        case Kind.RECORDS if member.records is not None:
            return _list(member, _records(member.records, profile))
        case Kind.TEXT:
            return _text(member)
        case Kind.WORD if member.words is not None:
            return {"type": "string", "enum": list(member.words.meant)}
        case Kind.WHOLE:
            least = -_LARGEST if member.least is None else member.least
            most = _LARGEST if member.most is None else member.most
            return {"type": "integer", "minimum": least, "maximum": most}
        case kind:
            return dict(_SIMPLE[kind])


def _members(layout: Layout, profile: WaProfile) -> Schema:
    return _object((member, _described(member, profile)) for member in layout.members)


def _list(member: Member, items: Schema) -> Schema:
    bounds = {"minItems": member.least, "maxItems": member.most}
    told = {name: bound for name, bound in bounds.items() if bound is not None}
    return {"type": "array", "items": items, **told}


def _references(member: Member, profile: WaProfile) -> Iterable[Schema]:
    for name in sorted(member.types):
        for one in profile.types[name].questions.values():
            yield {"$ref": f"#/$defs/{definition_name(one)}"}


def _records(records: RecordSet, profile: WaProfile) -> Schema:
    """Those that look the same under one heading."""
    alike: dict[Layout, list[str]] = {}
    for record in records.by_word.values():
        alike.setdefault(record.group, []).append(record.word)
    schemas = []
    for layout, words in alike.items():
        schema = _members(layout, profile)
        _put(schema, records.told_by, {"enum": words, "description": _known(records.told_by)})
        schemas.append(schema)
    return {"oneOf": schemas}


def _text(member: Member) -> Schema:
    schema: Schema = {"type": "string"}
    if member.least is not None:
        schema["minLength"] = member.least
    if member.most is not None:
        schema["maxLength"] = member.most
    letters = "".join(re.escape(letter) for letter in sorted(set(member.alphabet)))
    # Neither NUL nor half of a surrogate pair can be stored.
    schema["pattern"] = f"^[{letters}]*$" if letters else "^[^\\u0000]*$"
    return schema


def _named(pattern: re.Pattern[str]) -> Schema:
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}


_SIMPLE: Final[Mapping[Kind, Schema]] = {
    Kind.CONTROL_POINT: _named(CONTROL_POINT_NAME),
    Kind.TRADING_AGENT: _named(TRADING_AGENT_NAME),
    Kind.BM_UNIT: _named(BM_UNIT_NAME),
    Kind.ID: {"type": "string", "pattern": _UUID},
    Kind.NUMBER: {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST},
    Kind.FLAG: {"type": "boolean"},
    Kind.TIME: {"type": "string", "pattern": _TIME},
    Kind.STAMP: {"type": "string", "pattern": _STAMP},
}
