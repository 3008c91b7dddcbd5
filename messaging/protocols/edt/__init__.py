"""EDT: numbered files of records ahead of time, by a profile."""

from __future__ import annotations

from pathlib import Path

from messaging.protocols.base import Protocol, Reading, Shelf
from messaging.protocols.edt.codec import EdtCodec
from messaging.protocols.edt.examples import examples
from messaging.protocols.edt.loading import (
    OWN_FOLDER,
    find_profiles,
    load_profile,
    read_profile,
)
from messaging.protocols.edt.page import page_of
from messaging.protocols.edt.settings import EdtSettings


def edt_protocol(folder: Path | None = None) -> Protocol:
    """The protocol with the profiles of this package and those of an extra `folder`."""
    return Protocol(
        name="edt",
        title="EDT files",
        codec=lambda name: EdtCodec(load_profile(name, folder)),
        profiles=lambda: tuple(sorted(find_profiles(folder))),
        examples=lambda name: examples(load_profile(name, folder)),
        transports=("sftp", "ftps", "ftp"),
        settings=lambda given: EdtSettings.parse(given, profiles=find_profiles(folder)),
        shelf=Shelf(OWN_FOLDER, _read, edt_protocol),
    )


def _read(path: Path) -> Reading:
    profile = read_profile(path)
    codec = EdtCodec(profile)
    return Reading(profile.name, profile.title, codec, examples(profile), page_of(profile))


PROTOCOL = edt_protocol()
