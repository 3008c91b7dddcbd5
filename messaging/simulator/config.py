"""What the simulator is told in its configuration file: typed, checked, certificates loaded.
Watching the file is `live.py`'s."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from messaging.simulator.certificates import (
    ALGORITHMS,
    Signer,
    Verifier,
    fingerprint,
    make_signer,
    make_verifier,
)
from messaging.simulator.dialect import DIALECTS, Dialect
from messaging.simulator.options import ConfigError, Options
from messaging.simulator.seals import SEALS


@dataclass(frozen=True, slots=True)
class ControlPoint:
    name: str
    bm_units: tuple[str, ...]
    driven: bool


@dataclass(frozen=True, slots=True)
class Tenant:
    participant_id: str
    trading_agent: str
    tls_fingerprints: frozenset[str]
    verifiers: Mapping[str, Verifier]
    control_points: Mapping[str, ControlPoint]
    bm_units: frozenset[str]
    seal: str
    dialect: Dialect
    algorithms: tuple[str, ...]
    smp_username: str
    smp_password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class AuthorityFiles:
    """The operator's own authority, which issues what a rehearsed rotation needs."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Ports:
    host: str
    wa: int
    smp: int
    control: int


@dataclass(frozen=True, slots=True)
class SmpTimes:
    """Seconds a transaction stays PENDING, then PROCESSING; and how long a token lasts."""

    pending: float
    processing: float
    token: int


@dataclass(frozen=True, slots=True)
class Config:
    participant_id: str
    ports: Ports
    tls: TlsFiles
    host_ca: Path
    host_wa_url: str
    host_smp_url: str
    dispatch_every: float | None
    smp_times: SmpTimes
    tenants: Mapping[str, Tenant]
    signer: Signer = field(repr=False)
    authority: AuthorityFiles | None = None

    def find_by_fingerprint(self, value: str) -> Tenant | None:
        found = (tenant for tenant in self.tenants.values() if value in tenant.tls_fingerprints)
        return next(found, None)

    def find_by_control_point(self, name: str) -> Tenant | None:
        found = (tenant for tenant in self.tenants.values() if name in tenant.control_points)
        return next(found, None)


def load(path: Path) -> Config:
    """Raises ConfigError, naming the key that is wrong, and never half a configuration."""
    try:
        raw = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: not a JSON object")
    root = (path.parent / str(raw.get("root", "."))).resolve()
    return _read_config(Options(raw, "", root))


def _read_config(options: Options) -> Config:
    tenants = [_read_tenant(item) for item in options.items("tenants")]
    _refuse_shared(tenants)
    tls = options.section("tls")
    signer = _read_signer(options.section("signing"))
    _refuse_unfit(signer, tenants)
    return Config(
        participant_id=options.text("participantId"),
        ports=_read_ports(options),
        tls=TlsFiles(tls.path("certificate"), tls.path("key"), tls.path("ca")),
        host_ca=options.path("hostCa"),
        host_wa_url=options.text("hostWaUrl").rstrip("/"),
        host_smp_url=options.text("hostSmpUrl").rstrip("/"),
        dispatch_every=options.seconds("dispatchEvery", None),
        smp_times=_read_smp_times(options.section("smpTimes", required=False)),
        tenants={tenant.participant_id: tenant for tenant in tenants},
        signer=signer,
        authority=_read_authority(options),
    )


def _read_authority(options: Options) -> AuthorityFiles | None:
    if options.values.get("authority") is None:
        return None
    files = options.section("authority")
    return AuthorityFiles(files.path("certificate"), files.path("key"))


def _read_ports(options: Options) -> Ports:
    return Ports(
        options.text("host", "127.0.0.1"),
        options.integer("waPort"),
        options.integer("smpPort"),
        options.integer("controlPort"),
    )


def _read_smp_times(options: Options) -> SmpTimes:
    return SmpTimes(
        options.seconds("pending", 1.0) or 0.0,
        options.seconds("processing", 1.0) or 0.0,
        int(options.seconds("token", 300.0) or 300),
    )


def _read_signer(options: Options) -> Signer:
    certificate = _load(options, options.path("certificate"))
    key = options.path("key").read_bytes()
    with options.naming("key"):
        return make_signer(key, certificate, options.text("algorithm", "") or None)


def _read_tenant(options: Options) -> Tenant:
    points = [_read_control_point(item) for item in options.items("controlPoints")]
    verifiers = _read_verifiers(options)
    tls = [_load(options, path) for path in options.paths("tlsCertificates")]
    smp = options.section("smp", required=False)
    return Tenant(
        participant_id=options.text("participantId"),
        trading_agent=options.text("tradingAgent"),
        tls_fingerprints=frozenset(fingerprint(item.public_bytes(Encoding.DER)) for item in tls),
        verifiers=verifiers,
        control_points={point.name: point for point in points},
        bm_units=frozenset(unit for point in points for unit in point.bm_units),
        seal=options.choice("seal", "jws-json", tuple(SEALS)),
        dialect=DIALECTS[options.choice("profile", "host-1", tuple(DIALECTS))],
        algorithms=options.choices("algorithms", ALGORITHMS),
        smp_username=smp.text("username", ""),
        smp_password=smp.text("password", ""),
    )


def _read_verifiers(options: Options) -> dict[str, Verifier]:
    loaded = [_load(options, path) for path in options.paths("signingCertificates")]
    with options.naming("signingCertificates"):
        verifiers = [make_verifier(certificate) for certificate in loaded]
    return {verifier.thumbprint: verifier for verifier in verifiers}


def _read_control_point(options: Options) -> ControlPoint:
    return ControlPoint(options.text("name"), options.texts("bmUnits"), options.flag("driven"))


def _load(options: Options, path: Path) -> x509.Certificate:
    """The file's first certificate: where a chain follows, its issuers are not pinned with it."""
    with options.naming(str(path)):
        return x509.load_pem_x509_certificates(path.read_bytes())[0]


def _refuse_shared(tenants: list[Tenant]) -> None:
    """Two tenants with one id or one TLS certificate could not be told apart."""
    ids: set[str] = set()
    pinned: set[str] = set()
    for tenant in tenants:
        if tenant.participant_id in ids or tenant.tls_fingerprints & pinned:
            raise ConfigError(
                f"tenants: {tenant.participant_id} is there twice, or its certificate"
            )
        ids.add(tenant.participant_id)
        pinned |= tenant.tls_fingerprints


def _refuse_unfit(signer: Signer, tenants: list[Tenant]) -> None:
    """Every tenant is spoken to by its own seal, and one key signs them all."""
    for tenant in tenants:
        if signer.algorithm not in SEALS[tenant.seal].algorithms:
            raise ConfigError(
                f"tenants: {tenant.participant_id}'s seal {tenant.seal} can't be signed with"
                f" {signer.algorithm}"
            )
