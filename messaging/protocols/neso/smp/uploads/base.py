"""What reading an uploaded file gives: rows with their findings, each with the place from which
reading can go on after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from typing import Protocol as Shape

from messaging.domain.rules.registrations import Broken

LONGEST_RECORD: Final = 64 * 1024
"""Bytes of one line, or characters of one element: no more is kept in memory."""

LONGEST_CELL: Final = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on: after `offset` bytes and `row` rows. `inside` says that a JSON list
    has begun, `wrapped` that it is a member of an object.
    """

    offset: int = 0
    row: int = 0
    inside: bool = False
    wrapped: bool = False


START: Final = Place()


@dataclass(frozen=True, slots=True)
class Column:
    """A column as its heading was uploaded, and our name of the field."""

    heading: str
    field: str


@dataclass(frozen=True, slots=True)
class RowRead:
    """One row by the names of our fields. `faults` are those of its form; with one, `values` may be
    part of it only.

    `place.row` is its number as a person counts: in a table the heading is row 1, in a list the
    first element is.
    """

    place: Place
    values: Mapping[str, object]
    faults: tuple[Broken, ...] = ()


class Unreadable(Exception):
    """Reading cannot go on, or not begin; `row` is where. `column` is the heading at fault."""

    def __init__(self, *faults: Broken, row: int = 0) -> None:
        super().__init__("; ".join(one.text for one in faults))
        self.faults = faults
        self.row = row


class Upload(Shape):
    """A file being read. `columns` and `unit` are known once the first row, or its end, was."""

    columns: tuple[Column, ...]
    unit: Mapping[str, object] | None

    def rows(self) -> Iterator[RowRead]: ...


@dataclass(slots=True)
class Pieces:
    """Bytes of a file in any pieces, and how many of them were taken."""

    pieces: Iterable[bytes]
    taken: int = 0
    _left: Iterator[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._left = iter(self.pieces)

    def more(self) -> bytes:
        """The next piece that is not empty; nothing at the end."""
        for piece in self._left:
            if piece:
                return piece
        return b""


def plain(heading: str) -> str:
    """A heading without case, blanks, marks and what stands in brackets at its end."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"[(\[][^)\]]*[)\]]\s*$", "", heading.lower()))
