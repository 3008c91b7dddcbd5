"""EDL: real-time messages over one TCP link a control point, by a profile."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from messaging.protocols.base import Protocol
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.examples import examples
from messaging.protocols.edl.loading import find_profiles, load_profile
from messaging.protocols.edl.settings import EdlSettings


def edl_protocol(folder: Path | None = None) -> Protocol:
    """The protocol with the profiles of this package and those of an extra `folder`."""
    return Protocol(
        name="edl",
        title="EDL over TCP",
        codec=lambda name: EdlCodec(load_profile(name, folder)),
        profiles=lambda: tuple(sorted(find_profiles(folder))),
        examples=partial(examples, folder=folder),
        transports=("tcp",),
        settings=lambda given: EdlSettings.parse(given, profiles=find_profiles(folder)),
    )


PROTOCOL = edl_protocol()
