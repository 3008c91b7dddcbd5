"""The `jws-compact` seal: the body is a JWS in compact serialization (RFC 7515, 7.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jws import JWS  # type: ignore[import-untyped]

from messaging.simulator.certificates import ALGORITHMS, Signer, Verifier
from messaging.simulator.seals import jose
from messaging.simulator.seals.base import Claims, Exchange, Opened, SealBroken, Wire


class JwsCompact:
    name = "jws-compact"
    content_type = "application/jose"
    algorithms: tuple[str, ...] = ALGORITHMS

    def close(self, payload: bytes, claims: Claims, signer: Signer, exchange: Exchange) -> Wire:
        token = JWS(payload)
        token.allowed_algs = [signer.algorithm]
        token.add_signature(signer.key, None, jose.write_header(claims, signer))
        return Wire(token.serialize(compact=True).encode("ascii"), self.content_type)

    def open(
        self,
        wire: Wire,
        trusted: Mapping[str, Verifier],
        algorithms: Sequence[str],
        exchange: Exchange,
    ) -> Opened:
        parts = wire.body.split(b".")
        if len(parts) != 3 or not wire.body.isascii():
            raise SealBroken("the body is not three segments of base64url")
        names = ("protected", "payload", "signature")
        protected, payload, _ = (
            jose.read_base64url(part.decode("ascii"), name)
            for part, name in zip(parts, names, strict=True)
        )
        header = jose.read_header(protected)
        verifier = jose.find_verifier(header, trusted, algorithms)
        token = JWS()
        token.allowed_algs = [header["alg"]]
        try:
            token.deserialize(wire.body.decode("ascii"))
            token.verify(verifier.key)
        except (JWException, ValueError, TypeError):
            raise SealBroken("the signature does not hold") from None
        return Opened(payload, jose.read_claims(header), verifier)
