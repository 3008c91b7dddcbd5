"""The inbound application and the simulated operator on real sockets in this process, with RSA keys
on both sides, so that any seal can be spoken between them.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from django.conf import settings

from messaging.edge.allowance import Allowance, Held
from messaging.inbound.app import InboundApp
from messaging.inbound.server import CertificateProtocol
from messaging.relay.register import OPERATOR_PROTOCOL
from messaging.simulator.app import Simulator
from tenants import peers
from tenants.certificates import fingerprint_of
from tenants.keys import store
from tenants.models import Certificate, Endpoint, Environment, PeerCertificate
from tenants.scope import tenant_scope
from tests.people import Person
from tests.roles import as_role
from tests.servers import TestServers
from tests.simulator.cast import Pair, make_pair

T = TypeVar("T")


@dataclass(frozen=True)
class Keys:
    """Each side's own authority, as in life. `previous` is the operator's signing key before
    `signing`, and `tenant_next` the tenant's after `tenant_signing`: both sides trust both.
    """

    operator_ca: Pair
    operator_tls: Pair
    signing: Pair
    previous: Pair
    host_ca: Pair
    host_tls: Pair
    tenant_ca: Pair
    tenant_tls: Pair
    tenant_signing: Pair
    tenant_next: Pair


def make_keys() -> Keys:
    operator, host, tenant = (make_pair(f"{who} CA") for who in ("operator", "host", "tenant"))
    return Keys(
        operator,
        make_pair("operator", operator),
        make_pair("operator signing", operator, kind="RS256"),
        make_pair("operator signing before", operator, kind="RS256"),
        host,
        make_pair("host", host),
        tenant,
        make_pair("tenant", tenant),
        make_pair("tenant signing", tenant, kind="RS256"),
        make_pair("tenant signing next", tenant, kind="RS256"),
    )


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.start(work).result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


@dataclass
class BothEnds:
    """`person` is the tenant whom the two ends speak about."""

    person: Person
    keys: Keys
    folder: Path
    simulator: Simulator
    inbound_port: int
    servers: TestServers
    database: str

    def use(
        self,
        seal: str,
        *,
        operator: str | None = None,
        signing: Pair | None = None,
        profile: str = "host-1",
        port: int | None = None,
    ) -> None:
        """Both sides are set to a seal and a profile; `operator` sets that side to another seal,
        `signing` gives it another key, `port` leads it elsewhere than to the host.
        """
        place = (self.folder, self.person, self.keys, port or self.inbound_port)
        write_config(*place, operator or seal, signing, profile)
        self.set_endpoint(seal=seal, profile=profile)

    def set_endpoint(self, **changes: Any) -> None:
        address = f"https://127.0.0.1:{self.simulator.wa_port}"
        with (
            as_role("staff", self.servers, self.database),
            tenant_scope(self.person.tenant_id),
        ):
            row = Endpoint.objects.filter(protocol=OPERATOR_PROTOCOL)
            row.update(address=address, settings=changes)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The simulator's control port."""
        url = f"http://127.0.0.1:{self.simulator.control_port}{path}"
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def fault(self, name: str, **more: Any) -> None:
        self.control("POST", "/faults", {"faults": [{"fault": name, "path": "*", **more}]})

    @property
    def operator_context(self) -> ssl.SSLContext:
        """How the operator connects to the host."""
        ca = self.keys.host_ca.certificate_pem.decode()
        context = ssl.create_default_context(cadata=ca)
        context.load_cert_chain(*self.keys.operator_tls.save(self.folder, "caller"))
        return context


def pin(keys: Keys, servers: TestServers, database: str, signers: tuple[Pair, ...]) -> None:
    """The vendor pins the operator's certificates, and no others of its signing ones."""
    with as_role("staff", servers, database):
        peers.register(
            "simulator",
            Environment.SIMULATOR,
            keys.operator_ca.certificate_pem.decode(),
            {
                PeerCertificate.Purpose.SIGNING: [p.certificate_pem.decode() for p in signers],
                PeerCertificate.Purpose.TLS_CLIENT: [keys.operator_tls.certificate_pem.decode()],
            },
            is_default=True,
            by="the vendor",
        )


