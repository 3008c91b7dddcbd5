"""EDL: real-time messages over one TCP link a control point, by a profile."""

from __future__ import annotations

from pathlib import Path

from messaging.protocols.base import Protocol, Reading, Shelf
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.examples import examples
from messaging.protocols.edl.loading import (
    OWN_FOLDER,
    find_profiles,
    load_profile,
    read_profile,
)
from messaging.protocols.edl.page import page_of
from messaging.protocols.edl.settings import EdlSettings


def edl_protocol(folder: Path | None = None) -> Protocol:
    """The protocol with the profiles of this package and those of an extra `folder`."""
    return Protocol(
        name="edl",
        title="EDL over TCP",
        codec=lambda name: EdlCodec(load_profile(name, folder)),
        profiles=lambda: tuple(sorted(find_profiles(folder))),
        examples=lambda name: examples(load_profile(name, folder)),
        transports=("tcp",),
        settings=lambda given: EdlSettings.parse(given, profiles=find_profiles(folder)),
        shelf=Shelf(OWN_FOLDER, _read, edl_protocol),
    )


def _read(path: Path) -> Reading:
    profile = read_profile(path)
    codec = EdlCodec(profile)
    return Reading(profile.name, profile.title, codec, examples(profile), page_of(profile))


PROTOCOL = edl_protocol()
