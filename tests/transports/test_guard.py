"""Where outgoing connections may lead, over real sockets: what a name resolves to is looked at when
the connection is made, and the connection goes to what was looked at.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from messaging.rehearsal.authority import Authority
from messaging.transports import connecting
from messaging.transports.base import Answered, Refused, Unanswered, Unreachable
from messaging.transports.connecting import Forbidden, Guard
from messaging.transports.https import post
from tenants.ids import new_id
from tenants.networks import refusal_of
from tests.transports.peers import answering, client_context, listening, server_context

LOOPBACK = (ip_network("127.0.0.0/8"),)


@dataclass(slots=True)
class Names:
    """A resolver that gives one answer after the other, and the last one ever after."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    __hash__ = object.__hash__


@dataclass(slots=True)
class Peer:
    """`reached` counts the connections it took."""

    context: ssl.SSLContext
    port: int
    reached: list[int]

    def get(self, guard: Guard, host: str = "localhost", **more: object) -> Answered:
        return post(
            f"https://{host}:{self.port}/x",
            b"",
            {},
            context=self.context,
            identity=more.get("identity", new_id()),
            seconds=5,
            guard=guard,
        )


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    authority = Authority("of peers")
    serve = answering(server_context(authority.issue("peer"), tmp_path))
    reached: list[int] = []

    def counted(connected: object) -> None:
        reached.append(1)
        serve(connected)  # type: ignore[arg-type]

    with listening(counted) as port:
        yield Peer(client_context(authority), port, reached)


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.1"),
        *("192.0.1.1", "198.17.255.255", "198.20.0.0", "223.255.255.255", "169.253.0.1"),
        *(
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
            "2002:808:808::",
        ),
    ],
)
def test_public_addresses_may_be_connected_to(address: str) -> None:
    assert refusal_of(ip_address(address)) is None


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("0.0.0.0", "this network"),  # noqa: S104
        ("10.0.0.1", "private"),
        ("100.64.0.1", "carrier's NAT"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.1", "reserved"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "6to4"),
        ("192.168.1.1", "private"),
        ("198.18.0.1", "benchmarks"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::7f00:1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b:1::1", "private NAT64"),
        ("100::1", "discarding"),
        ("2001::1", "Teredo"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a00:1::1", "private"),
        ("fc00::1", "private"),
        ("fd12:3456::1", "private"),
        ("fe80::1", "link-local"),
        ("fe80::1%2", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("4000::1", "reserved"),
    ],
)
def test_addresses_that_are_not_public_are_refused_by_what_they_are(
    address: str, what: str
) -> None:
    refusal = refusal_of(ip_address(address))
    assert refusal is not None
    assert what in refusal


def test_an_allowed_network_lets_its_own_in_and_no_other() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert refusal_of(ip_address("10.1.2.3"), allowed) is None
    assert refusal_of(ip_address("::ffff:10.1.2.3"), allowed) is None
    assert refusal_of(ip_address("fd00::1"), allowed) is None
    for other in ("10.2.0.1", "127.0.0.1", "fe80::1", "::ffff:10.2.0.1"):
        assert refusal_of(ip_address(other), allowed) is not None


def test_a_peer_in_an_allowed_network_is_reached_by_its_name(peer: Peer) -> None:
    names = Names([["127.0.0.1"]])
    assert peer.get(Guard(LOOPBACK, names)).body == b"ok"
    assert names.asked == ["localhost"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.0.0.1"])
def test_a_peer_in_another_network_is_refused_however_it_is_written(peer: Peer, host: str) -> None:
    with pytest.raises(Forbidden, match="the vendor does not allow that network"):
        peer.get(Guard(), host)
    assert not peer.reached


def test_one_bad_address_among_good_ones_is_enough(peer: Peer) -> None:
    with pytest.raises(Forbidden, match=r"169\.254\.169\.254"):
        peer.get(Guard(LOOPBACK, Names([["127.0.0.1", "169.254.169.254"]])))
    assert not peer.reached


def test_a_name_that_resolves_otherwise_the_second_time_leads_nowhere_else(peer: Peer) -> None:
    """Rebinding: a public address while it is looked at, ours when it is connected to. It is asked
    once, and the first answer is the one that is gone to.
    """
    names = Names([["127.0.0.1"], ["10.0.0.1"]])
    assert peer.get(Guard(LOOPBACK, names)).status == 200
    assert names.asked == ["localhost"]
    names = Names([["10.0.0.1"], ["127.0.0.1"]])
    with pytest.raises(Forbidden):
        peer.get(Guard(LOOPBACK, names))
    assert names.asked == ["localhost"]
    assert len(peer.reached) == 1


def test_a_kept_connection_asks_nothing_again(peer: Peer) -> None:
    names, identity = Names([["127.0.0.1"], ["192.168.0.1"]]), new_id()
    for _ in range(3):
        assert peer.get(Guard(LOOPBACK, names), identity=identity).status == 200
    assert names.asked == ["localhost"]


def test_every_new_connection_of_a_pool_is_looked_at(tmp_path: Path) -> None:
    authority = Authority("of peers")
    last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    context = server_context(authority.issue("peer"), tmp_path)
    with listening(answering(context, last)) as port:
        peer = Peer(client_context(authority), port, [])
        guard, identity = Guard(LOOPBACK, Names([["127.0.0.1"], ["192.168.0.1"]])), new_id()
        assert peer.get(guard, identity=identity).status == 200
        with pytest.raises(Forbidden, match=r"192\.168\.0\.1"):
            peer.get(guard, identity=identity)


def test_the_certificate_is_held_against_the_name_and_not_the_pinned_address(peer: Peer) -> None:
    """127.0.0.1 is in the certificate; the name we asked for is not."""
    with pytest.raises(Refused, match="mismatch"):
        peer.get(Guard(LOOPBACK, Names([["127.0.0.1"]])), "other.example")


def test_a_redirect_is_an_answer_and_is_not_followed(tmp_path: Path) -> None:
    authority = Authority("of peers")
    moved = b"HTTP/1.1 307 Moved\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    context = server_context(authority.issue("peer"), tmp_path)
    with listening(answering(context, moved)) as port:
        peer = Peer(client_context(authority), port, [])
        assert peer.get(Guard(LOOPBACK)).status == 307


def test_plain_http_is_no_way_out() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises((Unreachable, Unanswered)):
        post("http://127.0.0.1:1/", b"", {}, context=context, identity=new_id(), seconds=1)


def test_a_name_that_is_not_known_or_not_resolved_in_time_is_unreachable(peer: Peer) -> None:
    def hangs(host: str, port: int) -> Sequence[str]:
        threading.Event().wait(3)
        return ["127.0.0.1"]

    def fails(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(Unreachable, match="not resolved in time"):
        connecting.find_addresses(Guard(LOOPBACK, hangs), "slow.example", 443, 0.05)
    with pytest.raises(Unreachable, match="no such name"):
        peer.get(Guard(LOOPBACK, fails))
    with pytest.raises(Unreachable, match="has no address"):
        peer.get(Guard(LOOPBACK, Names([[]])))


def test_where_one_address_takes_no_connection_the_next_is_tried(peer: Peer) -> None:
    names = Names([["127.0.0.2", "127.0.0.1"]])
    assert peer.get(Guard(LOOPBACK, names)).status == 200


def test_negative_control_without_the_look_at_addresses_the_peer_is_reached(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard switched off: what is refused above gets through."""
    monkeypatch.setattr(connecting, "require_allowed", lambda *_: None)
    assert peer.get(Guard(), "127.0.0.1").body == b"ok"
