"""The JSON Schema of typed messages as the API writes and reads them, read off the dataclasses of
the domain.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from messaging.domain.messages import BmMessage
from messaging.protocols.rest.writing import as_json

__all__ = ["as_json", "message_schema", "schemas", "schemas_of"]

_PLAIN: dict[object, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    datetime: {"type": "string", "format": "date-time"},
    Decimal: {"type": "string", "format": "decimal"},
    type(None): {"type": "null"},
}


def schemas_of(*kinds: type) -> dict[str, Any]:
    """One of some typed messages, told apart by `type`."""
    return {
        "oneOf": [_schema(kind, {}) for kind in kinds],
        "discriminator": {"propertyName": "type"},
    }


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of every class that a typed message can be or hold, by name."""
    found: dict[str, dict[str, Any]] = {}
    _schema(BmMessage, found)
    return dict(sorted(found.items()))


def message_schema() -> dict[str, Any]:
    """One of the typed messages, told apart by `type`."""
    return {**_schema(BmMessage, {}), "discriminator": {"propertyName": "type"}}


def _schema(kind: Any, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if get_origin(kind) in (types.UnionType, Union):
        return {"oneOf": [_schema(part, found) for part in get_args(kind)]}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _schema(get_args(kind)[0], found)}
    if is_dataclass(kind):
        return _reference(kind, found)
    if issubclass(kind, Enum):
        return {"type": "string", "enum": [member.value for member in kind]}
    return dict(_PLAIN[kind])


def _reference(kind: Any, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    name = kind.__name__
    if name not in found:
        found[name] = {}
        found[name] = _members(kind, lambda part: _schema(part, found))
    return {"$ref": f"#/components/schemas/{name}"}


def _members(kind: Any, schema: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    members = {field.name: schema(hints[field.name]) for field in fields(kind)}
    return {
        "type": "object",
        "properties": {"type": {"const": kind.__name__}, **members},
        "required": ["type", *members],
    }
