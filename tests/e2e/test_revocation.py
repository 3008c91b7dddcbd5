"""What a revocation does to the running stack: links go in every gateway that holds one, and an
operator's open connections with its pinned certificate. Real processes, real sockets.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from hostsvc.supervisor import free_ports
from messaging.rehearsal.authority import Issued
from messaging.rehearsal.market.trust import replay_authority
from tenants.clock import now
from tests.e2e.bad_input import VICTIM, RawLink, connect, context_of, link_of, tenant_id
from tests.e2e.rig import Rig, clean_environment
from tests.servers import ROOT

pytestmark = pytest.mark.xdist_group("stack")

TENANT = "birch"
SET_UP = (
    "import os, django;"
    "os.environ |= {'DJANGO_SETTINGS_MODULE': 'hostsvc.settings', 'HOSTSVC_DATABASE_ROLE': 'app'};"
    "django.setup();"
)
GATEWAY_UNGUARDED = (
    SET_UP + "from messaging.gateway.guard import LinkGuard as g; g._look_at = lambda *told: None;"
)
INBOUND_UNGUARDED = (
    SET_UP
    + "from messaging.inbound.guests import GUESTS; GUESTS._reaction._react = lambda *told: None;"
)
RUN = "import sys, manage; {}sys.argv = ['manage.py', '{}']; manage.main()"


@dataclass(frozen=True, slots=True)
class Entered:
    """A further certificate of a control point's, let in beside the one in use."""

    id: str
    point: str
    context: ssl.SSLContext


