"""The signatures of RFC 7515 and RFC 8037 under the rules of our seals, and a second library both
ways.
"""

from __future__ import annotations

import json

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
from jwcrypto.jws import JWS  # type: ignore[import-untyped]

from messaging.protocols.neso.seals import Sealed, SealError
from messaging.protocols.neso.seals.jose import verify_flattened
from messaging.protocols.neso.seals.keys import JoseKey
from tests.protocols.neso.parties import (
    KINDS,
    PAYLOAD,
    body_of,
    close,
    decode,
    encode,
    header_of,
    open_seal,
    party,
)

JOE = encode(b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}')

A2_KEY = RSAKey.import_key(
    {
        "kty": "RSA",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx"
        "HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
        "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSH"
        "SXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"
        "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8"
        "NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e": "AQAB",
    }
)
A2_SIGNATURE = (
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
    "AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
    "BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
    "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
    "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
    "p0igcN_IoypGlUPQGe77Rw"
)
A3_KEY = ECKey.import_key(
    {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
)
A3_SIGNATURE = (
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
ED_KEY = OKPKey.import_key(
    {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
)
ED_SIGNATURE = (
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
VECTORS = {
    "RFC 7515 A.2": ("RS256", A2_KEY, JOE, A2_SIGNATURE),
    "RFC 7515 A.3": ("ES256", A3_KEY, JOE, A3_SIGNATURE),
    "RFC 8037 A.4": ("EdDSA", ED_KEY, encode(b"Example of Ed25519 signing"), ED_SIGNATURE),
}
each_vector = pytest.mark.parametrize(
    ("algorithm", "key", "payload", "signature"), VECTORS.values(), ids=VECTORS
)


def members(algorithm: str, payload: str, signature: str) -> dict[str, str]:
    protected = encode(f'{{"alg":"{algorithm}"}}'.encode())
    return {"payload": payload, "protected": protected, "signature": signature}


@each_vector
def test_a_published_signature_holds(
    algorithm: str, key: JoseKey, payload: str, signature: str
) -> None:
    verify_flattened(members(algorithm, payload, signature), algorithm, key)


@each_vector
def test_a_published_signature_holds_for_nothing_else(
    algorithm: str, key: JoseKey, payload: str, signature: str
) -> None:
    raw = decode(signature)
    broken = encode(bytes([raw[0] ^ 1]) + raw[1:])
    other = encode(decode(payload) + b" ")
    for body in (members(algorithm, payload, broken), members(algorithm, other, signature)):
        with pytest.raises(SealError):
            verify_flattened(body, algorithm, key)


@each_vector
@pytest.mark.parametrize("named", ["none", "HS256", "RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
def test_the_message_does_not_choose_the_algorithm(
    algorithm: str, key: JoseKey, payload: str, signature: str, named: str
) -> None:
    if named == algorithm:
        return
    with pytest.raises(SealError):
        verify_flattened(members(algorithm, payload, signature), named, key)
    with pytest.raises(SealError):
        verify_flattened(members(named, payload, signature), algorithm, key)


each_algorithm = pytest.mark.parametrize("algorithm", sorted(KINDS))


@each_algorithm
def test_another_library_verifies_what_we_sign(algorithm: str) -> None:
    signer = party(KINDS[algorithm])
    token = JWS()
    token.allowed_algs = [algorithm]
    token.deserialize(close(signer, algorithm=algorithm).body.decode())
    token.verify(JWK.from_pyca(signer.trusted.certificate.public_key()))
    assert token.payload == PAYLOAD


@each_algorithm
def test_we_verify_what_another_library_signs(algorithm: str) -> None:
    signer = party(KINDS[algorithm])
    header = header_of(close(signer, algorithm=algorithm))
    token = JWS(PAYLOAD)
    token.allowed_algs = [algorithm]
    token.add_signature(JWK.from_pyca(signer.signing.key), None, json.dumps(header))
    sealed = Sealed(token.serialize(compact=False).encode(), "application/jose+json")
    assert open_seal(sealed, [signer.trusted]).payload == PAYLOAD


def test_an_ecdsa_signature_differs_each_time_and_the_others_do_not() -> None:
    for kind, differs in (("p256", True), ("rsa", False), ("ed25519", False)):
        one, other = (body_of(close(party(kind)))["signature"] for _ in range(2))
        assert (one != other) is differs
