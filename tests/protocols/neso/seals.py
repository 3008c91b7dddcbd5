"""What the tests of all seals share: each closed and opened by its name, for the usual parties."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from messaging.protocols.neso.seals import (
    SEALS,
    Heading,
    Opened,
    Sealed,
    SealError,
    Target,
    fitting_algorithms,
    get_seal,
)
from messaging.protocols.neso.seals.base import MESSAGE_ID, Trusted
from tests.protocols.neso.parties import ALICE, EVERY, MESSAGE, NOW, PAYLOAD, SO, Party, party
from tests.protocols.neso.plain import Writer

__all__ = ["SEALS", "Sealed"]

TARGET = Target("POST", "https://host.example:8443/wa/simulator/NESO_Health")
ALGORITHM_OF = {
    kind: fitting_algorithms(party(kind).signing.key) for kind in ("rsa", "p256", "ed25519")
}
PAIRS = [
    (seal, kind, algorithm)
    for seal in SEALS
    for kind, algorithms in ALGORITHM_OF.items()
    for algorithm in algorithms
    if seal != "content-hash" or algorithm == "RS256"
]
"""Each seal with each kind of key and each algorithm that it can sign with."""


def close(
    seal: str,
    signer: Party,
    payload: bytes = PAYLOAD,
    *,
    issuer: str = SO,
    audience: str = ALICE,
    reference: str = MESSAGE,
    now: datetime = NOW,
    algorithm: str | None = None,
    target: Target | None = TARGET,
) -> Sealed:
    return get_seal(seal).close(
        payload,
        key=signer.signing,
        issuer=issuer,
        audience=audience,
        reference=reference,
        now=now,
        algorithm=algorithm,
        target=target,
    )


def peek(seal: str, sealed: Sealed) -> Heading:
    return get_seal(seal).peek(sealed)


def open_seal(
    seal: str,
    sealed: Sealed,
    trusted: Trusted,
    *,
    audience: str = ALICE,
    issuer: str | None = SO,
    algorithms: frozenset[str] = EVERY,
    now: datetime = NOW,
    target: Target | None = TARGET,
    id_at: tuple[str, ...] = MESSAGE_ID,
) -> Opened:
    return get_seal(seal).open(
        sealed,
        trusted=trusted,
        audience=audience,
        issuer=issuer,
        algorithms=algorithms,
        now=now,
        target=target,
        id_at=id_at,
    )


def writer(signer: Party, algorithm: str, **changes: Any) -> Writer:
    """Signs as `close` does, and what `close` would not, with `cryptography` alone."""
    names = {"issuer": SO, "audience": ALICE, "at": NOW, "verb": TARGET.verb, "url": TARGET.url}
    certificate = signer.trusted.certificate
    return Writer(
        key=signer.signing.key, certificate=certificate, algorithm=algorithm, **{**names, **changes}
    )


UNTRUSTED = "The signing certificate is not a trusted certificate of the issuer."
NO_SIGNATURE = "The signature does not hold."

each_seal = pytest.mark.parametrize("seal", SEALS)
each_pair = pytest.mark.parametrize(("seal", "kind", "algorithm"), PAIRS)
each_jws = pytest.mark.parametrize("seal", [name for name in SEALS if name.startswith("jws-")])


def reason(seal: str, sealed: Sealed, *trusted: Party, **options: Any) -> str:
    """Why it is refused, in a sentence that may be told to a peer."""
    believed = [one.trusted for one in trusted or (party("rsa"),)]
    with pytest.raises(SealError) as caught:
        open_seal(seal, sealed, believed, **options)
    told = caught.value.reason
    assert told.endswith(".")
    assert len(told) < 200
    return told


def signed_by(signer: Party, seal: str, payload: bytes = PAYLOAD, **changes: Any) -> Sealed:
    """Signed well, whatever it says, without the code under test."""
    reference = changes.pop("reference", MESSAGE)
    return writer(signer, "RS256", **changes).close(seal, payload, reference)


def parts_of(seal: str, sealed: Sealed) -> tuple[str, bytes, str]:
    """Protected header, what is signed after it, signature."""
    if seal == "jws-detached":
        protected, _, signature = sealed.headers["X-JWS-Signature"].split(".")
        return protected, sealed.body, signature
    if seal == "jws-compact":
        first, second, third = sealed.body.decode().split(".")
        return first, second.encode(), third
    body = json.loads(sealed.body)
    return body["protected"], body["payload"].encode(), body["signature"]


def joined(seal: str, protected: str, content: bytes, signature: str) -> Sealed:
    type_ = SEALS[seal].content_type
    if seal == "jws-detached":
        return Sealed(content, type_, {"X-JWS-Signature": f"{protected}..{signature}"})
    text = content.decode("utf-8", "surrogateescape")
    if seal == "jws-compact":
        token = f"{protected}.{text}.{signature}"
        return Sealed(token.encode("utf-8", "surrogatepass"), type_)
    body = {"payload": text, "protected": protected, "signature": signature}
    return Sealed(json.dumps(body).encode(), type_)


def with_signature(seal: str, sealed: Sealed, signature: bytes) -> Sealed:
    if seal == "content-hash":
        lines = {**sealed.headers, "X-Signature": base64.b64encode(signature).decode()}
        return replace(sealed, headers=lines)
    protected, content, _ = parts_of(seal, sealed)
    encoded = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    return joined(seal, protected, content, encoded)


def header_of(seal: str) -> dict[str, Any]:
    protected, _, _ = parts_of(seal, close(seal, party("rsa")))
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(protected + "=="))
    return header
