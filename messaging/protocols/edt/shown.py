"""A file as tables, for a person to look at: each run of lines of one record type with its fields'
names, whatever is wrong with them. Nothing is decided by what is said here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final

from messaging.protocols.edt.profile import EdtProfile

MOST_LINES: Final = 500


@dataclass(frozen=True, slots=True)
class LinesOfOneType:
    """`headings` are the fields' names, as many as the longest of the `rows`, which begin with the
    number of their line. `type` is empty for comments and what is no record.
    """

    type: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables_of(profile: EdtProfile, content: bytes) -> tuple[LinesOfOneType, ...]:
    """Of the first MOST_LINES lines."""
    lines = _lines(profile, content)
    runs = groupby(lines, key=lambda line: line[1][0])
    return tuple(_table(profile, code, [*run]) for code, run in runs)


def count_lines(content: bytes) -> int:
    return len(content.splitlines())


def _lines(profile: EdtProfile, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The number of each line that is not blank, with its type and its fields."""
    for number, raw in islice(enumerate(content.split(b"\n"), start=1), MOST_LINES):
        text = raw.decode("latin-1").rstrip("\r")
        if not text.strip():
            continue
        parts = [part.strip() for part in text.split(profile.lines.separator)]
        is_comment = text.lstrip()[:1] in tuple(profile.lines.comments)
        yield number, ["", text] if is_comment else [parts[0].upper(), *parts[1:]]


def _table(
    profile: EdtProfile, code: str, lines: Sequence[tuple[int, list[str]]]
) -> LinesOfOneType:
    layout = profile.records.get(code)
    names = [field.name for field in layout.fields] if layout else []
    width = max(len(parts) - 1 for _, parts in lines)
    headings = [*names[:width], *(f"{n}" for n in range(len(names) + 1, width + 1))]
    rows = tuple((str(number), *parts[1:]) for number, parts in lines)
    return LinesOfOneType(code, ("line", *headings), rows)
