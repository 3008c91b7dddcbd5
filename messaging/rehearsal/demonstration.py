"""Enrols the demonstration's tenants, and writes what the simulator and anyone who wants to connect
must know.

Files lie under `var/demo`: certificates, the keys of control points and of the simulated operator,
and the tenants' API keys. The tenants' own signing and client keys are in the vault and nowhere
else.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.contrib.auth.models import User

from messaging.files import host_key
from messaging.rehearsal import introductions
from messaging.rehearsal.authority import Authority, Issued, write_private
from messaging.rehearsal.cast import CAST, THE_DEMONSTRATION, CastControlPoint, CastTenant
from messaging.rehearsal.market.trust import admit_replays
from messaging.relay.register import FILE_PROTOCOL, LEGACY_PROTOCOL, OPERATOR_PROTOCOL
from messaging.relay.signing import OPERATOR
from messaging.relay.smp import logins
from tenants import api_keys, directory, endpoints, file_logins, members, peers
from tenants.endpoints import Draft
from tenants.models import Endpoint, Environment, Member, Peer, PeerCertificate
from tenants.onboarding.enrol import (
    ControlPointPlan,
    KeyPairPlan,
    OperatorPlan,
    TenantPlan,
    enrol,
    point_operator,
    renew,
)
from tenants.permissions import Role
from tenants.scope import tenant_scope

ENVIRONMENT = Environment.SIMULATOR
SIMULATOR = "simulator"
SMP_PROTOCOL = "neso-smp"
ADMINISTRATOR = "admin"
_BY = {"by": THE_DEMONSTRATION}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything of this run listens, as absolute URLs or (host, port)."""

    edl: tuple[str, int]
    sftp: tuple[str, int]
    ftps: tuple[str, int]
    inbound: str
    api: str
    admin: str
    simulator_wa: str
    simulator_smp: str
    simulator_control: str
    dispatch_every: float | None


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The files of one demonstration under `folder`; `root` is what paths are told relative to."""

    root: Path
    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def told(self, path: Path) -> str:
        return os.path.relpath(path, self.root)


def prepare(demo: Demonstration, tls: Path, addresses: Addresses) -> None:
    """Makes certificates, tenants and keys where they are missing, and leads everyone to this run's
    simulator.
    """
    made = demo.folder / "made.json"
    if not made.exists() or not all(_find(tenant) for tenant in CAST):
        _make(demo, tls, addresses)
    admit_replays(tls / "ca.pem", demo.folder.parent)
    known = json.loads(made.read_text())
    if not all("fileLogin" in known[tenant.name] for tenant in CAST):
        _make_file_logins(demo, known)
        write_private(made, _json(known))
    peer = Peer.objects.get(name=SIMULATOR)
    for tenant in CAST:
        for protocol, address in (
            (OPERATOR_PROTOCOL, addresses.simulator_wa),
            (SMP_PROTOCOL, addresses.simulator_smp),
        ):
            point_operator(_get(tenant), protocol, address, peer, by=THE_DEMONSTRATION)
        _let_log_in(tenant, known[tenant.name]["smpPassword"])
    for_simulator = _for_simulator(demo, addresses, known, tls / "ca.pem")
    others = introductions.introduce_again(demo.folder, addresses.simulator_wa, peer)
    for_simulator["tenants"].extend(others)
    write_private(demo.folder / "simulator.json", _json(for_simulator))
    for_peers = _for_peers(demo, addresses, known)
    write_private(demo.folder.parent / "service.json", _json(for_peers))
    write_private(demo.folder.parent / "service.sh", _for_shells(for_peers))


def _make(demo: Demonstration, tls: Path, addresses: Addresses) -> None:
    """Everything anew under a new authority, whose own key is kept nowhere, and one of the
    operator's, which rehearses a change of its certificates with it.
    """
    authority = Authority("hostsvc demonstration")
    authority.issue("hostsvc").write(tls / "host.pem", tls / "host.key")
    operators = Authority("hostsvc demonstration operator")
    operators.write(demo.certificate("simulator-ca"), demo.key("simulator-ca"))
    (tls / "ca.pem").write_text(authority.pem + operators.pem)
    demo.folder.mkdir(parents=True, exist_ok=True)
    demo.ca.write_text(authority.pem)
    for name in ("simulator-tls", "simulator-signing"):
        authority.issue(name).write(demo.certificate(name), demo.key(name))
    peer = peers.register(
        SIMULATOR,
        ENVIRONMENT,
        authority.pem + operators.pem,
        {
            PeerCertificate.Purpose.SIGNING: [_text(demo.certificate("simulator-signing"))],
            PeerCertificate.Purpose.TLS_CLIENT: [_text(demo.certificate("simulator-tls"))],
        },
        is_default=True,
        by=THE_DEMONSTRATION,
    )
    known = {tenant.name: _make_tenant(demo, authority, tenant, peer, addresses) for tenant in CAST}
    known["admin"] = _make_administrator()
    write_private(demo.folder / "made.json", _json(known))


def _make_tenant(
    demo: Demonstration, authority: Authority, cast: CastTenant, peer: Peer, addresses: Addresses
) -> dict[str, Any]:
    """Enrols a tenant, or renews the certificates of one that is enrolled. Returns what is shown
    only once.
    """
    plan = _plan(demo, authority, cast, peer, addresses)
    tenant_id = _find(cast)
    if tenant_id is None:
        tenant_id = enrol(plan, by=THE_DEMONSTRATION)
    else:
        renew(tenant_id, plan, by=THE_DEMONSTRATION)
    with tenant_scope(tenant_id):
        api_key = api_keys.mint("demonstration", member=_owner(cast), by=_BY).text
    return {"apiKey": api_key, "smpPassword": secrets.token_urlsafe(12)}


def _make_file_logins(demo: Demonstration, known: dict[str, Any]) -> None:
    """Each tenant's trading point, named as its trading agent is, and what may log in there."""
    for cast in CAST:
        key = Ed25519PrivateKey.generate()
        written = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        write_private(_file_key(demo, cast), written.decode())
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        with tenant_scope(_get(cast)):
            made = file_logins.make(_trading_point(cast), "demonstration", [public], by=_BY)
        known[cast.name]["fileLogin"] = {
            "username": made.row.username,
            "password": made.password,
        }


