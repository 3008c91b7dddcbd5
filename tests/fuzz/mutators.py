"""What is done to good bytes to make them bad: each mutator draws all it does from the generator it
is given, so that a seed gives the same bytes again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Mutator = Callable[[Random, bytes, Sequence[bytes]], bytes]
"""Generator, bytes, and all seeds of the target to take pieces from."""

NUMBERS = (
    *(b"0", b"-0", b"+1", b"-1", b"1.0", b"1.", b".5", b"1e3", b"1E-9", b"1e400", b"-1e-400"),
    *(b"00000000", b"99999999", b"100000000", b"2147483648", b"9223372036854775808"),
    *(b"999999999999999", b"1000000000000000", b"9007199254740993", b"18446744073709551616"),
    *(b"NaN", b"-Infinity", b"0x10", b"1_000", b"\xd9\xa3", b"\xc2\xb2", b" 7", b"7 "),
    *(b"9" * 20, b"9" * 4301, b"0" * 400 + b"1", b"1e999999999", b"0." + b"0" * 60 + b"1"),
)
TOKENS = (
    *(b"", b"^", b"^\n", b"\n", b"\r\n", b"\0", b" ", b"\x7f", b"\x80", b"\xff", b"\xef\xbb\xbf"),
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"null", b"true", b"[]", b"{}", b'""'),
    *(b"\\ud800", b"\\udfff\\ud800", b"\\u0000", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"),
    *(b"HELLO ", b"READY ", b"HBEAT ", b"ACK   ", b"NACK  ", b"MEL   ", b"RESULT", b"R011", b"OK"),
    *(
        b"20261122100000",
        b"20260230999999",
        b"000000000000",
        b"2026-02-30T24:60:61Z",
        b"0001-01-01",
    ),
    *(b"9999-12-31T23:59:59.999999Z", b"2026-11-22T10:00:00+00:00", b"host-1", b"0001-01-01"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 100.0, 10**15, 10**40, -(10**9), 1e300, "", " ", "\0"),
    *("\ud800", "\U0001f600", "x" * 300, "-" * 9, "TBMU-1", "2026-11-22T10:00:00Z", "00", "R999"),
    *([], {}, [[]], [None], {"": None}, [{}], "ACCEPTED", "BOA", "MEL", "receipt", "host-1"),
)
_DIGITS = re.compile(rb"-?\d+(?:\.\d+)?")
_MEMBER = re.compile(rb'"[^"\\]{1,40}"\s*:')
_DEEP = (1, 2, 31, 32, 33, 200, 5_000)


def flip_bits(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    at, until = _span(rng, data)
    return data[:at] + data[until:]


def end_early(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    return data[: rng.randint(0, len(data))]


def double(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    at, until = _span(rng, data)
    return data[:until] + data[at:until] * rng.randint(1, 3) + data[until:]


def splice(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    other = rng.choice(seeds)
    at, until = _span(rng, data)
    begin, end = _span(rng, other)
    return data[:at] + other[begin:end] + data[until:]


def put_token(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    at, until = _span(rng, data)
    return data[:at] + rng.choice(TOKENS) + data[rng.choice((at, until)) :]


def overwrite(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Fields of fixed positions stay where they are."""
    token = rng.choice(TOKENS + NUMBERS)[:20]
    at = rng.randint(0, len(data))
    return data[:at] + token + data[at + len(token) :]


def change_number(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    places = list(_DIGITS.finditer(data))
    if not places:
        return put_token(rng, data, seeds)
    place = rng.choice(places)
    edge = rng.choice(NUMBERS)
    if rng.random() < 0.5:
        edge = edge[: place.end() - place.start()].rjust(place.end() - place.start())
    return data[: place.start()] + edge + data[place.end() :]


def double_member(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """A member of an object named twice, before or behind itself."""
    places = list(_MEMBER.finditer(data))
    if not places:
        return double(rng, data, seeds)
    name, before = rng.choice(places)[0], rng.choice(places).start()
    value = json.dumps(rng.choice(VALUES)).encode()
    return data[:before] + name + value + b"," + data[before:]


def nest(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    at, until = _span(rng, data)
    depth = rng.choice(_DEEP)
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"[", b"")))
    return data[:at] + opening * depth + data[at:until] + closing * depth + data[until:]


def change_value(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Well-formed JSON with another value, a member or an item left out, or one from elsewhere."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return put_token(rng, data, seeds)
    for _ in range(rng.randint(1, 2)):
        value = _changed(rng, value)
    return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


ANYWHERE: tuple[Mutator, ...] = (
    *(flip_bits, cut, end_early, double, splice, put_token, overwrite, change_number),
)
IN_JSON: tuple[Mutator, ...] = (*ANYWHERE, double_member, nest, *(change_value,) * 6)


def mutated(rng: Random, seeds: Sequence[bytes], mutators: Sequence[Mutator]) -> bytes:
    """One of the seeds, once to four times changed; now and then as it is."""
    data = rng.choice(seeds)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 4))):
        data = rng.choice(mutators)(rng, data, seeds)
    return data


def _span(rng: Random, data: bytes) -> tuple[int, int]:
    at = rng.randint(0, len(data))
    return at, min(len(data), at + rng.choice((1, 2, 4, 9, 20, 60)))


def _changed(rng: Random, value: Any) -> Any:
    """A copy changed in one place: here, or further down."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.05:
        return rng.choice(VALUES)
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = rng.choice(keys)
    copy: Any = value.copy()
    match rng.randrange(6):
        case 0:
            del copy[key]
        case 1:
            copy[key] = value[rng.choice(keys)]
        case 2 if isinstance(copy, list):
            copy.extend([value[key]] * rng.choice((1, 20)))
        case _:
            copy[key] = _changed(rng, value[key])
    return copy
