"""What must hold between the parts of a profile: each layout suits its message, every value that
the domain allows can be written, and nothing can be read in two ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from messaging.domain.redeclarations import ScalarParameter
from messaging.domain.rules import LEVEL_RANGE, RATE_RANGE, SCALAR_RANGE
from messaging.protocols.base import LocalProtocolError
from messaging.protocols.edl.field_tables import require
from messaging.protocols.edl.forms import FORMS, FormSpec
from messaging.protocols.edl.profile import (
    SEVERAL,
    EdlProfile,
    Form,
    MessageLayout,
    StyleName,
)
from messaging.protocols.layouts import Field, Kind, Layout, Words, write_field
from messaging.protocols.tables import Table

_NUMBERS: Final = "0123456789+-."
_NAMES: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

_WIDEST: Final[Mapping[str, tuple[object, ...]]] = {
    "control_point": ("CP_-09",),
    "bm_unit": ("T_BMU-999",),
    "number": (0, 9_999_999_999),
    "level_from": LEVEL_RANGE,
    "level_to": LEVEL_RANGE,
    "elbow_2": LEVEL_RANGE,
    "elbow_3": LEVEL_RANGE,
    "target_mw": LEVEL_RANGE,
    "rate_1": RATE_RANGE,
    "rate_2": RATE_RANGE,
    "rate_3": (*RATE_RANGE, Decimal("12.3")),
    "service": ("ABCDEF", "GHIJKL", "MNOPQR", "STUVWX", "YZ0123", "456789"),
    "action": ("ABCDEF", "GHIJKL", "MNOPQR", "STUVWX", "YZ0123", "456789"),
}
"""Values that the rules of the domain let through, and that nothing within them is wider than."""


def check_form(table: Table, message: MessageLayout) -> None:
    """Notes what the layout of a message lacks, or has too much, to carry its form."""
    spec, layout = FORMS[message.form], message.data
    several = message.several
    if several is not None and spec.several:
        if len(layout.fields) > 1 or several.kind is not Kind.SERIES:
            text = f"{layout.name}: {SEVERAL} must be a series, and the only field"
            table.fault("layout", text)
        if several.group is None:
            return
        layout = several.group
    require(table, "layout", layout, spec.fields, spec.extra)
    for field in layout.fields:
        _check_field(table, message, layout, field, spec)


def _check_field(
    table: Table, message: MessageLayout, layout: Layout, field: Field, spec: FormSpec
) -> None:
    if not field.required and field.name not in spec.optional:
        text = f"{layout.name}: {field.name} can never be blank in a {message.form}"
        table.fault("layout", text)
    if field.group:
        require(table, "layout", field.group, spec.group)
        for one in field.group.fields:
            if not one.required:
                table.fault("layout", f"{field.group.name}: {one.name} can never be blank")
    meanings = spec.words.get(field.name)
    if meanings and (field.words is None or set(field.words.written) != meanings):
        names = ", ".join(sorted(meanings))
        table.fault("layout", f"{layout.name}: {field.name} takes words for {names}")


def check_whole(root: Table, profile: EdlProfile, words: Mapping[str, Words]) -> None:
    """Notes what does not fit together in a profile. What is missing altogether has been noted."""
    _check_marks(root, profile, words)
    _check_words(root, profile, words)
    for message in profile.messages.values():
        _check_widths(root, message)
    _check_results(root, profile)
    if not root.faults:
        _check_small_talk(root, profile)
        _check_longest(root, profile)


def _check_marks(root: Table, profile: EdlProfile, words: Mapping[str, Words]) -> None:
    """What ends a part or a field must stand in nothing that is written there; free text alone has
    it replaced.
    """
    mark = profile.framing.mark
    key = "field_end" if profile.framing.style is StyleName.DELIMITED else "part_end"
    for where, text in _written(profile, words):
        if mark in text:
            root.fault(f"framing.{key}", f"{mark} may stand in {where} as well")


def _written(profile: EdlProfile, words: Mapping[str, Words]) -> Iterator[tuple[str, str]]:
    yield "numbers", _NUMBERS
    yield "names of BM units and control points", _NAMES
    yield "the profile's name", profile.name
    yield "gap_text", profile.limits.gap_text
    for format in (profile.formats.time, profile.formats.stamp):
        yield f"times like {format.name}", format.literals
    for code in profile.messages:
        yield f"the message type {code}", code
    for name, table in words.items():
        yield f"the words of {name}", "".join(table.meant)
    for layout in (profile.prefix, profile.header, *(m.one for m in profile.messages.values())):
        for field in layout.fields:
            yield f"the alphabet of {layout.name}.{field.name}", field.alphabet


def _check_words(root: Table, profile: EdlProfile, words: Mapping[str, Words]) -> None:
    """A word, or a code, is read as it was written: blanks around it would be lost."""
    for code in profile.messages:
        _check_word(root, f"messages.{code}", code)
    for meaning, refusal in profile.refusals.items():
        _check_word(root, f"refusals.{meaning.name}.code", refusal.code)
    for name, table in words.items():
        for meant, word in table.written.items():
            if not table.open:
                _check_word(root, f"words.{name}.{meant}", word)


def _check_word(root: Table, place: str, word: str) -> None:
    if word and (not word.isascii() or not word.isprintable() or word != word.strip(" ")):
        root.fault(place, "must be printable ASCII without blanks around it")
    elif not word and not root.faults:
        root.fault(place, "is empty, which would be read as a blank field")


def _check_widths(root: Table, message: MessageLayout) -> None:
    layout = message.one
    for index, field in enumerate(layout.fields):
        place = f"{_table_of(message)}.{layout.name}.fields[{index}]"
        _check_width(root, place, field, _widest(message, field.name))
        for inner, one in enumerate(field.group.fields if field.group else ()):
            place = f"groups.{field.group.name}.fields[{inner}]" if field.group else ""
            _check_width(root, place, one, _widest(message, one.name))


def _table_of(message: MessageLayout) -> str:
    return "groups" if message.several else "layouts"


def _widest(message: MessageLayout, name: str) -> tuple[object, ...]:
    if name == "value" and message.about in ScalarParameter.__members__:
        return SCALAR_RANGE[ScalarParameter(message.about)]
    return _WIDEST.get(name, ())


def _check_width(root: Table, place: str, field: Field, values: tuple[object, ...]) -> None:
    for value in values:
        try:
            write_field(field, value)
        except LocalProtocolError as error:
            root.fault(place, f"cannot hold {value}, which is allowed there: {error}")


def _check_results(root: Table, profile: EdlProfile) -> None:
    """Where a message carries several BM units, its results must say which one they are about."""
    result = profile.by_meaning.get((Form.RESULT, ""))
    named = result and any(field.name == "bm_unit" for field in result.data.fields)
    several = next((one.code for one in profile.messages.values() if one.several), None)
    if several and result and not named:
        text = f"{several} carries several BM units, so {result.data.name} must have a bm_unit"
        root.fault(f"messages.{result.code}.layout", text)


def _check_small_talk(root: Table, profile: EdlProfile) -> None:
    """What the profile itself makes a session say must fit the fields it is said in."""
    number = profile.number_text(profile.limits.number_modulus)
    for field in (profile.header.field("number"), profile.header.field("in_reply_to")):
        if len(number) > field.size:
            text = f"has more digits than the header's {field.name} holds"
            root.fault("limits.number_modulus", text)
    for form in (Form.HELLO, Form.READY):
        layout = profile.message(form).data
        if len(profile.name) > layout.field("profile").size:
            root.fault("name", f"does not fit the field of {form}")
        if len(number) > layout.field("last_taken").size:
            root.fault("limits.number_modulus", f"does not fit last_taken of {form}")
    room = profile.message(Form.NACK).data.field("text").size
    for meaning, refusal in profile.refusals.items():
        if len(refusal.text) > room:
            text = f"is longer than the {room} characters of a nack"
            root.fault(f"refusals.{meaning.name}.text", text)
    if len(profile.limits.gap_text + number) > room:
        root.fault("limits.gap_text", f"with a number it is longer than a nack's {room} characters")


def _check_longest(root: Table, profile: EdlProfile) -> None:
    around = _longest(profile.prefix) + _longest(profile.header) + 16
    for message in profile.messages.values():
        size = around + _longest(message.data)
        if size > profile.framing.max_bytes:
            text = f"a {message.code} may have {size} bytes"
            root.fault("framing.max_bytes", text)


def _longest(layout: Layout) -> int:
    """Of a layout with one group in each series, every field ended by a mark."""
    return sum(
        field.size + 1 + (_longest(field.group) if field.group else 0) for field in layout.fields
    )
