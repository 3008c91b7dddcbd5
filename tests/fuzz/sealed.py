"""Inputs for the seals that are no JSON: whole records, changed anywhere, or signed well over what
is wrong within; and a second opinion on whatever opens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)
from cryptography.hazmat.primitives.hashes import SHA256

from messaging.protocols.neso.seals import Sealed, SealError, Target, TrustedKey, get_seal
from tests.fuzz.mutators import ANYWHERE, IN_JSON, mutated
from tests.protocols.neso.plain import Writer, open_plain
from tests.simulator.peer import thumbprint

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TARGET = Target("POST", "https://host.example/wa/simulator/NESO_Health")
NAMES = ("jws-compact", "jws-detached", "content-hash")
ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
MOST_REASON = 300
_DATE, _ISSUER = "X-Signature-Date", "X-Signature-Issuer"


@dataclass(frozen=True, slots=True)
class _Signer:
    key: Ed25519PrivateKey | RSAPrivateKey
    algorithm: str
    certificate: x509.Certificate

    def writer(self, lines: Mapping[str, str | None] | None = None) -> Writer:
        who = (self.key, self.certificate, "NGESO", "ALICE")
        return Writer(*who, NOW, self.algorithm, TARGET.verb, TARGET.url, lines=lines or {})


@cache
def _signer(seal: str) -> _Signer:
    """The same in every process and run, as neither algorithm signs with chance: a seed tells it
    all.
    """
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "NGESO")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(NOW - timedelta(days=1))
    builder = builder.not_valid_after(NOW + timedelta(days=1))
    if seal == "content-hash":
        rsa = _rsa_key(Random(2026))
        signed = builder.public_key(rsa.public_key()).sign(rsa, SHA256())
        return _Signer(rsa, "RS256", signed)
    seed = hashlib.sha256(b"the fuzzer's signer").digest()
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return _Signer(key, "EdDSA", builder.public_key(key.public_key()).sign(key, None))


def _rsa_key(rng: Random) -> RSAPrivateKey:
    """Of 2048 bits, from the generator alone; for no other use."""
    p, q, e = _prime(rng), _prime(rng), 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    crt = (rsa_crt_dmp1(d, p), rsa_crt_dmq1(d, q), rsa_crt_iqmp(p, q))
    return RSAPrivateNumbers(p, q, d, *crt, RSAPublicNumbers(e, p * q)).private_key()


def _prime(rng: Random) -> int:
    while True:
        found = rng.getrandbits(1024) | (3 << 1022) | 1
        if all(found % small for small in range(3, 2000, 2)) and all(
            pow(base, found - 1, found) == 1 for base in (2, 3, 5, 7)
        ):
            return found


def make(seal: str, payloads: Sequence[bytes]) -> Callable[[Random], bytes]:
    """Records of a seal around these payloads, and around others."""

    @cache
    def good() -> tuple[bytes, ...]:
        writer = _signer(seal).writer()
        return tuple(writer.close(seal, one, _id_of(one)).record for one in payloads)

    def of(rng: Random) -> bytes:
        layer, payload = rng.randrange(4), rng.choice(payloads)
        if layer < 2:
            return mutated(rng, good(), ANYWHERE)
        if layer == 2:
            changed = mutated(rng, (payload, *payloads), IN_JSON)
            return _signer(seal).writer().close(seal, changed, _id_of(payload)).record
        return _wrong_within(rng, seal, payload)

    return of


def _wrong_within(rng: Random, seal: str, payload: bytes) -> bytes:
    """Signed well: a protected header, or a line that is signed, that is not what it must be."""
    signer = _signer(seal)
    if seal != "content-hash":
        changed = mutated(rng, (_header(seal, payload),), IN_JSON)
        return signer.writer().close_raw(seal, payload, changed).record
    name, right = rng.choice(((_DATE, b"2026-11-22T10:00:00.000Z"), (_ISSUER, b"NGESO")))
    value = mutated(rng, (right,), ANYWHERE).decode("latin-1")
    return signer.writer({name: value}).close(seal, payload, "").record


def _header(seal: str, payload: bytes) -> bytes:
    named = thumbprint(_signer(seal).certificate)
    header = {"alg": "EdDSA", "kid": named, "x5t#S256": named, "typ": "wa+json"}
    header |= {"iss": "NGESO", "aud": "ALICE", "jti": _id_of(payload)}
    extra = {"b64": False, "crit": ["b64"]} if seal == "jws-detached" else {}
    return json.dumps({**header, "iat": int(NOW.timestamp()), **extra}).encode()


def _id_of(payload: bytes) -> str:
    return str(json.loads(payload)["messageId"])


def take(seal: str) -> Callable[[Random, bytes], None]:
    """Looked at and opened; what opens is what was signed, by the reckoning of other code."""

    def of(rng: Random, data: bytes) -> None:
        sealed, certificate = Sealed.from_record(data), _signer(seal).certificate
        trusted = TrustedKey(thumbprint(certificate), certificate, "NGESO")
        try:
            heading = get_seal(seal).peek(sealed)
            opened = get_seal(seal).open(
                sealed,
                trusted=(trusted,),
                audience="ALICE",
                issuer="NGESO",
                algorithms=ALGORITHMS,
                now=NOW,
                target=TARGET,
            )
        except SealError as error:
            _tellable(error.reason)
            return
        assert opened.heading == heading
        again, _ = open_plain(seal, sealed, certificate, TARGET.verb, TARGET.url)
        assert opened.payload == again

    return of


def _tellable(reason: str) -> None:
    assert 0 < len(reason.encode("utf-8")) <= MOST_REASON
