"""Finds profiles of the Single Markets Platform API and mappings of names, and reads their files.

A vendor's folder holds profiles as `<name>.toml`, and mappings as `mappings/<environment>.toml`.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from messaging.domain.registrations import ASSET_FIELDS, CONTACT_FIELDS, UNIT_FIELDS
from messaging.protocols import loading
from messaging.protocols.base import UnknownProfile
from messaging.protocols.neso.smp.profile import (
    MEMBERS,
    NameMapping,
    Service,
    ServiceName,
    SmpProfile,
    Standing,
)
from messaging.protocols.neso.smp.profile import Path as Place
from messaging.protocols.tables import Table, read_sources

OWN_FOLDER: Final = Path(__file__).parent / "profiles"
PROTOCOL: Final = "neso-smp"
MAPPINGS: Final = "mappings"
_MOST_BYTES: Final = 64 << 20


def find_profiles(folder: Path | None = None) -> dict[str, Path]:
    """Profile names and files: our own, and those of a vendor's folder."""
    return loading.find_files(OWN_FOLDER, folder)


@cache
def load_profile(name: str, folder: Path | None = None) -> SmpProfile:
    """The profile by name, read once; UnknownProfile or FaultyProfile."""
    path = find_profiles(folder).get(name)
    if path is None:
        raise UnknownProfile(name)
    return read_profile(path)


def read_profile(path: Path) -> SmpProfile:
    return loading.read_file(path, OWN_FOLDER, _profile)


@cache
def load_mapping(folder: Path | None, environment: str) -> NameMapping:
    """That of an environment, read once; without a file, names are our own. FaultyProfile."""
    path = folder / MAPPINGS / f"{environment}.toml" if folder else None
    return read_mapping(path) if path and path.exists() else NameMapping()


def read_mapping(path: Path) -> NameMapping:
    """FaultyProfile with everything that is wrong with it."""
    return loading.read_file(path, OWN_FOLDER, _mapping)


def _profile(root: Table) -> SmpProfile:
    read_sources(root)
    profile = SmpProfile(
        root.text("name"),
        root.text("title"),
        _services(root.table("services")),
        _most_assets(root.table("limits")),
        _members(root.table("members")),
        _statuses(root.table("statuses")),
    )
    root.nothing_else()
    return profile


def _services(table: Table) -> dict[ServiceName, Service]:
    found = {}
    for name in ServiceName:
        inner = table.table(name.value)
        path = inner.text("path")
        if path and not path.startswith("/"):
            inner.fault("path", "must begin with /")
        found[name] = Service(path, inner.whole("max_bytes", 1, _MOST_BYTES), inner.source())
        inner.nothing_else()
    table.nothing_else()
    return found


def _most_assets(table: Table) -> int:
    most = table.whole("assets", 1, 100_000)
    table.source()
    table.nothing_else()
    return most


def _members(table: Table) -> dict[str, str]:
    found = {name: table.text(name) for name in MEMBERS}
    table.source()
    table.nothing_else()
    return found


def _statuses(table: Table) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    for standing in Standing:
        for word in sorted(table.texts(standing.value)):
            if word in found:
                table.fault(standing.value, f"{word} is there twice")
            found[word] = standing
    table.source()
    table.nothing_else()
    return found


def _mapping(root: Table) -> NameMapping:
    """Tables `asset`, `unit` and `contact`: our names, and the real ones; a dot goes one object
    deeper. `name` is the environment's, as is the file's.
    """
    mapping = NameMapping(
        root.text("name"),
        _places(root, "asset", tuple(ASSET_FIELDS)),
        _places(root, "unit", tuple(UNIT_FIELDS)),
        _places(root, "contact", CONTACT_FIELDS),
    )
    root.nothing_else()
    return mapping


def _places(root: Table, key: str, names: tuple[str, ...]) -> dict[str, Place]:
    if not root.has(key):
        return {}
    table = root.table(key)
    places = {name: tuple(table.text(name).split(".")) for name in names if table.has(name)}
    table.nothing_else()
    for name, place in places.items():
        if not all(place):
            table.fault(name, "is not names with dots between them")
    _refuse_one_place(table, {name: places.get(name, (name,)) for name in names})
    return places


def _refuse_one_place(table: Table, places: dict[str, Place]) -> None:
    """No two fields stand in one place, and none within another's value."""
    ordered = sorted((place, name) for name, place in places.items())
    for (before, first), (after, second) in pairwise(ordered):
        if after[: len(before)] == before:
            table.fault(second if table.has(second) else first, f"clashes with {first}")
