"""What a profile of the Single Markets Platform API says, and the names that an environment's
mapping gives to our fields. Reading the files is `loading`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from messaging.domain.registrations import ASSET_FIELDS, CONTACT_FIELDS, UNIT_FIELDS


class ServiceName(StrEnum):
    AUTHENTICATE = "authenticate"
    CREATE_ASSETS = "create_assets"
    CREATE_UNIT = "create_unit"
    STATUS = "transaction_status"
    RESULT = "transaction_result"


class Standing(StrEnum):
    """What a transaction has come to: OPEN is neither."""

    OPEN = "open"
    CREATED = "created"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Service:
    path: str
    max_bytes: int
    source: str


MEMBERS = (
    *("message_id", "sent_at", "profile", "in_reply_to", "username", "password", "token"),
    *("expires_in", "assets", "unit", "transaction", "status", "errors", "index", "field"),
    *("path", "code", "text"),
)


@dataclass(frozen=True, slots=True)
class SmpProfile:
    """`members` are the names on the wire of what is called so here."""

    name: str
    title: str
    services: Mapping[ServiceName, Service]
    most_assets: int
    members: Mapping[str, str]
    statuses: Mapping[str, Standing]


Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NameMapping:
    """Our names of fields, and where their values stand in the real objects. A field that is not
    named keeps its own name.
    """

    name: str = ""
    asset: Mapping[str, Path] = field(default_factory=dict)
    unit: Mapping[str, Path] = field(default_factory=dict)
    contact: Mapping[str, Path] = field(default_factory=dict)

    def asset_written(self, members: Mapping[str, object]) -> dict[str, object]:
        return _placed(members, self.asset)

    def unit_written(self, members: Mapping[str, object]) -> dict[str, object]:
        inner = dict(members)
        contact = inner.get("controlPointContact")
        if isinstance(contact, Mapping):
            inner["controlPointContact"] = _placed(contact, self.contact)
        return _placed(inner, self.unit)

    def our_asset_field(self, real: str) -> str:
        """Our name of the field that the peer calls `real`, by name, dotted path or JSON Pointer;
        an unknown one as it is.
        """
        return _ours(_path(real), self.asset, tuple(ASSET_FIELDS)) or real

    def our_unit_field(self, real: str) -> str:
        path = _path(real)
        contact = self.unit.get("controlPointContact", ("controlPointContact",))
        if path[: len(contact)] == contact and len(path) > len(contact):
            inner = _ours(path[len(contact) :], self.contact, CONTACT_FIELDS)
            return f"controlPointContact/{inner}" if inner else real
        return _ours(path, self.unit, tuple(UNIT_FIELDS)) or real


def _placed(members: Mapping[str, object], places: Mapping[str, Path]) -> dict[str, object]:
    written: dict[str, object] = {}
    for name, value in members.items():
        *outer, last = places.get(name, (name,))
        inner = written
        for step in outer:
            deeper = inner.setdefault(step, {})
            assert isinstance(deeper, dict), "two fields in one place are refused when it is read"
            inner = deeper
        inner[last] = value
    return written


def _ours(path: Path, places: Mapping[str, Path], names: tuple[str, ...]) -> str:
    """The peer may name only the end of a path, or a part within the value."""
    known = {name: places.get(name, (name,)) for name in names}
    for name, place in known.items():
        if path[: len(place)] == place:
            return name
    ends = [name for name, place in known.items() if len(path) == 1 and place[-1] == path[0]]
    return ends[0] if len(ends) == 1 else ""


def _path(real: str) -> Path:
    return tuple(step for step in real.replace(".", "/").split("/") if step)
