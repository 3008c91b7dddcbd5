"""TLS contexts, made from parsed keys and PEM text. Who is trusted is decided elsewhere; how TLS is
spoken, here.

OpenSSL's Python binding loads keys from files only, so a key passes through a file that is
encrypted under a one-time passphrase and gone a moment later: it never lies on a disk in clear.
"""

from __future__ import annotations

import os
import secrets
import socket
import ssl
import tempfile
import threading
from pathlib import Path
from typing import Any
from weakref import WeakSet

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_CUT = "the client certificate is in force no more"


class ClientContext(ssl.SSLContext):
    """Can be cut: then the connections that it made are closed, idle or in use, and it makes no
    more. Whoever is reading from one finds it at its end.
    """

    def __init__(self, *_: object) -> None:
        self._lock = threading.Lock()
        self._is_cut = False
        self._sockets: WeakSet[ssl.SSLSocket] = WeakSet()

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        self._refuse_if_cut()
        made = super().wrap_socket(*args, **options)
        with self._lock:
            self._sockets.add(made)
        try:
            self._refuse_if_cut()
        except ConnectionAbortedError:
            _shut(made)
            raise
        return made

    def _refuse_if_cut(self) -> None:
        if self._is_cut:
            raise ConnectionAbortedError(_CUT)

    def cut(self) -> int:
        """Returns how many connections it closed."""
        with self._lock:
            self._is_cut = True
            made, self._sockets = list(self._sockets), WeakSet()
        return sum(_shut(one) for one in made)

    def mend(self) -> None:
        """It may make connections again."""
        self._is_cut = False


def _shut(made: ssl.SSLSocket) -> bool:
    """Shuts the socket below: TLS itself would wait for the reader who holds it."""
    try:
        socket.socket.shutdown(made, socket.SHUT_RDWR)
    except OSError:
        return False
    return True


def client_context(ca_pem: str, certificate_pem: str, key: PrivateKeyTypes) -> ClientContext:
    """For connecting to a server that chains to `ca_pem` and no other authority; its host name is
    checked.
    """
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca_pem)
    _load_key_pair(context, certificate_pem, key)
    return context


def server_context(
    certificate: Path, key: Path, client_ca_pem: str, *, client_required: bool = True
) -> ssl.SSLContext:
    """For a listener whose clients show a certificate that chains to `client_ca_pem`.

    Chaining lets a client in no further than the hand-shake: who it is, is its leaf's pinned
    fingerprint.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=client_ca_pem)
    context.verify_mode = ssl.CERT_REQUIRED if client_required else ssl.CERT_OPTIONAL
    return context


def _load_key_pair(context: ssl.SSLContext, pem: str, key: PrivateKeyTypes) -> None:
    passphrase = secrets.token_bytes(32).hex().encode()
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    file, name = tempfile.mkstemp(prefix="hostsvc-")
    try:
        with os.fdopen(file, "wb") as out:
            out.write(pem.encode() + b"\n" + sealed)
        context.load_cert_chain(name, password=passphrase)
    finally:
        Path(name).unlink()
