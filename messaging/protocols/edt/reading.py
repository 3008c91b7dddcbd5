"""Reads a submission's file as its bytes come: records with their lines, or what is wrong with
them. No more of the file is kept than one piece and the records made of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from operator import getitem, itemgetter
from typing import Final

from messaging.domain.rules import BY_ID, Circumstances, Findings, Found, Violation, file_violations
from messaging.domain.submissions import Record, Submission
from messaging.protocols.edt.fields import Memory, Unreadable, reader_of
from messaging.protocols.edt.forms import FORMS
from messaging.protocols.edt.names import FileName
from messaging.protocols.edt.profile import EdtProfile, Field, Lines, RecordLayout

PIECE: Final = 1 << 16
"""Bytes that are taken apart at a time."""

_BOM: Final = b"\xef\xbb\xbf"
_IN_LINES: Final = bytes([*range(0x20, 0x7F), *b"\t"])
_LINE_BYTES: Final = _IN_LINES + b"\r\n"
_MOST_TOLD: Final = 40
"""Characters of a peer's text that are repeated to it."""


@dataclass(frozen=True, slots=True)
class _RecordReader:
    """One record type. A whole line has `count` parts, its type included, and a shorter one of
    `counts`. `pick` takes out of it the texts of what `build` takes, in their order; `memories`
    turn each into its value.
    """

    layout: RecordLayout
    count: int
    counts: frozenset[int]
    agent: int
    agents: Memory
    pick: Callable[[list[str]], tuple[str, ...]]
    memories: tuple[Memory, ...]
    build: Callable[..., Record]


