"""Finds the line that each key of a TOML document stands on. What the document says is read by the
standard library: this looks only at where.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE: Final = re.compile(r"[^,\]}#\n]+")
_STRINGS: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'"""(?:\\.|[^\\])*?"{3,5}(?!")',
        r"'''.*?'{3,5}(?!')",
        r'"(?:\\.|[^"\\])*"',
        r"'[^']*'",
    )
)


def line_index(text: str) -> dict[str, int]:
    """Places to lines, counted from 1, of a document that is known to be TOML. A place is keys with
    dots between them and list indices in brackets: `layouts.nack.fields[1].size`. ValueError where
    it is no TOML after all.
    """
    return _Scan(text).run()


def line_of(index: dict[str, int], place: str) -> int:
    """The line of a place, or of the nearest thing around it that the document has; else 0."""
    while place and place not in index:
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return index.get(place, 0)


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [found.end() for found in re.finditer("\n", text)]
        self._lines: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def run(self) -> dict[str, int]:
        around = ""
        self._skip()
        while self._at < len(self._text):
            around = self._header() if self._sees("[") else self._pair(around)
            self._skip()
        return self._lines

    def _header(self) -> str:
        """[table] or [[table of a list]]: gives the place that the keys below belong to."""
        is_list = self._sees("[[")
        start, brackets = self._at, 2 if is_list else 1
        self._at += brackets
        *outer, name = self._keys("]")
        self._at += brackets
        place = ""
        for part in outer:
            place = self._note(self._within(place, part), start)
        if not is_list:
            return self._note(self._within(place, name), start)
        place = _joined(place, name)
        self._note(place, start)
        self._last[place] = self._last.get(place, -1) + 1
        return self._note(f"{place}[{self._last[place]}]", start)

    def _within(self, place: str, part: str) -> str:
        """In a header, the name of a list of tables means the last of them."""
        place = _joined(place, part)
        return f"{place}[{self._last[place]}]" if place in self._last else place

    def _pair(self, around: str) -> str:
        start, place = self._at, around
        for part in self._keys("="):
            place = self._note(_joined(place, part), start)
        self._at += 1
        self._skip()
        self._value(place)
        return around

    def _keys(self, end: str) -> list[str]:
        found = []
        self._skip()
        while not self._sees(end):
            quoted = self._string()
            found.append(self._unquoted(quoted) if quoted else self._take(_BARE_KEY))
            self._skip()
            self._at += self._sees(".")
            self._skip()
        return found

    def _unquoted(self, quoted: str) -> str:
        inner = quoted[1:-1]
        return inner if quoted.startswith("'") else re.sub(r'\\(["\\])', r"\1", inner)

    def _value(self, place: str) -> None:
        if self._sees("["):
            self._items("]", lambda index: self._item(f"{place}[{index}]"))
        elif self._sees("{"):
            self._items("}", lambda _: self._pair(place))
        elif not self._string():
            self._take(_BARE_VALUE)

    def _items(self, end: str, read: Callable[[int], object]) -> None:
        self._at += 1
        self._skip()
        index = 0
        while not self._sees(end):
            read(index)
            index += 1
            self._skip()
            self._at += self._sees(",")
            self._skip()
        self._at += 1

    def _item(self, place: str) -> None:
        self._note(place, self._at)
        self._value(place)

    def _string(self) -> str:
        for pattern in _STRINGS:
            found = pattern.match(self._text, self._at)
            if found:
                self._at = found.end()
                return found[0]
        return ""

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"not TOML at {self._at}")
        self._at = found.end()
        return found[0]

    def _sees(self, text: str) -> bool:
        if self._at >= len(self._text):
            raise ValueError("not TOML: it ends too early")
        return self._text.startswith(text, self._at)

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _note(self, place: str, at: int) -> str:
        self._lines.setdefault(place, bisect_right(self._ends, at) + 1)
        return place


def _joined(place: str, part: str) -> str:
    return f"{place}.{part}" if place else part
