"""On which line of a scenario file something stands, for whoever has to put it right; and the
faults that were found, line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_HEADER = re.compile(r"\s*\[\[\s*step\s*\]\]")
_MOST_FAULTS = 200


@dataclass(frozen=True, slots=True, order=True)
class LineFault:
    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class BadScenario(ValueError):
    """What is wrong with the file, in the order of its lines."""

    def __init__(self, faults: list[LineFault]) -> None:
        self.faults = tuple(sorted(set(faults))[:_MOST_FAULTS])
        super().__init__("; ".join(map(str, self.faults[:5])))


@dataclass(slots=True)
class Lines:
    """A step written otherwise than under `[[step]]` is told by the file's first line."""

    text: str
    faults: list[LineFault] = field(default_factory=list)
    _rows: list[str] = field(init=False)
    _headers: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._rows = self.text.splitlines()
        self._headers = [at for at, row in enumerate(self._rows) if _HEADER.match(row)]

    def step(self, index: int) -> int:
        """Of the header of a step, counted from 0."""
        return self._headers[index] + 1 if index < len(self._headers) else 1

    def of(self, key: str, index: int | None) -> int:
        """Of a key in a step, or above all steps; where it is not found, its step's."""
        begin, end = self._bounds(index)
        for at in range(begin, end):
            if re.match(rf"\s*['\"]?{re.escape(key)}['\"]?\s*[=.]", self._rows[at]):
                return at + 1
        return 1 if index is None else self.step(index)

    def note(self, text: str, key: str | None = None, index: int | None = None) -> None:
        own = 1 if index is None else self.step(index)
        line = own if key is None else self.of(key, index)
        self.faults.append(LineFault(line, text))

    def _bounds(self, index: int | None) -> tuple[int, int]:
        ends = [*self._headers, len(self._rows)]
        if index is None:
            return 0, ends[0]
        if index >= len(self._headers):
            return 0, 0
        return self._headers[index], ends[index + 1]