class FileReader:
    """One file, read once: `lines` gives each record, or violation, with its line from 1.

    `records_read` counts the lines that are neither blank nor comments, unreadable ones included.
    What is about the whole file has line 0.
    """

    def __init__(self, profile: EdtProfile, name: FileName) -> None:
        self.profile = profile
        self.name = name
        self.records_read = 0
        self._lines = profile.lines
        self._line = 0
        self._bytes = 0
        self._memories: dict[Field, Memory] = {}
        self._readers: dict[str, _RecordReader] = {}

    def lines(self, chunks: Iterable[bytes]) -> Iterator[tuple[int, Record | Violation]]:
        """No more chunks are asked for once the file is known to be too large."""
        pending, skipping = b"", False
        for piece in _pieces(chunks):
            self._bytes += len(piece)
            if self._bytes > self._lines.max_bytes:
                yield self.too_large(f"more than {self._lines.max_bytes} bytes")
                return
            end = piece.rfind(b"\n") + 1
            if not end:
                pending += b"" if skipping else piece
            else:
                if skipping:
                    begin, skipping = piece.index(b"\n") + 1, False
                    block = piece[begin:end]
                else:
                    block = pending + piece[:end]
                if block:
                    yield from self._block(block)
                if self.records_read > self._lines.max_records:
                    yield self.too_large(f"more than {self._lines.max_records} records")
                    return
                pending = piece[end:]
            if len(pending) > self._lines.max_line + len("\r"):
                # What is left of it is not kept, only looked through for its end.
                yield self._skip(f"longer than {self._lines.max_line} characters")
                pending, skipping = b"", True
        yield from self._last(pending)

    def _last(self, pending: bytes) -> Iterator[tuple[int, Record | Violation]]:
        if pending.strip(b" \t\r"):
            if self._lines.last_line_must_end:
                yield self._skip("the last line has no end: is the file whole?")
            else:
                yield from self._block(pending + b"\n")
        if not self.records_read:
            yield self.too_large("no records")

    def _block(self, block: bytes) -> Iterator[tuple[int, Record | Violation]]:
        """Whole lines. Those of a block without anything unusual are read at once."""
        if block.isascii() and not block.translate(None, _LINE_BYTES):
            lines = block.decode("ascii").upper().replace("\r\n", "\n").split("\n")
            lines.pop()
            if max(map(len, lines)) <= self._lines.max_line and b"\r" not in _without_ends(block):
                yield from self._read(lines)
                return
        for raw in block[:-1].split(b"\n"):
            line = raw.removesuffix(b"\r")
            text = _what_is_wrong(line, self._line, self._lines.max_line)
            if text:
                yield self._skip(text)
            else:
                yield from self._read([line.decode("ascii").upper()])

    def _skip(self, text: str) -> tuple[int, Violation]:
        """A line that is not looked into."""
        self._line += 1
        self.records_read += 1
        return self._fault(self._line, "line-format", text)

    def _read(self, lines: list[str]) -> Iterator[tuple[int, Record | Violation]]:
        separator, comments, readers = self._lines.separator, self._lines.comments, self._readers
        first = self._line + 1
        self._line += len(lines)
        self.records_read += len(lines)
        for number, line in enumerate(lines, start=first):
            parts = line.split(separator)
            reader = readers.get(parts[0])
            if reader is None or len(parts) != reader.count:
                if line and line[0] not in comments:
                    yield from self._read_unusual(number, line, parts)
                else:
                    self.records_read -= 1
                continue
            try:
                reader.agents[parts[reader.agent]]
                record = reader.build(*map(getitem, reader.memories, reader.pick(parts)))
            except Unreadable:
                yield from self._unreadable(number, reader, parts)
            else:
                yield number, record

    def _read_unusual(
        self, number: int, line: str, parts: list[str]
    ) -> Iterator[tuple[int, Record | Violation]]:
        """A line with nothing on it, a comment, the first record of its type, one with blanks
        around its type or with fewer fields than it may have; or none of these.
        """
        said = line.strip(self._lines.blanks)
        if not said or said[0] in self._lines.comments:
            self.records_read -= 1
            return
        word = parts[0].strip(self._lines.blanks)
        reader = self._find_reader(word)
        if reader is None:
            text = "not a record type" if word else "blank"
            yield self._fault(number, "record-type", text, "type", word[:_MOST_TOLD])
        elif len(parts) not in reader.counts:
            yield self._fault(number, "line-format", _miscounted(reader, len(parts)))
        else:
            yield from self._unreadable(number, reader, parts + [""] * (reader.count - len(parts)))

    def _unreadable(
        self, number: int, reader: _RecordReader, parts: list[str]
    ) -> Iterator[tuple[int, Record | Violation]]:
        """Each field by itself, so that every one that is wrong is told; the record if none is."""
        wrong = False
        for field, text in zip(reader.layout.fields, parts[1:], strict=True):
            try:
                self._memory(field)[text]
            except Unreadable as error:
                wrong = True
                yield self._fault(number, error.rule, error.text, field.meaning, error.value)
        if not wrong:
            yield number, reader.build(*map(getitem, reader.memories, reader.pick(parts)))

    def too_large(self, text: str) -> tuple[int, Violation]:
        return self._fault(0, "file-size", text)

    def _fault(
        self, line: int, rule: str, text: str, meaning: str = "", value: str = ""
    ) -> tuple[int, Violation]:
        entry = BY_ID[rule]
        path = (meaning,) if meaning else ()
        return line, Violation(
            rule, entry.code, path, value, text, file_code=entry.file_code, line=line
        )

    def _find_reader(self, word: str) -> _RecordReader | None:
        """Made for the first record of a type: most files have few of them."""
        layout = self.profile.records.get(word)
        if layout is not None and word not in self._readers:
            self._readers[word] = self._reader(layout)
        return self._readers.get(word)

    def _reader(self, layout: RecordLayout) -> _RecordReader:
        spec = FORMS[layout.form]
        by_meaning = {field.meaning: field for field in layout.fields}
        places = {field.meaning: at for at, field in enumerate(layout.fields, start=1)}
        ends = [at for at, field in enumerate(layout.fields, start=1) if field.may_end]
        return _RecordReader(
            layout,
            count=len(layout.fields) + 1,
            counts=frozenset(at + 1 for at in (*ends, len(layout.fields))),
            agent=places["agent"],
            agents=self._memory(by_meaning["agent"]),
            pick=itemgetter(*(places[meaning] for meaning in spec.meanings)),
            memories=tuple(self._memory(by_meaning[meaning]) for meaning in spec.meanings),
            build=spec.builder(layout.about),
        )

    def _memory(self, field: Field) -> Memory:
        """Fields that are written alike share one, whatever they are called."""
        alike = replace(field, name="", meaning="", source="", may_end=False)
        if alike not in self._memories:
            self._memories[alike] = Memory(reader_of(alike, self._lines.blanks, self.name.agent))
        return self._memories[alike]


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE):
            yield chunk[start : start + PIECE]