def api(stack: Rig, tenant: str, place: str, **body: Any) -> Any:
    key = stack.tenant(tenant)["apiKey"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    url = f"{stack.service['api']['url']}/{place}"
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
        return json.load(answer)


def enter(stack: Rig, tenant: str, index: int, lifetime: timedelta = timedelta(days=9)) -> Entered:
    """Hands a new certificate in as the tenant would, with the proof of its key."""
    point = stack.tenant(tenant)["controlPoints"][index]["name"]
    issued = replay_authority(stack.var).issue(f"{point} anew", lifetime=lifetime)
    leaf = x509.load_pem_x509_certificate(issued.pem.encode())
    text = f"hostsvc {tenant_id(stack, tenant)} {leaf.fingerprint(hashes.SHA256()).hex()}"
    proof = base64.b64encode(issued.key.sign(text.encode(), ec.ECDSA(hashes.SHA256()))).decode()
    rows = api(stack, tenant, "endpoints")["results"]
    (endpoint,) = (row["id"] for row in rows if row["name"] == point)
    told = api(
        stack,
        tenant,
        "certificates/uploads",
        purpose="CONTROL_POINT",
        endpoint_id=endpoint,
        certificate=issued.pem,
        proof=proof,
    )
    return Entered(told["id"], point, shown(stack, point, issued))


def shown(stack: Rig, point: str, issued: Issued) -> ssl.SSLContext:
    place = stack.var / f"{point}-anew"
    issued.write(place.with_suffix(".pem"), place.with_suffix(".key"))
    names = (str(place.with_suffix(end).relative_to(ROOT)) for end in (".pem", ".key"))
    return context_of(stack, *names)


def revoke(stack: Rig, tenant: str, entered: Entered) -> None:
    api(stack, tenant, f"certificates/{entered.id}/revoke", reason="stolen from the control room")


def ready(link: RawLink) -> RawLink:
    assert link.greet().type == "READY"
    return link


def link_downs(stack: Rig, tenant: str) -> list[str]:
    rows = stack.query(
        "SELECT record FROM audit_entry WHERE tenant_id = %s AND event = 'link down' ORDER BY seq",
        tenant_id(stack, tenant),
    )
    return [json.loads(bytes(row[0]))["detail"]["reason"] for row in rows]


@contextmanager
def another(stack: Rig, command: str, variable: str, before: str = "") -> Iterator[int]:
    """A further process of the same stack, on a port of its own."""
    (port,) = free_ports(1)
    environment = {**clean_environment(), **stack.environment}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN.format(before, command)],
        cwd=ROOT,
        env={**environment, variable: f"127.0.0.1:{port}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        stack.until(lambda: process.poll() is None and answers(port))
        yield port
    finally:
        process.terminate()
        process.wait(30)


def another_gateway(stack: Rig, before: str = "") -> AbstractContextManager[int]:
    return another(stack, "run_gateway", "HOSTSVC_EDL_LISTEN", before)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def link_at(stack: Rig, port: int, entered: Entered) -> RawLink:
    plain = socket.create_connection(("127.0.0.1", port), 20)
    return RawLink(entered.context.wrap_socket(plain, server_hostname="127.0.0.1"), entered.point)


def test_revoked_links_go_in_every_gateway_and_nobody_elses_does(stack: Rig) -> None:
    entered = [enter(stack, TENANT, index) for index in (0, 1)]
    with (
        another_gateway(stack) as port,
        ready(connect(stack, entered[0].context, entered[0].point)) as here,
        ready(link_at(stack, port, entered[1])) as there,
        ready(link_of(stack, VICTIM)) as others,
    ):
        for one in entered:
            revoke(stack, TENANT, one)
        began = time.monotonic()
        assert here.is_closed()
        assert there.is_closed()
        print(f"both links were closed {time.monotonic() - began:.2f} s after the revocation")
        reason = "its certificate is revoked or out of its time"
        stack.until(lambda: link_downs(stack, TENANT).count(reason) >= 2)
        for one, gateway in ((entered[0], stack.service["edl"]["port"]), (entered[1], port)):
            with link_at(stack, gateway, one) as again:
                assert again.greet().code == "R001"
        others.link.settimeout(2)
        assert not others.is_closed()


def test_negative_control_a_gateway_without_the_guard_keeps_a_revoked_link(stack: Rig) -> None:
    """The guard switched off in a gateway of its own: the link is open long after."""
    entered = enter(stack, TENANT, 1)
    with (
        another_gateway(stack, GATEWAY_UNGUARDED) as port,
        ready(link_at(stack, port, entered)) as link,
    ):
        revoke(stack, TENANT, entered)
        link.link.settimeout(4)
        assert not link.is_closed()


def test_a_link_that_only_said_nothing_yet_goes_too(stack: Rig) -> None:
    entered = enter(stack, TENANT, 1)
    with connect(stack, entered.context, entered.point) as link:
        revoke(stack, TENANT, entered)
        assert link.is_closed()


def test_a_link_ends_with_its_certificate(stack: Rig) -> None:
    """By the gateway's own clock: nobody moves a row for it."""
    entered = enter(stack, TENANT, 1, timedelta(seconds=8))
    with ready(connect(stack, entered.context, entered.point)) as link:
        assert link.is_closed()
        state = "SELECT state, not_after FROM tenants_certificate WHERE id = %s"
        assert now() >= stack.query(state, entered.id)[0][1]
        stack.until(lambda: stack.query(state, entered.id)[0][0] == "EXPIRED")


def set_operator(stack: Rig, state: str) -> None:
    with psycopg.connect(stack.environment["DATABASE_STAFF_URL"]) as session:
        told = "UPDATE tenants_peercertificate SET state = %s WHERE purpose = 'TLS_CLIENT'"
        session.execute(told, [state])


@dataclass(slots=True)
class Operator:
    """Its connection to an inbound server, kept from question to question."""

    link: http.client.HTTPSConnection

    def ask(self) -> int:
        self.link.request("POST", "/wa/simulator/NESO_Health", b"", {"Content-Type": "text/plain"})
        answer = self.link.getresponse()
        answer.read()
        return answer.status

    def is_closed(self) -> bool:
        assert isinstance(self.link.sock, ssl.SSLSocket)
        return RawLink(self.link.sock, "").is_closed()


@contextmanager
def operator_at(stack: Rig, port: int, seconds: float = 20) -> Iterator[Operator]:
    """Known, and kept; afterwards it is pinned, whatever was done to it."""
    told = stack.service["simulator"]
    context = context_of(stack, told["certificate"], told["key"])
    link = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=seconds)
    operator = Operator(link)
    try:
        assert [operator.ask(), operator.ask()] == [415, 415]
        yield operator
    finally:
        set_operator(stack, "ACTIVE")
        link.close()


def test_the_operators_open_connections_go_when_it_is_pinned_no_more(stack: Rig) -> None:
    port = urlsplit(stack.service["inbound"]["waUrl"]).port
    assert port is not None
    with operator_at(stack, port) as operator:
        set_operator(stack, "REVOKED")
        assert operator.is_closed()
        operator.link.close()
        assert operator.ask() == 401


def test_negative_control_an_inbound_server_without_the_guard_keeps_the_connection(
    stack: Rig,
) -> None:
    """The guard switched off in a server of its own: nothing is taken, but it stays open."""
    listen = "HOSTSVC_INBOUND_LISTEN"
    with (
        another(stack, "run_inbound", listen, INBOUND_UNGUARDED) as port,
        operator_at(stack, port, 4) as operator,
    ):
        set_operator(stack, "REVOKED")
        assert not operator.is_closed()
