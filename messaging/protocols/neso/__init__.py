"""NESO's own interfaces: the seals they share, and the Wider Access API."""

from __future__ import annotations

from pathlib import Path

from messaging.protocols.base import Envelope, Protocol, Reading, Shelf
from messaging.protocols.neso.settings import WaSettings
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.examples import examples
from messaging.protocols.neso.wa.loading import (
    OWN_FOLDER,
    find_profiles,
    load_profile,
    read_profile,
)
from messaging.protocols.neso.wa.page import page_of
from messaging.protocols.neso.wa.schema import schema_text


def neso_wa_protocol(folder: Path | None = None) -> Protocol:
    """The protocol with the profiles of this package and those of an extra `folder`."""
    return Protocol(
        name="neso-wa",
        title="Wider Access API over HTTPS",
        codec=lambda name: WaCodec(load_profile(name, folder)),
        profiles=lambda: tuple(sorted(find_profiles(folder))),
        examples=lambda name: _examples(name, folder),
        transports=("https",),
        settings=lambda given: WaSettings.parse(given, profiles=find_profiles(folder)),
        shelf=Shelf(OWN_FOLDER, _read, neso_wa_protocol),
    )


def _examples(name: str, folder: Path | None) -> tuple[Envelope, ...]:
    return examples(load_profile(name, folder))


def _read(path: Path) -> Reading:
    profile = read_profile(path)
    return Reading(
        profile.name,
        profile.title,
        WaCodec(profile),
        examples(profile),
        page_of(profile),
        {"schema.json": schema_text(profile)},
    )


PROTOCOL = neso_wa_protocol()