def _trading_point(cast: CastTenant) -> Endpoint:
    rows = Endpoint.objects.filter(protocol=FILE_PROTOCOL, environment=ENVIRONMENT)
    found = rows.filter(name=cast.trading_agent).first()
    if found is None:
        draft = Draft(cast.trading_agent, FILE_PROTOCOL, "sftp", ENVIRONMENT)
        found = endpoints.add(draft)
        endpoints.record(found, "added", (), THE_DEMONSTRATION)
    return found


def _file_key(demo: Demonstration, cast: CastTenant) -> Path:
    return demo.key(f"{cast.name}-files")


def _owner(cast: CastTenant) -> Member:
    found = Member.objects.filter(role=Role.OWNER, state=Member.State.ACTIVE).first()
    name, email = f"Owner of {cast.name}", "owner@demonstration.example"
    return found or members.add(name, email, Role.OWNER, by=_BY)


def _let_log_in(cast: CastTenant, password: str) -> None:
    """Sets the platform's login, unless it is set."""
    with tenant_scope(_get(cast)):
        endpoint = Endpoint.objects.get(protocol=SMP_PROTOCOL, environment=ENVIRONMENT)
        if logins.password_of(endpoint.id) != password:
            logins.set_login(endpoint.id, cast.name, password, THE_DEMONSTRATION)


def _make_administrator() -> dict[str, Any]:
    """The vendor's administrator, with a new password."""
    password = secrets.token_urlsafe(12)
    user, _ = User.objects.get_or_create(
        username=ADMINISTRATOR, defaults={"is_staff": True, "is_superuser": True}
    )
    user.set_password(password)
    user.save()
    return {"username": ADMINISTRATOR, "password": password}


def _plan(
    demo: Demonstration, authority: Authority, cast: CastTenant, peer: Peer, addresses: Addresses
) -> TenantPlan:
    """The plan of a tenant, its certificates issued and, but for the keys that only the vault
    holds, written.
    """
    signing, client = (authority.issue(f"{cast.name} {what}") for what in ("signing", "client"))
    demo.certificate(f"{cast.name}-signing").write_text(signing.pem)
    demo.certificate(f"{cast.name}-client").write_text(client.pem)
    return TenantPlan(
        name=cast.name,
        participant_id=cast.participant_id,
        trading_agent=cast.trading_agent,
        environment=ENVIRONMENT,
        signing=KeyPairPlan(signing.pem, signing.key),
        client=KeyPairPlan(client.pem, client.key),
        operators=(
            OperatorPlan(peer, OPERATOR_PROTOCOL, "https", addresses.simulator_wa),
            OperatorPlan(peer, SMP_PROTOCOL, "https", addresses.simulator_smp),
        ),
        control_points=tuple(
            _control_point_plan(demo, authority.issue(point.name), point)
            for point in cast.control_points
        ),
    )


def _control_point_plan(
    demo: Demonstration, issued: Issued, cast: CastControlPoint
) -> ControlPointPlan:
    issued.write(demo.certificate(cast.name), demo.key(cast.name))
    return ControlPointPlan(cast.name, cast.bm_units, issued.pem, LEGACY_PROTOCOL, "tcp")


