"""Reads a CSV of assets: a heading, then a row an asset. UTF-8, with a byte order mark or without;
commas; quotes as spreadsheets write them.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from messaging.domain.registrations import ASSET_FIELDS
from messaging.domain.rules.registrations import Broken, broken, shown
from messaging.protocols.neso.smp.uploads.base import (
    LONGEST_CELL,
    LONGEST_RECORD,
    START,
    Column,
    Pieces,
    Place,
    RowRead,
    Unreadable,
    plain,
)

MOST_COLUMNS: Final = 100
_BOM: Final = b"\xef\xbb\xbf"
_BY_PLAIN_NAME: Final = {plain(name): name for name in ASSET_FIELDS}


class TableUpload:
    """Reads on from `place`, for which the columns must be given. `pieces` begin there."""

    def __init__(
        self, pieces: Iterable[bytes], place: Place = START, columns: tuple[Column, ...] = ()
    ) -> None:
        self._lines = _Lines(Pieces(pieces), place.offset)
        self._row = place.row
        self.columns = columns
        self.unit: Mapping[str, object] | None = None

    def rows(self) -> Iterator[RowRead]:
        """Raises Unreadable, at once where the heading will not do."""
        records = self._records()
        if not self.columns:
            self._read_heading(records)
        for cells in records:
            place = Place(self._lines.offset, self._row)
            if isinstance(cells, Broken):
                yield RowRead(place, {}, (cells,))
            elif any(cell.strip() for cell in cells):
                yield self._row_of(cells, place)

    def _read_heading(self, records: Iterator[list[str] | Broken]) -> None:
        heading = next(records, None)
        if heading is None:
            raise Unreadable(broken("file-format", "", "", "the file is empty"), row=1)
        if isinstance(heading, Broken):
            raise Unreadable(heading, row=1)
        while heading and not heading[-1].strip():
            heading.pop()
        self.columns = tuple(
            Column(shown(text.strip()), _BY_PLAIN_NAME.get(plain(text), "")) for text in heading
        )
        faults = tuple(_faults_of(self.columns))
        if faults:
            raise Unreadable(*faults, row=1)

    def _records(self) -> Iterator[list[str] | Broken]:
        """Each record's cells, or why it has none."""
        reader = csv.reader(self._lines, strict=True)
        while True:
            self._row += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield self._torn(error)
            else:
                yield cells

    def _torn(self, error: csv.Error) -> Broken:
        """Raises Unreadable where a quote was not closed, as all that follows has been taken for
        one cell.
        """
        text = str(error)
        if "unexpected end" in text or "larger than field limit" in text:
            told = "a quote is not closed, or a cell is endless"
            raise Unreadable(broken("row-format", "", "", told), row=self._row) from None
        return broken("row-format", "", "", f"not a row of a CSV: {text[:80]}")

    def _row_of(self, cells: list[str], place: Place) -> RowRead:
        width = len(self.columns)
        if len(cells) < width or any(cell.strip() for cell in cells[width:]):
            told = f"{len(cells)} cells where the heading has {width}"
            return RowRead(place, {}, (broken("row-format", "", "", told),))
        values: dict[str, object] = {}
        faults = []
        for column, cell in zip(self.columns, cells, strict=False):
            if len(cell) > LONGEST_CELL:
                told = f"longer than {LONGEST_CELL} characters"
                faults.append(broken("row-format", column.field, cell, told))
            elif not cell.isascii() and any("\udc80" <= one <= "\udcff" for one in cell):
                faults.append(broken("row-format", column.field, cell, "not UTF-8"))
            else:
                values[column.field] = cell
        return RowRead(place, values, tuple(faults))


class _Lines:
    """Lines of a file as text, what is no UTF-8 in them marked; `offset` is the byte after the last
    one given.
    """

    def __init__(self, pieces: Pieces, offset: int) -> None:
        self._pieces = pieces
        self._left = b""
        self._at = 0
        self._ended = False
        self.offset = offset

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._line()
        if not line:
            raise StopIteration
        if self.offset == 0 and line.startswith(_BOM):
            self.offset, line = len(_BOM), line[len(_BOM) :]
        self.offset += len(line)
        return line.decode("utf-8", errors="surrogateescape")

    def _line(self) -> bytes:
        while True:
            end = self._left.find(b"\n", self._at)
            if end >= 0 or self._ended:
                stop = end + 1 if end >= 0 else len(self._left)
                line, self._at = self._left[self._at : stop], stop
                return self._bounded(line)
            self._left, self._at = self._left[self._at :], 0
            self._bounded(self._left)
            piece = self._pieces.more()
            self._ended = not piece
            self._left += piece

    def _bounded(self, line: bytes) -> bytes:
        if len(line) > LONGEST_RECORD:
            told = f"a line is longer than {LONGEST_RECORD} bytes"
            raise Unreadable(broken("file-format", "", "", told))
        return line


def _faults_of(columns: tuple[Column, ...]) -> Iterator[Broken]:
    """What is wrong with the heading; the field of each is the heading as it was uploaded."""
    if len(columns) > MOST_COLUMNS:
        yield broken("columns", "", "", f"more than {MOST_COLUMNS} columns")
        return
    counts = Counter(column.field for column in columns)
    for column in columns:
        if not column.field:
            yield broken("columns", column.heading, column.heading, "no field has this heading")
        elif counts[column.field] > 1:
            yield broken("columns", column.heading, column.heading, "this column is there twice")
    if not counts["assetName"]:
        yield broken("columns", "assetName", "", "this column is missing")
    if not counts["importMpan"] and not counts["exportMpan"]:
        yield broken("columns", "importMpan", "", "this column and exportMpan are missing")
