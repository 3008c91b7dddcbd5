"""TLS contexts, made from parsed keys and PEM text. Who is trusted is decided elsewhere; how TLS is
spoken, here.

OpenSSL's Python binding loads keys from files only, so a key passes through a file that is
encrypted under a one-time passphrase and gone a moment later: it never lies on a disk in clear.
"""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def client_context(ca_pem: str, certificate_pem: str, key: PrivateKeyTypes) -> ssl.SSLContext:
    """For connecting to a server that chains to `ca_pem` and no other authority; its host name is
    checked.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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
