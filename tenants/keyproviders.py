"""Who holds the master keys. A provider wraps and unwraps tenants' data keys; with one that asks a
KMS or an HSM the master key never enters a process of ours.

`KEY_PROVIDER` names the class (HOSTSVC_KEY_PROVIDER, a dotted path), which is made once a process,
without arguments. What a provider must promise is said at `KeyProvider`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from tenants import aead
from tenants.aead import VaultError


class MasterKeyMissing(VaultError):
    """No key that the provider holds has this id: it was taken away too early."""


class KeyProvider(Protocol):
    """Several keys, each with an id that tells nothing of it; one is current.

    `unwrap` works for every key that any stored data key is still wrapped by, `wrap` uses the
    current one. Both are called from many threads, seldom (a data key is unwrapped once a process),
    and may ask another machine; the transaction of a message may wait for that, so a provider has a
    time limit of its own and raises VaultError when it is over. `bound` must be authenticated with
    the wrapped bytes (a KMS calls it encryption context): it ties a data key to its tenant.
    """

    def current(self) -> str:
        """The id of the key that wraps from now on."""
        ...

    def wrap(self, clear: bytes, bound: bytes) -> tuple[str, bytes]:
        """The id of the key used, and the wrapped bytes."""
        ...

    def unwrap(self, key_id: str, wrapped: bytes, bound: bytes) -> bytes:
        """Raises VaultError; MasterKeyMissing where no key has this id."""
        ...


def id_of(master_key: bytes) -> str:
    """Names a master key without telling it."""
    return hashlib.sha256(b"master key id" + master_key).hexdigest()[:16]


class _Keys:
    """Keys in this process's memory, the current one first."""

    def keys(self) -> tuple[bytes, ...]:
        raise NotImplementedError

    def current(self) -> str:
        return id_of(self.keys()[0])

    def wrap(self, clear: bytes, bound: bytes) -> tuple[str, bytes]:
        key = self.keys()[0]
        return id_of(key), aead.encrypt(key, clear, bound)

    def unwrap(self, key_id: str, wrapped: bytes, bound: bytes) -> bytes:
        for key in self.keys():
            if id_of(key) == key_id:
                return aead.decrypt(key, wrapped, bound)
        raise MasterKeyMissing(f"no master key has the id {key_id}")


class EnvironmentKeys(_Keys):
    """HOSTSVC_MASTER_KEY, and those of HOSTSVC_MASTER_KEY_PREVIOUS. A change needs new
    processes.
    """

    def keys(self) -> tuple[bytes, ...]:
        return (settings.MASTER_KEY, *settings.MASTER_KEYS_PREVIOUS)


class FileKeys(_Keys):
    """HOSTSVC_MASTER_KEY_FILE: one key a line, the current one first. The file is read again
    whenever it has changed, so that a new key needs no restart; one that cannot be read changes
    nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int, int], tuple[bytes, ...]] | None = None

    def keys(self) -> tuple[bytes, ...]:
        with self._lock:
            try:
                return self._newest(settings.MASTER_KEY_FILE)
            except (OSError, ValueError) as error:
                if self._read is None:
                    raise VaultError(f"the master key file cannot be read: {error}") from None
                return self._read[1]

    def _newest(self, file: Path | None) -> tuple[bytes, ...]:
        if file is None:
            raise ValueError("HOSTSVC_MASTER_KEY_FILE is not set")
        told = file.stat()
        stamp = (told.st_mtime_ns, told.st_size, told.st_ino)
        if self._read is None or self._read[0] != stamp:
            self._read = (stamp, keys_in(file.read_text(encoding="ascii")))
        return (*self._read[1], *settings.MASTER_KEYS_PREVIOUS)


def keys_in(text: str) -> tuple[bytes, ...]:
    """Keys of 32 bytes in base64, between blanks, lines or commas. Raises ValueError."""
    try:
        keys = tuple(
            base64.b64decode(word, validate=True) for word in text.replace(",", " ").split()
        )
    except binascii.Error:
        raise ValueError("it is not base64") from None
    if not keys or any(len(key) != aead.KEY_BYTES for key in keys):
        raise ValueError(f"it does not hold keys of {aead.KEY_BYTES} bytes")
    return keys


_made: dict[str, KeyProvider] = {}
_making = threading.Lock()


def provider() -> KeyProvider:
    """The one that the settings name."""
    name = settings.KEY_PROVIDER
    with _making:
        if name not in _made:
            _made[name] = import_string(name)()
        return _made[name]
