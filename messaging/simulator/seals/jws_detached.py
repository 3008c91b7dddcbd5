"""The `jws-detached` seal: the body is the payload, and the header X-JWS-Signature a compact JWS
without it (RFC 7515, appendix F; RFC 7797)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jws import JWS  # type: ignore[import-untyped]

from messaging.simulator.certificates import ALGORITHMS, Signer, Verifier
from messaging.simulator.seals import jose
from messaging.simulator.seals.base import (
    Claims,
    Exchange,
    Opened,
    SealBroken,
    Wire,
    read_header_line,
)

_SIGNATURE = "X-JWS-Signature"
_EXTRA = {"b64": False, "crit": ["b64"]}


class JwsDetached:
    name = "jws-detached"
    content_type = "application/json"
    algorithms: tuple[str, ...] = ALGORITHMS

    def close(self, payload: bytes, claims: Claims, signer: Signer, exchange: Exchange) -> Wire:
        token = JWS(payload)
        token.allowed_algs = [signer.algorithm]
        token.add_signature(signer.key, None, jose.write_header(claims, signer, _EXTRA))
        token.detach_payload()
        return Wire(payload, self.content_type, {_SIGNATURE: token.serialize(compact=True)})

    def open(
        self,
        wire: Wire,
        trusted: Mapping[str, Verifier],
        algorithms: Sequence[str],
        exchange: Exchange,
    ) -> Opened:
        line = read_header_line(wire, _SIGNATURE)
        protected, between, signature = line.partition("..")
        if not between:
            raise SealBroken(f"the header {_SIGNATURE} is not a JWS without its payload")
        header = jose.read_header(jose.read_base64url(protected, "protected"))
        jose.read_base64url(signature, "signature")
        verifier = jose.find_verifier(header, trusted, algorithms, _EXTRA)
        token = JWS()
        token.allowed_algs = [header["alg"]]
        try:
            token.deserialize(line)
            token.verify(verifier.key, detached_payload=wire.body)
        except (JWException, ValueError, TypeError):
            raise SealBroken("the signature does not hold") from None
        return Opened(wire.body, jose.read_claims(header), verifier)
