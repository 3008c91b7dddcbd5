"""JSON read the strict way: nothing twice, nothing that is no number, nothing deep. What the
members mean is not known here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Final, NoReturn

MOST_DIGITS: Final = 15
"""Longer numbers are read as `Unheld`: fifteen digits are what every JSON reader keeps exactly."""

MOST_DEPTH: Final = 32

_LONGEST_NUMBER: Final = 32
_ESCAPES: Final = re.compile(rb"\\.", re.DOTALL)
_STRINGS: Final = re.compile(rb'"[^"]*"')
_STRUCTURAL: Final = b'[]{}"'
_REST: Final = bytes(set(range(256)) - set(_STRUCTURAL))


class NotStrictJson(ValueError):
    """The bytes are not UTF-8 JSON, name a member twice in one object, or are nested too deeply."""


class Unheld:
    """A number that is well-formed JSON and has more digits, or a larger exponent, than is kept
    exactly.
    """

    __slots__ = ()


UNHELD: Final = Unheld()


def parse(data: bytes) -> object:
    """Numbers with a point or an exponent become Decimal, so that 100.0 is never an integer."""
    try:
        value: object = _DECODER.decode(data.decode("utf-8"))
    except NotStrictJson:
        raise
    except UnicodeDecodeError:
        raise NotStrictJson("not UTF-8") from None
    except RecursionError:
        raise NotStrictJson("nested too deeply") from None
    except ValueError as error:
        raise NotStrictJson(f"not JSON: {str(error)[:80]}") from None
    if _is_deep(data):
        raise NotStrictJson("nested too deeply")
    return value


def parse_object(data: bytes) -> dict[str, object]:
    value = parse(data)
    if not isinstance(value, dict):
        raise NotStrictJson("not a JSON object")
    return value


def write(value: object) -> bytes:
    """Compact UTF-8. UnicodeEncodeError where a string holds half of a surrogate pair."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise NotStrictJson(f"member {twice[:40]!a} is named twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is not JSON")


def _whole(text: str) -> int | Unheld:
    return int(text) if len(text.lstrip("-")) <= MOST_DIGITS else UNHELD


def _decimal(text: str) -> Decimal | Unheld:
    """Length first, so that no number of a million digits is taken apart to be refused."""
    if len(text) > _LONGEST_NUMBER:
        return UNHELD
    try:
        value = Decimal(text)
    except ArithmeticError:
        return UNHELD
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or len(digits) > MOST_DIGITS:
        return UNHELD
    held = exponent >= -MOST_DIGITS and exponent + len(digits) <= MOST_DIGITS
    return value if held else UNHELD


def _is_deep(data: bytes) -> bool:
    """Exact for well-formed JSON; most have too few brackets to be worth a closer look."""
    if data.count(b"[") + data.count(b"{") <= MOST_DEPTH:
        return False
    brackets = _STRINGS.sub(b"", _ESCAPES.sub(b"", data).translate(None, _REST))
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > MOST_DEPTH:
            return True
    return False


def decoder(members: Callable[[list[tuple[str, object]]], object]) -> json.JSONDecoder:
    """Numbers read as here, objects made by `members`; for those who read a text in parts."""
    return json.JSONDecoder(
        object_pairs_hook=members,
        parse_float=_decimal,
        parse_int=_whole,
        parse_constant=_refuse_constant,
    )


_DECODER: Final = decoder(_members)