def install(person: Person, servers: TestServers, database: str, **pairs: Pair) -> None:
    """The tenant's key pairs by purpose; one that was installed before is made the active one."""
    with as_role("staff", servers, database), tenant_scope(person.tenant_id):
        for name, pair in pairs.items():
            purpose = Certificate.Purpose[name]
            known = Certificate.objects.filter(fingerprint=fingerprint_of(pair.certificate))
            if not known.exists():
                store.install(
                    purpose, pair.certificate_pem.decode(), pair.key, environment="simulator"
                )
                continue
            Certificate.objects.filter(purpose=purpose).update(state=Certificate.State.RETIRING)
            known.update(state=Certificate.State.ACTIVE)


def write_config(
    folder: Path,
    person: Person,
    keys: Keys,
    inbound_port: int,
    seal: str,
    signing: Pair | None = None,
    profile: str = "host-1",
) -> Path:
    def saved(pair: Pair, name: str) -> dict[str, str]:
        certificate, key = pair.save(folder, name)
        return {"certificate": certificate.name, "key": key.name}

    for name, pair in (("tenant-ca", keys.tenant_ca), ("host-ca", keys.host_ca)):
        (folder / f"{name}.pem").write_bytes(pair.certificate_pem)
    base = f"https://127.0.0.1:{inbound_port}"
    config = {
        "root": str(folder),
        "host": "127.0.0.1",
        **dict.fromkeys(("waPort", "smpPort", "controlPort"), 0),
        "participantId": "NGESO",
        "tls": {**saved(keys.operator_tls, "operator"), "ca": "tenant-ca.pem"},
        "signing": saved(signing or keys.signing, "operator-signing"),
        "hostCa": "host-ca.pem",
        "hostWaUrl": f"{base}/wa/simulator",
        "hostSmpUrl": f"{base}/smp/simulator",
        "dispatchEvery": None,
        "tenants": [
            {
                "participantId": person.participant_id,
                "tradingAgent": "ALITA",
                "seal": seal,
                "profile": profile,
                "tlsCertificates": [saved(keys.tenant_tls, "tenant-tls")["certificate"]],
                "signingCertificates": [
                    saved(keys.tenant_signing, "tenant-key")["certificate"],
                    saved(keys.tenant_next, "tenant-next")["certificate"],
                ],
                "controlPoints": [
                    {"name": point, "bmUnits": list(units)}
                    for point, units in person.bm_units.items()
                ],
            }
        ],
    }
    path, draft = folder / "simulator.json", folder / "simulator.json.tmp"
    draft.write_text(json.dumps(config))
    draft.replace(path)
    return path


@contextmanager
def both_ends(
    folder: Path, person: Person, servers: TestServers, database: str
) -> Iterator[BothEnds]:
    keys, loop, before = make_keys(), Loop(), settings.INBOUND_URL
    pin(keys, servers, database, (keys.previous, keys.signing))
    install(person, servers, database, SIGNING=keys.tenant_signing, SO_CLIENT=keys.tenant_tls)
    inbound = uvicorn.Server(
        uvicorn.Config(
            InboundApp(Allowance(servers.redis, 1000, 2000), Held(256, 128 * 2**20)),
            port=0,
            http=CertificateProtocol,
            lifespan="off",
            log_config=None,
            ssl_context_factory=lambda *_: _inbound_context(keys, folder),
        )
    )
    serving = loop.start(inbound._serve())
    try:
        port = _port_of(inbound)
        settings.INBOUND_URL = f"https://127.0.0.1:{port}"
        simulator = Simulator(write_config(folder, person, keys, port, "jws-json"))
        loop.run(simulator.start())
        ends = BothEnds(person, keys, folder, simulator, port, servers, database)
        ends.use("jws-json")
        yield ends
        loop.run(simulator.stop())
    finally:
        settings.INBOUND_URL = before
        inbound.should_exit = True
        serving.result(60)
        loop.close()


def _port_of(server: uvicorn.Server) -> int:
    for _ in range(1000):
        if server.started:
            (listening,) = server.servers
            return int(listening.sockets[0].getsockname()[1])
        time.sleep(0.01)
    raise AssertionError("the inbound server did not start")


def _inbound_context(keys: Keys, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*keys.host_tls.save(folder, "host"))
    context.load_verify_locations(cadata=keys.operator_ca.certificate_pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    return context
