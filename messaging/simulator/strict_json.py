"""Reads and writes JSON the strict way the wire format asks for; what the members mean is not known
here."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import NoReturn


class NotStrictJson(ValueError):
    """The bytes are not UTF-8 JSON, or name a member twice in one object."""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotStrictJson(f"member {twice[:40]!a} is named twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is not JSON")


def parse(data: bytes) -> object:
    """Numbers with a point or an exponent come back as Decimal, so that 100.0 is never an
    integer."""
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
        )
    except NotStrictJson:
        raise
    except RecursionError:
        raise NotStrictJson("nested too deeply") from None
    except (ValueError, ArithmeticError) as error:
        raise NotStrictJson(f"not JSON: {str(error)[:80]}") from None


def parse_object(data: bytes) -> dict[str, object]:
    value = parse(data)
    if not isinstance(value, dict):
        raise NotStrictJson("not a JSON object")
    return value


def write(value: object) -> bytes:
    """ASCII only, so that a lone surrogate read from a peer can be written again."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def _finite(text: str) -> object:
    number = float(text)
    return number if number - number == 0 else text


def show(data: bytes) -> object:
    """What a person is shown of any bytes: the parsed JSON, or an excerpt of what is not JSON."""
    try:
        return json.loads(data.decode("utf-8"), parse_float=_finite, parse_constant=str)
    except (ValueError, RecursionError):
        return {"unreadable": data[:2000].decode("utf-8", "replace"), "bytes": len(data)}
