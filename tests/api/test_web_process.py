"""The API's process over real sockets: its peer's address is the connection's own, and client
certificates come from TLS or from a proxy of ours, never from a header of anybody else's.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from messaging.rehearsal.authority import Authority, Issued
from tenants import api_certificates
from tenants.scope import tenant_scope
from tests.api.equipped import prove
from tests.people import Person
from tests.platform.waiting import eventually
from tests.servers import ROOT, TestServers

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class World:
    """Alice's robot, whose certificate is pinned, and the authority of robots and of the host."""

    authority: Authority
    robot: Issued
    key: str


@pytest.fixture(scope="module")
def world(alice: Person) -> World:
    authority = Authority("robots")
    robot = authority.issue("robot")
    with tenant_scope(alice.tenant_id):
        proof = prove(robot, api_certificates.proof_text(alice.tenant_id))
        api_certificates.pin("robot", robot.pem, proof)
    return World(authority, robot, alice.api_key)


@contextmanager
def running(
    servers: TestServers, database: str, log: Path, settings: dict[str, str]
) -> Iterator[int]:
    """The port of a process that is ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    environment = {
        **os.environ,
        **servers.environment(database),
        "HOSTSVC_WEB_LISTEN": f"127.0.0.1:{port}",
        **settings,
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "hostsvc.web"], cwd=ROOT, env=environment, stderr=out
        )
        try:
            assert eventually(lambda: process.poll() is not None or _listens(port), 60)
            assert process.poll() is None, log.read_text()
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def asked(connection: http.client.HTTPConnection, headers: Headers) -> tuple[int, Any]:
    connection.putrequest("GET", "/api/v1/me")
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.fixture(scope="module")
def in_clear(
    servers: TestServers, database: str, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Headers], tuple[int, Any]]]:
    """Behind a proxy on this machine, which is what the test plays."""
    settings = {"HOSTSVC_TRUSTED_PROXIES": "127.0.0.1"}
    log = tmp_path_factory.mktemp("web") / "log"
    with running(servers, database, log, settings) as port:
        yield lambda headers: asked(http.client.HTTPConnection("127.0.0.1", port, 10), headers)


@pytest.fixture(scope="module")
def over_tls(
    servers: TestServers, database: str, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., tuple[int, Any]]]:
    """With no proxy at all."""
    folder = tmp_path_factory.mktemp("web")
    world.authority.issue("host").write(folder / "host.pem", folder / "host.key")
    (folder / "ca.pem").write_text(world.authority.pem)
    settings = {
        "HOSTSVC_WEB_TLS_CERTIFICATE": str(folder / "host.pem"),
        "HOSTSVC_WEB_TLS_KEY": str(folder / "host.key"),
        "HOSTSVC_WEB_CLIENT_CA": str(folder / "ca.pem"),
    }

    def ask(headers: Headers = (), client: Issued | None = None) -> tuple[int, Any]:
        context = ssl.create_default_context(cadata=world.authority.pem)
        if client is not None:
            client.write(folder / "client.pem", folder / "client.key")
            context.load_cert_chain(folder / "client.pem", folder / "client.key")
        secure = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
        return asked(secure, headers)

    with running(servers, database, folder / "log", settings) as port:
        yield ask


def test_a_proxy_of_ours_says_who_the_client_is_and_where(
    world: World, in_clear: Callable[[Headers], tuple[int, Any]]
) -> None:
    headers = [
        ("X-SSL-Client-Cert", quote(world.robot.pem)),
        ("X-Forwarded-For", "6.6.6.6, 198.51.100.4"),
    ]
    status, me = in_clear(headers)
    assert (status, me["tenant"], me["address"]) == (200, "alice", "198.51.100.4")


@pytest.mark.parametrize(
    "headers",
    [
        [("X_SSL_Client_Cert", "{pem}")],
        [("X-SSL-Client-Cert", "{pem}"), ("X-SSL-Client-Cert", "{pem}")],
        [("X-SSL-Client-Cert", "{pem}"), ("x-ssl-client-cert", "nonsense")],
    ],
    ids=["underscores", "twice", "twice and different"],
)
def test_a_header_that_a_proxy_would_not_write_is_not_taken_for_one(
    world: World, in_clear: Callable[[Headers], tuple[int, Any]], headers: Headers
) -> None:
    pem = quote(world.robot.pem)
    status, _ = in_clear([(name, value.replace("{pem}", pem)) for name, value in headers])
    assert status == 401


def test_a_certificate_of_the_connections_own_is_as_good(
    world: World, over_tls: Callable[..., tuple[int, Any]]
) -> None:
    status, me = over_tls(client=world.robot)
    assert (status, me["tenant"], me["credential"]) == (200, "alice", "API certificate")
    assert me["address"] == "127.0.0.1"


def test_a_certificate_that_chains_and_is_pinned_by_nobody_is_refused(
    world: World, over_tls: Callable[..., tuple[int, Any]]
) -> None:
    assert over_tls(client=world.authority.issue("another"))[0] == 401


def test_a_key_will_do_without_a_certificate(
    world: World, over_tls: Callable[..., tuple[int, Any]]
) -> None:
    assert over_tls()[0] == 401
    assert over_tls([("X-API-Key", world.key)])[0] == 200


def test_where_there_is_no_proxy_a_header_says_nothing_of_the_client(
    world: World, over_tls: Callable[..., tuple[int, Any]]
) -> None:
    assert over_tls([("X-SSL-Client-Cert", quote(world.robot.pem))])[0] == 401
    status, me = over_tls([("X-API-Key", world.key), ("X-Forwarded-For", "198.51.100.4")])
    assert (status, me["address"]) == (200, "127.0.0.1")


@pytest.mark.parametrize(
    ("header", "answer"),
    [("Content-Type", (400, "bad-request")), ("Accept", (406, "not-acceptable"))],
)
def test_a_header_in_a_charset_that_nobody_knows_is_a_bad_request(
    in_clear: Callable[[Headers], tuple[int, Any]],
    world: World,
    header: str,
    answer: tuple[int, str],
) -> None:
    """RFC 2231 lets a parameter name its own."""
    headers = [
        ("X-SSL-Client-Cert", quote(world.robot.pem)),
        ("X-Forwarded-For", "198.51.100.4"),
        (header, "application/json; a*=nobodys'en'x"),
    ]
    status, told = in_clear(headers)
    assert (status, told["code"]) == answer
