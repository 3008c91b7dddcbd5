"""The line of every key of a TOML document, held against what the standard library reads of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.protocols.positions import line_index, line_of
from messaging.protocols.registry import PROTOCOLS

PROFILES = [
    path
    for protocol in PROTOCOLS.values()
    if protocol.shelf
    for path in sorted(protocol.shelf.own.glob("*.toml"))
]
TRICKY = '''# a comment with = and [brackets]
title = "a # that is no comment, and an \\" escaped"   # one that is
'single' = 'C:\\'
"quoted.key" = 1
a.b . "c d" = [1, 2,
  # within a list
  { x = 1, y = [ "]", '}' ] },
]
long = """
[not.a.table]
no = "key"
a quote at the end: \\\\""""
raw = \'\'\'
x = 1 \'\'\'
empty = []
none = {}

[table]   # of its own
when = 2026-11-22T10:00:00Z
ratio = -1.5e3

[table . inner]
deep = true
[[rows]]
n = 1
[rows.more]
z = 1
[[rows]]
n = 2
  [[rows.sub]]
  k = "v"
[[rows.sub]]
k = "w"
'''


def places(value: object, place: str = "") -> Iterator[str]:
    if place:
        yield place
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, f"{place}[{index}]")


def documents() -> Iterator[str]:
    yield TRICKY
    yield ""
    yield "a = 1"
    yield TRICKY.replace("\n", "\r\n")
    yield from (path.read_text(encoding="utf-8") for path in PROFILES)


@pytest.mark.parametrize("text", [*documents()])
def test_every_place_that_a_document_has_is_found_and_no_other(text: str) -> None:
    index = line_index(text)
    assert set(index) == set(places(tomllib.loads(text)))


@pytest.mark.parametrize("path", PROFILES, ids=str)
def test_every_key_stands_on_the_line_that_is_told(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for place, line in line_index(text).items():
        name = place.rpartition(".")[2]
        assert name.endswith("]") or name in lines[line - 1], place


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("title", 2),
        ("quoted.key", 4),
        ("a.b.c d", 5),
        ("a.b.c d[1]", 5),
        ("a.b.c d[2].y[1]", 7),
        ("long", 9),
        ("raw", 13),
        ("table.inner.deep", 23),
        ("rows", 24),
        ("rows[0].more.z", 27),
        ("rows[1].n", 29),
        ("rows[1].sub[1].k", 33),
    ],
)
def test_the_lines_are_those_an_editor_shows(place: str, line: int) -> None:
    assert line_index(TRICKY)[place] == line


@pytest.mark.parametrize(
    ("place", "line"),
    [("table.inner.nothing", 22), ("a.b.c d[2].z.q", 7), ("rows[1].sub[7]", 30), ("nowhere", 0)],
)
def test_what_is_missing_is_missed_where_it_should_stand(place: str, line: int) -> None:
    assert line_of(line_index(TRICKY), place) == line
