"""Control points that can do no TLS: served from the addresses that their own settings name within
their tenant's tunnel, and from nowhere else. What there is, nobody is told who may not know.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from hostsvc.supervisor import free_ports, tcp_ready
from tests.e2e.bad_input import RawLink, last_refusals, refused
from tests.e2e.processes import beside
from tests.e2e.rig import Rig
from tests.e2e.test_revocation import link_downs

pytestmark = pytest.mark.xdist_group("stack")

TENANT, POINT, UNIT = "alder", "ALDR2", "ALDR-F04"
HERE, ELSEWHERE, ANOTHERS, NOBODYS = "127.0.0.2", "127.0.0.3", "127.0.0.17", "127.0.0.40"
TUNNELS = "ALDER=127.0.0.0/28,BIRCH=127.0.0.16/28"


@dataclass(frozen=True, slots=True)
class Place:
    """The stack with a gateway that also listens without TLS."""

    stack: Rig
    port: int

    def link(self, source: str = HERE, name: str = POINT) -> RawLink:
        address = ("127.0.0.1", self.port)
        return RawLink(socket.create_connection(address, 20, source_address=(source, 0)), name)


@pytest.fixture(scope="module")
def place(stack: Rig) -> Iterator[Place]:
    (port,) = free_ports(1)
    settings = {"HOSTSVC_EDL_PLAIN_LISTEN": f"127.0.0.1:{port}", "HOSTSVC_EDL_TUNNELS": TUNNELS}
    with beside(stack, "run_gateway", "HOSTSVC_EDL_LISTEN", **settings):
        stack.until(lambda: tcp_ready("127.0.0.1", port))
        yield Place(stack, port)


@pytest.fixture
def allowed(place: Place) -> Iterator[None]:
    with place.stack.endpoint_set(TENANT, POINT, plain_from=[f"{HERE}/32"]):
        yield


def test_messages_go_up_and_down_without_tls_from_an_allowed_address(
    place: Place, allowed: None
) -> None:
    with place.link() as link, ThreadPoolExecutor(1) as threads:
        assert link.greet().type == "READY"
        assert link.say_next("NDZ", f"{UNIT:9}    17").type == "ACK"
        asked = threads.submit(place.stack.dispatch, UNIT, POINT, wait=20)
        while (said := link.hear()).type != "BOAI":
            link.say("ACK", "OK  ", 0, said.number)
        link.say("ACK", "OK  ", 0, said.number)
        answer = f"{UNIT:9}{said.data[9:19]}{'':64}"
        assert link.say_next("ACCEPT", answer, said.number).type == "ACK"
        assert asked.result()["response"]["verdict"] == "ACCEPTED"
        rows = place.stack.api(TENANT, "GET", "links")["results"]
        (lamp,) = (row for row in rows if row["name"] == POINT)
        assert (lamp["lamp"], lamp["address"].split(":")[0]) == ("UP", HERE)


REFUSED = {
    "a name that nobody has": (HERE, "NOBODY", "alder"),
    "another tenant's control point": (HERE, "BRCH2", "alder"),
    "one that does not allow it": (HERE, "ALDR1", "alder"),
    "another address of the tunnel": (ELSEWHERE, POINT, "alder"),
    "another tenant's tunnel": (ANOTHERS, POINT, "birch"),
    "no tunnel": (NOBODYS, POINT, "house"),
}


@pytest.mark.parametrize(("source", "name", "chain"), REFUSED.values(), ids=REFUSED)
def test_whoever_may_not_is_answered_alike_closed_and_recorded(
    place: Place, allowed: None, source: str, name: str, chain: str
) -> None:
    with refused(place.stack, chain), place.link(source, name) as link:
        said = link.greet()
        assert link.is_closed()
    text = "not a control point that may connect so"
    assert (said.type, said.number, said.reply) == ("NACK", 0, 0)
    assert said.data == f"R001{text:80}"
    (told,) = last_refusals(place.stack, chain)
    assert (told["reason"], told["claimed"]) == (text, name)
    assert told["address"].startswith(f"{source}:")


def test_none_may_until_its_own_setting_says_so(place: Place) -> None:
    with refused(place.stack, TENANT), place.link() as link:
        assert link.greet().code == "R001"


def test_a_link_goes_when_its_setting_no_longer_allows_it(place: Place) -> None:
    with place.stack.endpoint_set(TENANT, POINT, plain_from=[f"{HERE}/32"]):
        link = place.link()
        assert link.greet().type == "READY"
    with link:
        assert link.is_closed()
    reason = "it may not connect without TLS from there any more"
    place.stack.until(lambda: reason in link_downs(place.stack, TENANT))


@pytest.mark.parametrize("said", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", b"\n" * 2000])
def test_what_is_no_hello_is_malformed(place: Place, allowed: None, said: bytes) -> None:
    with refused(place.stack, TENANT), place.link() as link:
        link.send(said)
        assert link.hear().code == "R001"
        assert link.is_closed()
