"""The key that the SFTP server is known by: made once, kept in the folder of the files for its
owner alone, and the same for every process and after every start.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from django.conf import settings

_NAME = "ssh_host_ed25519_key"


def private_key() -> bytes:
    """In OpenSSH's form; made now where there is none. Raises OSError."""
    path = _path()
    if not path.exists():
        _make(path)
    return path.read_bytes()


def public_key() -> str:
    """One line, as a client pins it. Raises OSError."""
    key = load_ssh_private_key(private_key(), password=None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _path() -> Path:
    return Path(settings.FILES_DIR) / _NAME


def _make(path: Path) -> None:
    """Of several processes that make one at the same time, one has made it for all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(made)
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink()
