"""The strict reader against Python's own: never more, and never another value."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.protocols.neso.strict_json import (
    MOST_DEPTH,
    UNHELD,
    NotStrictJson,
    parse,
    parse_object,
    write,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15) + 1, 10**15 - 1)
    | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(VALUES)
def test_every_value_is_read_back(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value


@given(st.binary(max_size=40) | st.text('{}[]":,\\u0123eE+-. ntf', max_size=40).map(str.encode))
def test_nothing_is_read_that_python_would_not_read(data: bytes) -> None:
    try:
        parse(data)
    except NotStrictJson:
        return
    json.loads(data.decode("utf-8"))


@given(st.integers(1, 80), st.integers(0, 3))
def test_depth_is_counted_exactly(depth: int, kind: int) -> None:
    opener, closer = (("[", "]"), ('{"a":', "}"), ('{"[[":', "}"), ('["}\\"]",', "]"))[kind]
    data = (opener * depth + "1" + closer * depth).encode()
    if depth <= MOST_DEPTH:
        parse(data)
    else:
        with pytest.raises(NotStrictJson, match="deeply"):
            parse(data)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_is_kept_exactly_or_not_at_all(number: Decimal) -> None:
    read = parse(f"{number:E}".encode())
    assert read is UNHELD or (isinstance(read, Decimal) and read == number)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("999999999999999", 10**15 - 1),
        ("-999999999999999", -(10**15) + 1),
        ("1000000000000000", UNHELD),
        ("-1000000000000000", UNHELD),
        ("1" * 100_000, UNHELD),
        ("0.1", Decimal("0.1")),
        ("1e14", Decimal("1E+14")),
        ("1e15", UNHELD),
        ("1e-15", Decimal("1E-15")),
        ("1e-16", UNHELD),
        ("1E400", UNHELD),
        ("0e999999999", UNHELD),
        ("0." + "1" * 15, Decimal("0." + "1" * 15)),
        ("0." + "1" * 16, UNHELD),
        ("1." + "0" * 100_000, UNHELD),
    ],
)
def test_a_number_that_is_not_kept_exactly_is_told_apart(text: str, value: object) -> None:
    read = parse(text.encode())
    assert read is value if value is UNHELD else read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "word", ["NaN", "Infinity", "-Infinity", "nan", "-NaN", "1e", "0x1", "1_0"]
)
def test_what_is_no_number_is_not_read(word: str) -> None:
    for text in (word, f"[{word}]", f'{{"a":{{"b":{word}}}}}'):
        with pytest.raises(NotStrictJson):
            parse(text.encode())


@pytest.mark.parametrize("data", [b"[]", b"1", b"null", b'"{}"'])
def test_only_an_object_is_an_object(data: bytes) -> None:
    with pytest.raises(NotStrictJson):
        parse_object(data)


def test_a_fault_shows_no_more_than_the_start_of_a_name() -> None:
    name = "x" * 100_000
    with pytest.raises(NotStrictJson) as caught:
        parse(f'{{"{name}":1,"{name}":2}}'.encode())
    assert len(str(caught.value)) < 100


def test_what_is_written_is_compact_utf8() -> None:
    assert write({"a": [1, "\u00e9", None, True]}) == '{"a":[1,"\u00e9",null,true]}'.encode()
