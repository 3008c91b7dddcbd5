"""The `jws-json` seal: the body is a JWS in flattened JSON serialization (RFC 7515, 7.2.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jws import JWS  # type: ignore[import-untyped]

from messaging.simulator.certificates import ALGORITHMS, Signer, Verifier
from messaging.simulator.seals import jose
from messaging.simulator.seals.base import Claims, Exchange, Opened, SealBroken, Wire
from messaging.simulator.strict_json import NotStrictJson, parse_object


class JwsJson:
    name = "jws-json"
    content_type = "application/jose+json"
    algorithms: tuple[str, ...] = ALGORITHMS

    def close(self, payload: bytes, claims: Claims, signer: Signer, exchange: Exchange) -> Wire:
        token = JWS(payload)
        token.allowed_algs = [signer.algorithm]
        token.add_signature(signer.key, None, jose.write_header(claims, signer))
        return Wire(token.serialize(compact=False).encode("ascii"), self.content_type)

    def open(
        self,
        wire: Wire,
        trusted: Mapping[str, Verifier],
        algorithms: Sequence[str],
        exchange: Exchange,
    ) -> Opened:
        body = self._read_body(wire.body)
        header = jose.read_header(jose.read_base64url(body["protected"], "protected"))
        verifier = jose.find_verifier(header, trusted, algorithms)
        payload = jose.read_base64url(body["payload"], "payload")
        jose.read_base64url(body["signature"], "signature")
        self._verify(body, str(header["alg"]), verifier)
        return Opened(payload, jose.read_claims(header), verifier)

    @staticmethod
    def _read_body(data: bytes) -> dict[str, object]:
        try:
            body = parse_object(data)
        except NotStrictJson as error:
            raise SealBroken(f"JWS: {error}") from None
        for name in ("payload", "protected", "signature"):
            if name not in body:
                raise SealBroken(f"JWS: member {name} is missing")
        for name in ("header", "signatures"):
            if name in body:
                raise SealBroken(f"JWS: member {name} is not allowed")
        return body

    @staticmethod
    def _verify(body: Mapping[str, object], algorithm: str, verifier: Verifier) -> None:
        names = ("payload", "protected", "signature")
        token = JWS()
        token.allowed_algs = [algorithm]
        try:
            token.deserialize(json.dumps({name: body[name] for name in names}))
            token.verify(verifier.key)
        except (JWException, ValueError, TypeError):
            raise SealBroken("the signature does not hold") from None
