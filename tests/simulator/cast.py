"""The certificates of the cast, made on the spot, and a configuration file that names them."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Pair:
    certificate: x509.Certificate
    key: PrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def save(self, folder: Path, name: str) -> tuple[Path, Path]:
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self.certificate_pem)
        key.write_bytes(self.key_pem)
        return certificate, key


def make_key(kind: str = "ES256") -> PrivateKey:
    if kind in ("RS256", "PS256"):
        return rsa.generate_private_key(65537, 2048)
    if kind in ("EdDSA", "Ed25519"):
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def make_pair(
    name: str,
    issuer: Pair | None = None,
    *,
    kind: str = "ES256",
    from_days: int = -1,
    days: int = 9,
) -> Pair:
    key = make_key(kind)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begins = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=from_days)
    signer = key if issuer is None else issuer.key
    builder = (
        x509.CertificateBuilder(
            subject if issuer is None else issuer.certificate.subject,
            subject,
            key.public_key(),
            x509.random_serial_number(),
        )
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        local = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = builder.add_extension(local, critical=False)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Pair(builder.sign(signer, digest), key)


@dataclass(frozen=True)
class Cast:
    """The operator, the host, and two tenants; mallory has a good certificate that nobody
    pinned."""

    operator_ca: Pair
    operator_tls: Pair
    operator_signing: Pair
    host_ca: Pair
    host_tls: Pair
    tenant_ca: Pair
    alice_tls: Pair
    alice_signing: Pair
    alice_expired: Pair
    alice_future: Pair
    bob_tls: Pair
    bob_signing: Pair
    mallory_tls: Pair


@cache
def make_cast() -> Cast:
    operator_ca, host_ca, tenant_ca = (
        make_pair(f"{name} CA") for name in ("operator", "host", "tenant")
    )
    return Cast(
        operator_ca=operator_ca,
        operator_tls=make_pair("operator", operator_ca),
        operator_signing=make_pair("operator signing", operator_ca),
        host_ca=host_ca,
        host_tls=make_pair("host", host_ca),
        tenant_ca=tenant_ca,
        alice_tls=make_pair("alice", tenant_ca),
        alice_signing=make_pair("alice signing", tenant_ca),
        alice_expired=make_pair("alice expired", tenant_ca, from_days=-9, days=2),
        alice_future=make_pair("alice future", tenant_ca, from_days=2),
        bob_tls=make_pair("bob", tenant_ca),
        bob_signing=make_pair("bob signing", tenant_ca),
        mallory_tls=make_pair("mallory", tenant_ca),
    )


_contexts: dict[int, tuple[Pair | None, ssl.SSLContext]] = {}


def client_context(cast: Cast, pair: Pair | None, folder: Path) -> ssl.SSLContext:
    """How the host connects to the operator: with this pair, or with no certificate at all."""
    if id(pair) not in _contexts:
        context = ssl.create_default_context(cadata=cast.operator_ca.certificate_pem.decode())
        if pair is not None:
            context.load_cert_chain(*pair.save(folder, "client"))
        # The pair is kept with its context, so that its id stays its own.
        _contexts[id(pair)] = (pair, context)
    return _contexts[id(pair)][1]


def host_context(cast: Cast, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cast.host_tls.save(folder, "host"))
    context.load_verify_locations(cadata=cast.operator_ca.certificate_pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def write_config(cast: Cast, folder: Path, host_port: int, **changes: Any) -> Path:
    tls = cast.operator_tls.save(folder, "operator-tls")
    signing = changes.pop("operator_signing", cast.operator_signing).save(
        folder, "operator-signing"
    )
    for name, pair in (("tenant-ca", cast.tenant_ca), ("host-ca", cast.host_ca)):
        (folder / f"{name}.pem").write_bytes(pair.certificate_pem)
    config = {
        "root": str(folder),
        "host": "127.0.0.1",
        "waPort": 0,
        "smpPort": 0,
        "controlPort": 0,
        "participantId": "NGESO",
        "tls": {"certificate": tls[0].name, "key": tls[1].name, "ca": "tenant-ca.pem"},
        "signing": {"certificate": signing[0].name, "key": signing[1].name},
        "hostCa": "host-ca.pem",
        "hostWaUrl": f"https://127.0.0.1:{host_port}/wa/simulator",
        "hostSmpUrl": f"https://127.0.0.1:{host_port}/smp/simulator",
        "tenants": [alice(cast, folder), bob(cast, folder)],
        "dispatchEvery": None,
        "smpTimes": {"pending": 0.02, "processing": 0.02, "token": 60},
        **changes,
    }
    path = folder / "simulator.json"
    # A file is put in place whole: the simulator looks at it while it is being written.
    draft = folder / "simulator.json.tmp"
    draft.write_text(json.dumps(config))
    draft.replace(path)
    return path


def alice(cast: Cast, folder: Path) -> dict[str, Any]:
    return make_tenant(
        folder,
        "ALICE",
        cast.alice_tls,
        (cast.alice_signing, cast.alice_expired, cast.alice_future),
        [
            {"name": "CPALFA", "bmUnits": ["BMU-1", "BMU-2"], "driven": True},
            {"name": "CPBRAVO", "bmUnits": ["BMU-3"]},
        ],
    )


def bob(cast: Cast, folder: Path) -> dict[str, Any]:
    return make_tenant(
        folder,
        "BOB",
        cast.bob_tls,
        (cast.bob_signing,),
        [{"name": "CPBOB", "bmUnits": ["BMU-B"]}],
    )


def make_tenant(
    folder: Path,
    participant_id: str,
    tls: Pair,
    signing: tuple[Pair, ...],
    control_points: list[dict[str, Any]],
) -> dict[str, Any]:
    name = participant_id.lower()
    return {
        "participantId": participant_id,
        "tradingAgent": participant_id,
        "tlsCertificates": [tls.save(folder, f"{name}-tls")[0].name],
        "signingCertificates": [
            pair.save(folder, f"{name}-signing-{index}")[0].name
            for index, pair in enumerate(signing)
        ],
        "smp": {"username": name, "password": f"{name}-password"},
        "controlPoints": control_points,
    }
