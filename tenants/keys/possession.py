"""Proof that whoever names a control point's certificate has its key: a signature over a text that
says for whom it was made.

Without it a tenant could enter a certificate of another's, seen on its way over the wire, before
the other does, and the other's control point would be taken for theirs.
"""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from tenants.certificates import fingerprint_of
from tenants.keys.faults import unfit

_FIELD = "proof"


def text_to_sign(tenant_id: UUID, leaf: x509.Certificate) -> str:
    """What the proof is a signature over, with no line feed at its end."""
    return f"hostsvc {tenant_id} {fingerprint_of(leaf).hex()}"


def check(proof: str, tenant_id: UUID, leaf: x509.Certificate) -> None:
    """Raises Unfit, which says what to sign and how."""
    text = text_to_sign(tenant_id, leaf)
    if not proof:
        raise unfit(_FIELD, f"A proof that you have the certificate's key is needed. {_how(text)}")
    try:
        _verify(leaf, base64.b64decode(proof, validate=True), text.encode())
    except (binascii.Error, ValueError, InvalidSignature):
        text = f"This is not a signature by the certificate's key in base64. {_how(text)}"
        raise unfit(_FIELD, text) from None


def _how(text: str) -> str:
    return (
        f"Sign this text, without a line feed, with SHA-256: {text} (printf %s '{text}' |"
        " openssl dgst -sha256 -sign KEY | base64 -w0; for Ed25519, openssl pkeyutl -sign -rawin)"
    )


def _verify(leaf: x509.Certificate, signature: bytes, text: bytes) -> None:
    match leaf.public_key():
        case ec.EllipticCurvePublicKey() as key:
            key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
        case rsa.RSAPublicKey() as key:
            key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        case ed25519.Ed25519PublicKey() as key:
            key.verify(signature, text)
        case _:
            raise InvalidSignature
