"""What a revocation does to connections that are open: real sockets and TLS, one process. Links in
several gateways, and the operator's own connections, are cut in tests/e2e.
"""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from messaging.relay import cuts, signing
from messaging.transports import https
from messaging.transports.base import TransportError
from tenants import certificates, peers
from tenants.changes import WATCH
from tenants.keys import store
from tenants.keys.life import CertificatePurpose
from tenants.models import Certificate, Environment, Peer, PeerCertificate
from tenants.scope import tenant_scope
from tests.keys.papers import MIDDLE, ROOT, issue
from tests.people import Cast, Person
from tests.roles import as_role
from tests.servers import TestServers

PATIENCE_S = 20
CLIENT = CertificatePurpose.SO_CLIENT


@dataclass(slots=True)
class Operator:
    """Answers POSTs, or, once told to, keeps whoever asks waiting."""

    url: str
    slow: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    connections: int = 0


@pytest.fixture
def operator(cast: Cast, tmp_path: Path) -> Iterator[Operator]:
    host = cast.operator.tls
    host.write(tmp_path / "host.pem", tmp_path / "host.key")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            told.connections += 1

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            told.asked.set()
            if told.slow.is_set():
                told.released.wait(PATIENCE_S)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "host.pem", tmp_path / "host.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    told = Operator(f"https://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told
    told.released.set()
    server.shutdown()
    server.server_close()


@dataclass(frozen=True, slots=True)
class Shown:
    """As much of an endpoint as keys depend on."""

    settings: dict[str, Any]
    environment: str
    peer_id: Any


def keys_of(person: Person) -> signing.ConnectionKeys:
    with tenant_scope(person.tenant_id):
        endpoint = Shown({}, "simulator", Peer.objects.get(name="simulator").id)
        return signing.credentials_for(endpoint).connection


def post(operator: Operator, keys: signing.ConnectionKeys) -> int:
    answer = https.post(
        operator.url, b"hello", {}, context=keys.context, identity=keys.identity, seconds=PATIENCE_S
    )
    return answer.status


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def renew(person: Person) -> None:
    """A new client certificate takes over; the one before goes on."""
    paper = issue(ROOT)
    with tenant_scope(person.tenant_id):
        store.install(CLIENT, paper.pem, paper.key, environment="simulator")


def revoke(person: Person, fingerprint: bytes) -> None:
    with tenant_scope(person.tenant_id):
        row = Certificate.objects.get(purpose=CLIENT, fingerprint=fingerprint)
        store.revoke(row, "lost", "a test")


def fails(operator: Operator, keys: signing.ConnectionKeys) -> bool:
    try:
        post(operator, keys)
    except TransportError:
        return True
    return False


def test_a_pooled_connection_outlives_a_switch_over_and_not_a_revocation(
    alice: Person, bob: Person, operator: Operator
) -> None:
    keys, others = keys_of(alice), keys_of(bob)
    assert [post(operator, keys), post(operator, keys), post(operator, others)] == [200] * 3
    assert operator.connections == 2
    renew(alice)
    time.sleep(1)
    assert (post(operator, keys), operator.connections) == (200, 2), "it is still the same one"
    revoke(alice, keys.identity.fingerprint)
    until(lambda: fails(operator, keys))
    with pytest.raises(TransportError):
        post(operator, keys)
    assert operator.connections == 2, "no new one was made with it"
    assert (post(operator, others), operator.connections) == (200, 2), "bob's is as it was"
    assert post(operator, keys_of(alice)) == 200, "and alice goes on with the new one"


def test_a_connection_in_use_is_cut_in_the_midst_of_the_wait(
    alice: Person, operator: Operator
) -> None:
    keys, came = keys_of(alice), threading.Event()
    operator.slow.set()

    def wait() -> None:
        with pytest.raises(TransportError):
            post(operator, keys)
        came.set()

    renew(alice)
    thread = threading.Thread(target=wait)
    thread.start()
    assert operator.asked.wait(PATIENCE_S)
    revoke(alice, keys.identity.fingerprint)
    assert came.wait(PATIENCE_S / 2), "it waited for the answer"
    assert not operator.released.is_set()
    thread.join()


def test_negative_control_without_the_cut_the_revoked_connection_goes_on(
    alice: Person, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard switched off: nobody settles what a change has come to."""
    monkeypatch.setattr(cuts, "_settle", lambda *details: None)
    keys, told = keys_of(alice), threading.Event()
    assert post(operator, keys) == 200
    WATCH.subscribe(lambda who: told.set() if who == alice.tenant_id else None)
    renew(alice)
    revoke(alice, keys.identity.fingerprint)
    assert told.wait(PATIENCE_S)
    time.sleep(1)
    assert (post(operator, keys), operator.connections) == (200, 1)


def test_an_authority_that_is_trusted_no_more_takes_its_connections_with_it(
    bob: Person, cast: Cast, operator: Operator, servers: TestServers, database: str
) -> None:
    keys = keys_of(bob)
    assert post(operator, keys) == 200

    def trust(ca: str) -> None:
        with as_role("staff", servers, database):
            signer = cast.operator.signing.pem
            certificates_ = {PeerCertificate.Purpose.SIGNING: [signer]}
            peers.register(
                *("simulator", Environment.SIMULATOR, ca, certificates_), is_default=True, by="ada"
            )
        WATCH.start()

    trust(MIDDLE.pem)
    until(lambda: fails(operator, keys))
    trust(cast.operator.authority.pem)
    until(lambda: not fails(operator, keys))


def is_pooled(identity: object) -> bool:
    return any(isinstance(key, tuple) and identity in key for key in https._pools._values)


def test_a_revoked_keys_traces_leave_the_process(alice: Person, operator: Operator) -> None:
    """The parsed key and its TLS context are dropped, not only refused."""
    keys = keys_of(alice)
    post(operator, keys)
    place = (alice.tenant_id, keys.identity)
    until(lambda: WATCH.token(alice.tenant_id) is not None)
    keys_of(alice)
    assert signing._contexts._values.find(place) is not None
    assert is_pooled(keys.identity)
    renew(alice)
    revoke(alice, keys.identity.fingerprint)
    until(lambda: not is_pooled(keys.identity))
    assert signing._contexts._values.find(place) is None
    assert all(who != alice.tenant_id for who, _ in certificates._keys._values._values)
