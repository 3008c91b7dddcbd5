"""Stored bytes as a page shows them, safely: EDL field by field against its profile, EDT as tables,
JSON indented, a signed form with its signer; and all of them as text and in hexadecimal besides.

Everything is escaped, control characters become pictures of themselves, and no more is shown than a
page bears. What is read here decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from messaging.protocols.base import UnknownProfile
from messaging.protocols.edl import shown as edl
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edt import shown as edt
from messaging.protocols.edt.codec import EdtCodec
from messaging.protocols.registry import UnknownProtocol
from messaging.relay.codecs import get_codec
from tenants.staff import table

Section = tuple[str, SafeString]

BODY_SHOWN: Final = 65_536
"""Bytes of one body."""
CONTROLS: Final = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
"""Control characters as the pictures of them."""


def sections_of(protocol: str, profile: str, content: bytes) -> Iterator[Section]:
    """What the bytes say, by their protocol, and then the bytes themselves."""
    yield from _read(protocol, profile, content)
    yield from as_bytes(content)


def plain(content: bytes) -> Iterator[Section]:
    """What is JSON whatever the profile, and then the bytes themselves."""
    yield from as_json(content)
    yield from as_bytes(content)


def as_bytes(content: bytes) -> Iterator[Section]:
    start = content[:BODY_SHOWN]
    more = "" if len(start) == len(content) else f" (the first {len(start)} bytes)"
    text = start.decode("utf-8", errors="replace").translate(CONTROLS)
    lines = (start[at : at + 16].hex(" ") for at in range(0, len(start), 16))
    yield f"As text{more}", preformatted(text)
    yield f"In hexadecimal{more}", folded("\n".join(lines))


def as_json(content: bytes) -> Iterator[Section]:
    """Nothing where it is no JSON, or too long to be read at once for a page."""
    if len(content) > 16 * BODY_SHOWN:
        return
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return
    text = json.dumps(value, indent=2, ensure_ascii=False)
    more = "" if len(text) <= BODY_SHOWN else f" (the first {BODY_SHOWN} characters)"
    yield f"As JSON{more}", preformatted(text[:BODY_SHOWN].translate(CONTROLS))


def folded(text: str) -> SafeString:
    """Seen by a click, which takes no script."""
    return format_html("<details><summary>show</summary><pre>{}</pre></details>", text)


def preformatted(text: str) -> SafeString:
    return format_html("<pre>{}</pre>", text)


def _read(protocol: str, profile: str, content: bytes) -> Iterator[Section]:
    try:
        codec = get_codec(protocol, profile)
    except (UnknownProfile, UnknownProtocol):
        yield "What it says", format_html("<p>{} {} is not installed.</p>", protocol, profile)
        return
    if isinstance(codec, EdlCodec):
        yield f"Field by field, in the profile {profile}", _fields(codec, content)
    elif isinstance(codec, EdtCodec):
        yield from _lines(codec, content)
    else:
        yield from as_json(content)


def _fields(codec: EdlCodec, content: bytes) -> SafeString:
    headings = ("part", "place", "field", "as written", "means", "source")
    found = edl.fields_of(codec.profile, content)
    return table(
        headings,
        (
            (
                *(one.part, one.place, one.name),
                format_html("<code>{}</code>", one.raw.translate(_VISIBLE)),
                _bad(one.fault) if one.fault else one.value.translate(CONTROLS),
                one.source,
            )
            for one in found
        ),
    )


def _lines(codec: EdtCodec, content: bytes) -> Iterator[Section]:
    count = edt.count_lines(content)
    more = f" (the first {edt.MOST_LINES} of {count} lines)" if count > edt.MOST_LINES else ""
    found = edt.tables_of(codec.profile, content)
    shown = (
        (one.type[:40].translate(CONTROLS) or "no record", table(one.headings, _visible(one.rows)))
        for one in found
    )
    parts = format_html_join("", '<h3 class="type">{}</h3>{}', shown)
    yield f"As tables, in the profile {codec.profile.name}{more}", parts


def _visible(rows: tuple[tuple[str, ...], ...]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield tuple(cell.translate(CONTROLS) for cell in row)


def _bad(text: str) -> SafeString:
    return format_html('<b class="late">{}</b>', text)


_VISIBLE: Final = {**CONTROLS, 9: 0x2409, 10: 0x240A, 32: 0x00B7}
"""Blanks too: where positions are fixed they count."""