def _without_ends(block: bytes) -> bytes:
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def _what_is_wrong(line: bytes, before: int, most: int) -> str:
    """Why a line is not looked into, or an empty string; `before` lines stand ahead of it."""
    if len(line) > most:
        return f"longer than {most} characters"
    if not before and line.startswith(_BOM):
        return "begins with a byte order mark, which is not ASCII"
    if b"\0" in line:
        return "holds a NUL"
    if not line.isascii():
        return "holds a character that is not ASCII"
    return "holds a control character" if line.translate(None, _IN_LINES) else ""


def _miscounted(reader: _RecordReader, count: int) -> str:
    wanted = " or ".join(str(one) for one in sorted(reader.counts))
    return f"{count} fields, where {reader.layout.code} has {wanted}"


@dataclass(slots=True)
class Reading:
    """What a file says: the records that could be read, the line of each, and what is wrong.

    It is `whole` if every line was read; only then it may be relayed, if no rule forbids it.
    """

    name: FileName
    submission: Submission
    lines: array[int]
    findings: Findings
    records_read: int
    whole: bool

    @property
    def refused(self) -> bool:
        return self.findings.refused


def read_file(profile: EdtProfile, name: FileName, chunks: Iterable[bytes]) -> Reading:
    """The file of that name from its bytes, to its end or to the point where it is too large."""
    reader = FileReader(profile, name)
    most = profile.replies.most_faults
    findings = Findings(Found(most), Found(most))
    records: list[Record] = []
    lines: array[int] = array("L")
    whole = True
    for line, item in reader.lines(chunks):
        if isinstance(item, Violation):
            findings.refusals.add(item)
            whole = False
        else:
            records.append(item)
            lines.append(line)
    submission = Submission(name.agent, name.sequence, tuple(records))
    return Reading(name, submission, lines, findings, reader.records_read, whole)


def beginning(
    profile: EdtProfile, name: FileName, content: bytes, most: int
) -> tuple[Submission, int]:
    """As many of the readable records at a file's beginning, and how many records it has in all,
    unreadable ones included.
    """
    items = (item for _, item in FileReader(profile, name).lines((content,)))
    records = islice((one for one in items if not isinstance(one, Violation)), most)
    submission = Submission(name.agent, name.sequence, tuple(records))
    return submission, _count_records(profile.lines, content)


def _count_records(lines: Lines, content: bytes) -> int:
    blanks, comments = f"{lines.blanks}\r".encode(), lines.comments.encode()
    said = (line.strip(blanks) for line in content.split(b"\n"))
    return sum(1 for line in said if line and line[:1] not in comments)


def too_large(profile: EdtProfile, name: FileName) -> Reading:
    """What is said of a file whose size alone tells that it is not to be read."""
    reader = FileReader(profile, name)
    findings = Findings()
    _, violation = reader.too_large(f"more than {profile.lines.max_bytes} bytes")
    findings.refusals.add(violation)
    submission = Submission(name.agent, name.sequence, ())
    return Reading(name, submission, array("L"), findings, 0, whole=False)


def apply_rules(
    reading: Reading, circumstances: Circumstances, warn_only: Iterable[str] = ()
) -> Findings:
    """Holds what was read against the table, adding to the reading's findings and giving them."""
    if any(one.rule == "file-size" for one in reading.findings.refusals.listed):
        return reading.findings
    return file_violations(
        reading.submission,
        circumstances,
        warn_only,
        lines=reading.lines,
        whole=reading.whole,
        found=reading.findings,
    )
