"""What Django's system checks say of the vendor's profiles before a process starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks

from messaging.protocols.loading import FaultyProfile, find_shadowing
from messaging.protocols.neso.smp import loading as smp
from messaging.protocols.registry import PROTOCOLS


@checks.register()
def profiles(app_configs: object, **kwargs: Any) -> list[checks.CheckMessage]:
    """A file that bears the name of a profile of ours is an error: somebody expects it to count,
    and it would not. One with faults is a warning, as endpoints with other profiles can work.
    """
    return list(_found(settings.PROFILE_DIR))


@checks.register()
def platform_files(app_configs: object, **kwargs: Any) -> list[checks.CheckMessage]:
    """The same of profiles of the Single Markets Platform, and of its mappings of names."""
    return list(_found_for_platform(settings.PROFILE_DIR / smp.PROTOCOL))


def _found_for_platform(folder: Path) -> Iterator[checks.CheckMessage]:
    for path in find_shadowing(smp.OWN_FOLDER, folder):
        text = f"{path} bears the name of a profile that comes with hostsvc"
        yield checks.Error(text, hint="Give it another name.", id="messaging.E001")
    readers = ((folder, smp.read_profile), (folder / smp.MAPPINGS, smp.read_mapping))
    for place, read in readers:
        for path in sorted(place.glob("*.toml")):
            try:
                read(path)
            except FaultyProfile as faulty:
                told = "; ".join(map(str, faulty.faults))
                text = f"{path} cannot be used: {told}"
                yield checks.Warning(text, hint="See docs/registrations.md.", id="messaging.W002")


def _found(folder: Path) -> Iterator[checks.CheckMessage]:
    for name, protocol in PROTOCOLS.items():
        if protocol.shelf is None:
            continue
        shadowing = find_shadowing(protocol.shelf.own, folder / name)
        for path in sorted((folder / name).glob("*.toml")):
            if path in shadowing:
                text = f"{path} bears the name of a profile that comes with hostsvc"
                yield checks.Error(text, hint="Give it another name.", id="messaging.E001")
                continue
            try:
                protocol.shelf.read(path)
            except FaultyProfile as faulty:
                text = f"{path} cannot be used: {faulty.faults[0]}"
                hint = f"manage.py check_profile --protocol {name} {path}"
                yield checks.Warning(text, hint=hint, id="messaging.W001")
