"""NESO's own interfaces: the seals they share, and the Wider Access API."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from messaging.protocols.base import Protocol
from messaging.protocols.neso.settings import WaSettings
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.examples import examples
from messaging.protocols.neso.wa.loading import find_profiles, load_profile


def neso_wa_protocol(folder: Path | None = None) -> Protocol:
    """The protocol with the profiles of this package and those of an extra `folder`."""
    return Protocol(
        name="neso-wa",
        title="Wider Access API over HTTPS",
        codec=lambda name: WaCodec(load_profile(name, folder)),
        profiles=lambda: tuple(sorted(find_profiles(folder))),
        examples=partial(examples, folder=folder),
        transports=("https",),
        settings=lambda given: WaSettings.parse(given, profiles=find_profiles(folder)),
    )


PROTOCOL = neso_wa_protocol()