def _for_simulator(
    demo: Demonstration, addresses: Addresses, known: dict[str, Any], clients: Path
) -> Any:
    """What the simulated operator is told: its own keys, whose clients may connect, and whom it
    knows.
    """
    wa, smp, control = (
        urlsplit(url)
        for url in (addresses.simulator_wa, addresses.simulator_smp, addresses.simulator_control)
    )
    return {
        "root": str(demo.root),
        "host": wa.hostname,
        "waPort": wa.port,
        "smpPort": smp.port,
        "controlPort": control.port,
        "participantId": OPERATOR,
        "tls": {**_pair(demo, "simulator-tls"), "ca": demo.told(clients)},
        "signing": _pair(demo, "simulator-signing"),
        "authority": _authority(demo),
        "hostCa": demo.told(demo.ca),
        "hostWaUrl": f"{addresses.inbound}/wa/{ENVIRONMENT.value}",
        "hostSmpUrl": f"{addresses.inbound}/smp/{ENVIRONMENT.value}",
        "dispatchEvery": addresses.dispatch_every,
        "tenants": [
            {
                "participantId": cast.participant_id,
                "tradingAgent": cast.trading_agent,
                "tlsCertificates": [demo.told(demo.certificate(f"{cast.name}-client"))],
                "signingCertificates": [demo.told(demo.certificate(f"{cast.name}-signing"))],
                "smp": {"username": cast.name, "password": known[cast.name]["smpPassword"]},
                "controlPoints": [
                    {"name": p.name, "bmUnits": list(p.bm_units), "driven": p.driven}
                    for p in cast.control_points
                ],
            }
            for cast in CAST
        ],
    }


def _authority(demo: Demonstration) -> dict[str, str] | None:
    """None in a folder that was made before the operator had one."""
    return _pair(demo, "simulator-ca") if demo.key("simulator-ca").exists() else None


def _for_peers(demo: Demonstration, addresses: Addresses, known: dict[str, Any]) -> Any:
    """What anyone needs who wants to connect as either side. What this version does not serve is
    null.
    """
    edl_host, edl_port = addresses.edl
    tls = _pair(demo, "simulator-tls")
    signing = _pair(demo, "simulator-signing")
    return {
        "edl": {"host": edl_host, "port": edl_port},
        "inbound": {
            "waUrl": f"{addresses.inbound}/wa/{ENVIRONMENT.value}",
            "smpUrl": f"{addresses.inbound}/smp/{ENVIRONMENT.value}",
            "ca": demo.told(demo.ca),
        },
        "api": {"url": f"{addresses.api}/api/v1", "openapi": f"{addresses.api}/api/v1/openapi"},
        "admin": {"url": f"{addresses.admin}/admin/", **known["admin"]},
        "sftp": {
            "host": addresses.sftp[0],
            "port": addresses.sftp[1],
            "hostKey": host_key.public_key(),
        },
        "ftps": {
            "host": addresses.ftps[0],
            "port": addresses.ftps[1],
            "ca": demo.told(demo.ca),
        },
        "simulator": {
            "waUrl": addresses.simulator_wa,
            "smpUrl": addresses.simulator_smp,
            "controlUrl": addresses.simulator_control,
            "participantId": OPERATOR,
            **tls,
            "ca": demo.told(demo.ca),
            "signingCertificate": signing["certificate"],
            "signingKey": signing["key"],
        },
        "tenants": [_tenant_for_peers(demo, cast, known[cast.name]) for cast in CAST],
    }


def _for_shells(told: Any) -> str:
    """The same as far as a shell wants it: docs/quick_start.md begins with this file."""
    named = {
        "API": told["api"]["url"],
        "ADMIN": told["admin"]["url"],
        "SIMULATOR": told["simulator"]["controlUrl"],
        "SIMULATOR_WA": told["simulator"]["waUrl"],
    }
    named |= {f"{one['name'].upper()}_KEY": one["apiKey"] for one in told["tenants"]}
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in named.items())


def _tenant_for_peers(demo: Demonstration, cast: CastTenant, known: dict[str, Any]) -> Any:
    return {
        "name": cast.name,
        "participantId": cast.participant_id,
        "apiKey": known["apiKey"],
        "tradingAgent": cast.trading_agent,
        "signingCertificate": demo.told(demo.certificate(f"{cast.name}-signing")),
        "fileLogin": {**known["fileLogin"], "key": demo.told(_file_key(demo, cast))},
        "controlPoints": [
            {
                "name": point.name,
                "bmUnits": list(point.bm_units),
                **_pair(demo, point.name),
                "ca": demo.told(demo.ca),
                "driven": point.driven,
            }
            for point in cast.control_points
        ],
    }


def _pair(demo: Demonstration, name: str) -> dict[str, str]:
    return {
        "certificate": demo.told(demo.certificate(name)),
        "key": demo.told(demo.key(name)),
    }


def _find(cast: CastTenant) -> UUID | None:
    return directory.find_tenant(directory.Known.TENANT_NAME, cast.name.encode())


def _get(cast: CastTenant) -> UUID:
    tenant_id = _find(cast)
    assert tenant_id is not None, "the cast is enrolled before it is led anywhere"
    return tenant_id


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
