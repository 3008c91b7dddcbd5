"""Uploaded files read row by row: in any pieces, from any place, with anything wrong in them."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from messaging.protocols.neso.smp.uploads.base import RowRead, Unreadable
from messaging.protocols.neso.smp.uploads.lists import ListUpload
from messaging.protocols.neso.smp.uploads.tables import TableUpload
from tests.smp.assets import HEADING, asset, listed, table

HEAD = b"assetName,importMpan\r\n"


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def rows_of(content: bytes, size: int = 1 << 16) -> list[RowRead]:
    return list(TableUpload(pieces(content, size)).rows())


def told(row: RowRead) -> list[tuple[str, str]]:
    return [(one.rule, one.field) for one in row.faults]


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1 << 16])
def test_a_table_is_read_the_same_in_any_pieces(size: int) -> None:
    content = table([asset(n, assetName=f'"Ä" {n},\nnext') for n in range(5)])
    found = rows_of(content, size)
    assert [one.place.row for one in found] == [2, 3, 4, 5, 6]
    assert [one.values["assetName"] for one in found] == [f'"Ä" {n},\nnext' for n in range(5)]
    assert found[-1].place.offset == len(content)


@pytest.mark.parametrize("stop", range(6))
def test_reading_a_table_goes_on_where_it_stopped(stop: int) -> None:
    content = b"\xef\xbb\xbf" + table([asset(n, assetName=f"A\n{n}é") for n in range(6)])
    first = TableUpload(pieces(content, 50))
    before = [row for row, _ in zip(first.rows(), range(stop + 1), strict=False)]
    place = before[-1].place
    rest = TableUpload(pieces(content[place.offset :], 50), place, first.columns)
    assert before + list(rest.rows()) == rows_of(content)


def test_a_byte_order_mark_lf_and_headings_of_a_persons_are_read() -> None:
    content = (
        "\ufeffAsset name, IMPORT_MPAN ,Generation Capacity (MW),,\nA,1,5,,\n,,,\n\nB,2,6,,\n"
    ).encode()
    first, second = rows_of(content)
    assert first.values == {"assetName": "A", "importMpan": "1", "generationCapacity": "5"}
    assert (first.place.row, second.place.row) == (2, 5)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (b"", [""]),
        (b"assetName,importMpan,colour\n", ["colour"]),
        (b"assetName,importMpan,asset_name\n", ["assetName", "asset_name"]),
        (b"importMpan\n", ["assetName"]),
        (b"assetName\n", ["importMpan"]),
        (b"assetName,importMpan,a\0b\n", ["a\\x00b"]),
        (b"assetName,importMpan,\xff\n", ["\\udcff"]),
        (b'"assetName,importMpan\n', [""]),
        (b"a," * 200 + b"\n", [""]),
        (b"x" * 70_000, [""]),
    ],
)
def test_a_heading_that_will_not_do_ends_it_with_the_column_at_fault(
    content: bytes, columns: list[str]
) -> None:
    with pytest.raises(Unreadable) as caught:
        rows_of(content)
    assert [one.field for one in caught.value.faults] == columns


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        (b"A\n", [("row-format", "")]),
        (b"A,1,2\n", [("row-format", "")]),
        (b'"A"x,1\n', [("row-format", "")]),
        (b"A\rB,1\n", [("row-format", "")]),
        (b"A\xff,1\n", [("row-format", "assetName")]),
        (b"A," + b"1" * 1001 + b"\n", [("row-format", "importMpan")]),
        (b"A,1,,,\n", []),
        (b"A\0,1\n", []),
    ],
)
def test_a_row_out_of_form_is_told_and_reading_goes_on(
    line: bytes, faults: list[tuple[str, str]]
) -> None:
    first, second = rows_of(HEAD + line + b"B,2\n")
    assert told(first) == faults
    assert (second.place.row, second.values["assetName"]) == (3, "B")


@pytest.mark.parametrize("rest", [b'"A,1\nB,2\n', b'"' + b"A,1\n" * 50_000, b"x" * 70_000])
def test_what_has_no_end_ends_the_reading_and_not_the_memory(rest: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        rows_of(HEAD + b"A,1\n" + rest)
    assert caught.value.faults[0].rule in {"row-format", "file-format"}


def test_memory_does_not_grow_with_the_file() -> None:
    """Twenty times the rows, and no more memory than a few pieces."""

    def content(count: int) -> Iterator[bytes]:
        yield ",".join(HEADING).encode() + b"\n"
        for _ in range(count):
            yield b"A,1,,51.5,-0.1,1,1,SW1A 1AA,_C,battery\n" * 100

    tracemalloc.start()
    assert sum(1 for _ in TableUpload(content(500)).rows()) == 50_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 << 20


def elements(content: bytes, size: int = 1 << 16) -> list[RowRead]:
    return list(ListUpload(pieces(content, size)).rows())


@pytest.mark.parametrize("size", [1, 3, 50, 1 << 16])
@pytest.mark.parametrize("unit", [None, {"unitName": "Ü"}])
def test_a_list_is_read_the_same_in_any_pieces(size: int, unit: dict[str, Any] | None) -> None:
    content = b"\xef\xbb\xbf" + listed((asset(n, assetName=f"Ä{n}") for n in range(4)), unit)
    upload = ListUpload(pieces(content, size))
    found = list(upload.rows())
    assert [one.place.row for one in found] == [1, 2, 3, 4]
    assert [one.values["assetName"] for one in found] == [f"Ä{n}" for n in range(4)]
    assert upload.unit == unit


@pytest.mark.parametrize("stop", range(4))
def test_reading_a_list_goes_on_where_it_stopped(stop: int) -> None:
    whole = {"assets": [{"assetName": f"é{n}"} for n in range(4)], "unit": {"unitName": "U"}}
    content = json.dumps(whole, ensure_ascii=False).encode()
    first = ListUpload(pieces(content, 20))
    before = [row for row, _ in zip(first.rows(), range(stop + 1), strict=False)]
    place = before[-1].place
    rest = ListUpload(pieces(content[place.offset :], 20), place)
    assert before + list(rest.rows()) == elements(content)
    assert rest.unit == {"unitName": "U"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"7",
        b"[",
        b"[{}",
        b"[{} {}]",
        b"[{},]",
        b"[{}] x",
        b'{"assets": {}}',
        b'{"unit": []}',
        b'{"unit": {}, "unit": {}}',
        b'{"colour": 1}',
        b'[{"a": NaN}]',
        b"[\xff]",
        b"[" * 5000,
        b'[{"a": "' + b"x" * 200_000,
        b'[{"a": ' + b"[" * 60_000,
    ],
    ids=lambda content: content[:12].decode("latin-1"),
)
def test_what_is_no_list_of_assets_ends_the_reading(content: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        elements(content, 1000)
    assert caught.value.faults[0].rule == "file-format"


@pytest.mark.parametrize(
    ("element", "faults"),
    [
        ("7", [("row-format", "")]),
        ('"x"', [("row-format", "")]),
        ('{"assetName": "A", "assetName": "B"}', [("row-format", "")]),
        ('{"latitude": 51.50000000000000000001}', [("row-format", "latitude")]),
        ('{"latitude": 1e400}', [("row-format", "latitude")]),
        ('{"assetName": "\\ud800"}', [("row-format", "assetName")]),
        (json.dumps({"assetName": "x" * 1001}), [("row-format", "assetName")]),
    ],
)
def test_an_element_out_of_form_is_told_and_reading_goes_on(
    element: str, faults: list[tuple[str, str]]
) -> None:
    first, second = elements(f'[{element}, {{"assetName": "B"}}]'.encode())
    assert told(first) == faults
    assert (second.place.row, second.values) == (2, {"assetName": "B"})


def test_no_bytes_at_all_make_the_readers_raise_anything_else() -> None:
    good = [table([asset(1), asset(2)]), listed([asset(1)], {"unitName": "U"})]
    for content in good:
        for at in range(0, len(content), 3):
            for other in (b"", b"\0", b'"', b"\xff", b"\n", b"}"):
                mangled = content[:at] + other + content[at + 1 :]
                for reader in (TableUpload, ListUpload):
                    _read_through(reader(pieces(mangled, 64)))


def _read_through(upload: Any) -> None:
    found: Iterable[RowRead] = upload.rows()
    with suppress(Unreadable):
        for _ in found:
            pass
