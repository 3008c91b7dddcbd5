"""The authority that issues the replay tenants' certificates, and who must know of it.

It is another than the demonstration's, whose key is kept nowhere. Its word opens no more than a TLS
handshake: who someone is, is the pinned leaf.
"""

from __future__ import annotations

from pathlib import Path

from messaging.rehearsal.authority import Authority, write_private


def folder_of(var: Path) -> Path:
    """Where a stack's replays keep what is theirs."""
    return var / "replay"


def replay_authority(var: Path) -> Authority:
    folder = folder_of(var)
    return Authority.kept("hostsvc market replay", folder / "ca.pem", folder / "ca.key")


def admit_replays(bundle: Path, var: Path) -> None:
    """Adds the authority to the host's bundle of client authorities, before listeners read it."""
    trusted = bundle.read_text()
    authority = replay_authority(var)
    if authority.pem not in trusted:
        write_private(bundle, trusted + authority.pem)
