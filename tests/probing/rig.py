"""The bundled simulator as the peer of alice's endpoint, over mutual TLS, on a thread of its
own.
"""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messaging.rehearsal.authority import Authority, Issued
from messaging.simulator.app import Simulator
from tenants import endpoints
from tenants.keys import store
from tenants.models import Certificate, Endpoint
from tenants.scope import tenant_scope
from tests.people import Cast, Person


@dataclass(frozen=True, slots=True)
class Rig:
    """`endpoint` is alice's that leads to the simulator."""

    person: Person
    endpoint: Endpoint
    simulator: Simulator

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.simulator.wa_port}"

    def lead_to(self, address: str, **settings: Any) -> None:
        with tenant_scope(self.person.tenant_id):
            row = Endpoint.objects.select_related("peer").get(id=self.endpoint.id)
            endpoints.change(row, address=address, settings=settings)

    def fault(self, name: str, **settings: Any) -> None:
        self._control("POST", {"faults": [{"fault": name, "path": "*", **settings}]})

    def no_faults(self) -> None:
        self._control("DELETE", None)

    def _control(self, method: str, body: Any) -> None:
        url = f"http://127.0.0.1:{self.simulator.control_port}/faults"
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(
            urllib.request.Request(url, data, headers, method=method), timeout=10
        ):
            pass


@contextmanager
def running(cast: Cast, folder: Path) -> Iterator[Rig]:
    """Gives alice certificates that the simulator knows."""
    alice, authority = cast.alice, Authority("tenants")
    client, signing = authority.issue("alice client"), authority.issue("alice signing")
    with tenant_scope(alice.tenant_id):
        for purpose, issued in (
            (Certificate.Purpose.SO_CLIENT, client),
            (Certificate.Purpose.SIGNING, signing),
        ):
            store.install(purpose, issued.pem, issued.key, environment="simulator")
        endpoint = Endpoint.objects.get(protocol="neso-wa")
    config = _write_config(cast, authority, client, signing, folder)
    with _on_a_thread(Simulator(config)) as simulator:
        yield Rig(alice, endpoint, simulator)


def _write_config(
    cast: Cast, authority: Authority, client: Issued, signing: Issued, folder: Path
) -> Path:
    for name, issued in (
        ("operator-tls", cast.operator.tls),
        ("operator-signing", cast.operator.signing),
        ("client", client),
        ("signing", signing),
    ):
        issued.write(folder / f"{name}.pem", folder / f"{name}.key")
    (folder / "tenants.pem").write_text(authority.pem)
    config = {
        "root": str(folder),
        "host": "127.0.0.1",
        "waPort": 0,
        "smpPort": 0,
        "controlPort": 0,
        "participantId": "NGESO",
        "tls": {"certificate": "operator-tls.pem", "key": "operator-tls.key", "ca": "tenants.pem"},
        "signing": {"certificate": "operator-signing.pem", "key": "operator-signing.key"},
        "hostCa": "tenants.pem",
        "hostWaUrl": "https://127.0.0.1:9/wa/simulator",
        "hostSmpUrl": "https://127.0.0.1:9/smp/simulator",
        "dispatchEvery": None,
        "tenants": [
            {
                "participantId": cast.alice.participant_id,
                "tradingAgent": "ALITA",
                "tlsCertificates": ["client.pem"],
                "signingCertificates": ["signing.pem"],
                "smp": {"username": "alice", "password": "of the simulator"},
                "controlPoints": [],
            }
        ],
    }
    path = folder / "simulator.json"
    path.write_text(json.dumps(config))
    return path


@contextmanager
def _on_a_thread(simulator: Simulator) -> Iterator[Simulator]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(simulator.start(), loop).result(20)
    try:
        yield simulator
    finally:
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
