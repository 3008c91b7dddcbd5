"""EDT: numbered files of records ahead of time, by a profile; what an endpoint of it can be set to
is here.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from messaging.protocols.base import Protocol
from messaging.protocols.edt.codec import EdtCodec
from messaging.protocols.edt.examples import examples
from messaging.protocols.edt.loading import find_profiles, load_profile


def edt_protocol(folder: Path | None = None) -> Protocol:
    """The protocol with the profiles of this package and those of an extra `folder`."""
    return Protocol(
        name="edt",
        title="EDT files",
        codec=lambda name: EdtCodec(load_profile(name, folder)),
        profiles=lambda: tuple(sorted(find_profiles(folder))),
        examples=partial(examples, folder=folder),
        transports=("sftp", "ftps", "ftp"),
        settings={"profile": "host-1"},
    )


PROTOCOL = edt_protocol()
