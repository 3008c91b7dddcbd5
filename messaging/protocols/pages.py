"""A profile as a page of tables, for its readers and for whoever has to check it against the real
document; nothing here knows a protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a sentence or two, and a table. The last column of `rows` is the provenance."""

    title: str
    text: str
    columns: Row
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """`sources` are the words of provenance, and what stands behind each."""

    title: str
    text: str
    sources: Mapping[str, str]
    sections: tuple[Section, ...]

    def known_from(self) -> dict[str, int]:
        """How many entries have each provenance, fullest first."""
        counts: dict[str, int] = {}
        for section in self.sections:
            for row in section.rows:
                word = row[-1].partition(":")[0]
                counts[word] = counts.get(word, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))


def markdown(page: Page) -> str:
    return "\n".join(_lines(page)).rstrip("\n") + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f"# {page.title}"
    yield ""
    yield page.text
    yield ""
    yield "| provenance | what stands behind it |"
    yield "|---|---|"
    for word, text in page.sources.items():
        yield _row((word, text))
    for section in page.sections:
        yield ""
        yield f"## {section.title}"
        if section.text:
            yield ""
            yield section.text
        if section.rows:
            yield ""
            yield _row(section.columns)
            yield "|" + "---|" * len(section.columns)
            yield from map(_row, section.rows)


def _row(cells: Row) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    """Within a table a bar would end the cell."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    """Bytes as they are written, control characters by their names."""
    names = {"\r": "CR", "\n": "LF", "\t": "TAB", "\x02": "STX", "\x03": "ETX", "\x04": "EOT"}
    if text and all(one in names or not one.isprintable() for one in text):
        return " ".join(names.get(one, f"0x{ord(one):02X}") for one in text)
    return f"`{text}`" if text else "(nothing)"
