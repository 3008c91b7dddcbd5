"""Reads a JSON list of assets, by itself or as the member `assets` of an object that may hold the
`unit` as well: element by element, so that a file of any size takes the memory of its longest
element.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NoReturn

from messaging.domain.rules.registrations import Broken, broken
from messaging.protocols.neso.smp.uploads.base import (
    LONGEST_CELL,
    LONGEST_RECORD,
    START,
    Column,
    Pieces,
    Place,
    RowRead,
    Unreadable,
)
from messaging.protocols.neso.strict_json import UNHELD, NotStrictJson, Unheld, decoder

_BLANK: Final = re.compile(r"[ \t\n\r]*")
_TWICE: Final = "\0twice"
"""Stands beside the members of an object that names one of them twice; no field has this name."""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        members[_TWICE] = True
    return members


_DECODER: Final = decoder(_members)


class ListUpload:
    """Reads on from `place`; `pieces` begin there."""

    columns: tuple[Column, ...] = ()

    def __init__(self, pieces: Iterable[bytes], place: Place = START) -> None:
        self._text = _Text(Pieces(pieces), place.offset)
        self._start = place
        self._row = place.row
        self.unit: Mapping[str, object] | None = None

    def rows(self) -> Iterator[RowRead]:
        """Raises Unreadable."""
        try:
            yield from self._rows()
        except UnicodeDecodeError:
            self._stop("not UTF-8")
        except (RecursionError, NotStrictJson) as error:
            self._stop(f"not JSON: {str(error)[:80]}")

    def _rows(self) -> Iterator[RowRead]:
        if self._start.inside:
            yield from self._elements(self._start.wrapped, first=False)
            if self._start.wrapped:
                yield from self._members_of_whole(first=False)
        elif self._text.peek() == "[":
            self._text.take()
            yield from self._elements(wrapped=False, first=True)
        elif self._text.peek() == "{":
            self._text.take()
            yield from self._members_of_whole(first=True)
        else:
            self._stop("neither a JSON list nor an object")
        if self._text.peek():
            self._stop("something follows the end of the JSON")

    def _members_of_whole(self, *, first: bool) -> Iterator[RowRead]:
        seen: set[str] = set() if first else {"assets"}
        while self._text.peek() != "}":
            if not first and self._text.take() != ",":
                self._stop("a comma is missing between members")
            first = False
            name = self._value()
            if not isinstance(name, str) or self._text.take() != ":":
                self._stop("not an object of members")
            if name in seen:
                self._stop(f"the member {name[:40]!r} is there twice")
            seen.add(name)
            if name == "assets" and self._text.peek() == "[":
                self._text.take()
                yield from self._elements(wrapped=True, first=True)
            elif name == "unit":
                self._take_unit(self._value())
            else:
                self._stop(f"the member {name[:40]!r} is neither a list of assets nor the unit")
        self._text.take()

    def _take_unit(self, value: object) -> None:
        if not isinstance(value, dict) or _TWICE in value:
            self._stop("the unit is not an object, or names a member twice")
        self.unit = value

    def _elements(self, wrapped: bool, *, first: bool) -> Iterator[RowRead]:
        """Of a list whose bracket was taken."""
        while self._text.peek() != "]":
            if not first and self._text.take() != ",":
                self._stop("a comma is missing between elements")
            first = False
            self._row += 1
            value = self._value()
            place = Place(self._text.offset, self._row, inside=True, wrapped=wrapped)
            yield _row_of(value, place)
        self._text.take()

    def _value(self) -> object:
        value = self._text.value()
        if value is _INCOMPLETE:
            self._stop("not JSON, or an element without end")
        return value

    def _stop(self, text: str) -> NoReturn:
        raise Unreadable(broken("file-format", "", "", text), row=self._row)


_INCOMPLETE: Final = object()


class _Text:
    """The text of a file, a little of it at a time; `offset` is the byte after what was taken."""

    def __init__(self, pieces: Pieces, offset: int) -> None:
        self._pieces = pieces
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._ended = False
        self.offset = offset

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._skip(blank.end() if blank else self._at)
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self) -> str:
        character = self.peek()
        self._skip(self._at + len(character))
        return character

    def value(self) -> object:
        """The next whole value, or _INCOMPLETE where there is none within bounds."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except NotStrictJson:
                raise
            except ValueError:
                end = len(self._text)
                value = _INCOMPLETE
            # A number at the very end may go on in what is not read yet.
            if end < len(self._text) or (self._ended and value is not _INCOMPLETE):
                self._skip(end)
                return value
            if len(self._text) - self._at > LONGEST_RECORD or not self._more():
                if value is not _INCOMPLETE:
                    self._skip(end)
                return value

    def _skip(self, to: int) -> None:
        passed = self._text[self._at : to]
        self.offset += len(passed) if passed.isascii() else len(passed.encode())
        self._at = to

    def _more(self) -> bool:
        """Reads on; False at the end."""
        if self._ended:
            return False
        piece = self._pieces.more()
        self._ended = not piece
        text = self._decoder.decode(piece, final=self._ended)
        if self.offset == 0 and text.startswith("\ufeff") and not self._text:
            text, self.offset = text[1:], 3
        self._text, self._at = self._text[self._at :] + text, 0
        return True


def _row_of(value: object, place: Place) -> RowRead:
    if not isinstance(value, dict):
        told = broken("row-format", "", str(value), "an element is an object")
        return RowRead(place, {}, (told,))
    faults: list[Broken] = []
    if value.pop(_TWICE, False):
        faults.append(broken("row-format", "", "", "a member is named twice"))
    for name, one in list(value.items()):
        if isinstance(one, Unheld) or (isinstance(one, str) and len(one) > LONGEST_CELL):
            told_text = "more digits than are kept" if one is UNHELD else "too long"
            faults.append(broken("row-format", name[:80], "", told_text))
            del value[name]
        elif isinstance(one, str) and not one.isascii() and _has_half_pair(one):
            faults.append(broken("row-format", name[:80], "", "half of a surrogate pair"))
            del value[name]
    return RowRead(place, value, tuple(faults))


def _has_half_pair(text: str) -> bool:
    return any("\ud800" <= one <= "\udfff" for one in text)
