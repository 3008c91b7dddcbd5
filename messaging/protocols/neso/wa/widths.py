"""Whether each member of a profile can hold every value that the domain's rules let through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NoReturn

from messaging.domain.redeclarations import ScalarParameter
from messaging.domain.rules import LEVEL_RANGE, RATE_RANGE, SCALAR_RANGE
from messaging.protocols.base import LocalProtocolError
from messaging.protocols.neso.wa.members import write_member
from messaging.protocols.neso.wa.profile import Form, Layout, Member, MessageLayout
from messaging.protocols.tables import Table

_ALPHABET: Final = ("ABCDEF", "GHIJKL", "MNOPQR", "STUVWX", "YZ0123", "456789")
_WIDEST: Final[Mapping[str, tuple[object, ...]]] = {
    "control_point": ("CP_-09",),
    "bm_unit": ("T_BMU-999",),
    "number": (0, 9_999_999_999),
    "level_from": LEVEL_RANGE,
    "level_to": LEVEL_RANGE,
    "from_mw": LEVEL_RANGE,
    "target_mw": LEVEL_RANGE,
    "rate": (*RATE_RANGE, Decimal("12.3")),
    "service": _ALPHABET,
    "action": _ALPHABET,
}


def check_widths(root: Table, messages: Iterable[MessageLayout]) -> None:
    for message in messages:
        for index, member in enumerate(message.body.members):
            place = f"layouts.{message.body.name}.members[{index}]"
            _check(root, place, member, _widest(message, member))
            if member.group is not None:
                _check_group(root, member.group)


def _check_group(root: Table, group: Layout) -> None:
    for index, member in enumerate(group.members):
        place = f"groups.{group.name}.members[{index}]"
        _check(root, place, member, _WIDEST.get(member.meaning, ()))


def _widest(message: MessageLayout, member: Member) -> tuple[object, ...]:
    if message.form is Form.SCALAR and member.meaning == "value":
        known = message.about in ScalarParameter.__members__
        return SCALAR_RANGE[ScalarParameter(message.about)] if known else ()
    return _WIDEST.get(member.meaning, ())


def _check(root: Table, place: str, member: Member, values: tuple[object, ...]) -> None:
    for value in values:
        try:
            write_member(member, value, _no_payload)
        except LocalProtocolError as error:
            root.fault(place, f"cannot hold {value}, which is allowed there: {error}")


def _no_payload(*_: object) -> NoReturn:
    raise LocalProtocolError("not a payload")
