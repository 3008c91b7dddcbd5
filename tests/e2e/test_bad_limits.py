"""Too much, too fast, too slow and too often for the inbound API, clients without the certificate
it wants, and the database out of its reach: each is answered with its status, recorded once, and
takes bounded memory, while other traffic goes on. The cases are in bad_inbound.toml.
"""

from __future__ import annotations

import socket
import ssl
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from messaging.rehearsal.authority import Authority, Issued
from tests.cable import Cable
from tests.e2e.bad_input import (
    bounded_memory,
    context_of,
    last_refusals,
    refused,
    refused_in,
    refused_or_counted,
    traffic_beside,
)
from tests.e2e.bad_operator import (
    SEALED,
    Answer,
    Json,
    health,
    opened,
    operator_context,
    post,
    say,
)
from tests.e2e.processes import Beside, beside
from tests.e2e.rig import Rig
from tests.servers import ROOT

CASES = tomllib.loads((ROOT / "tests" / "e2e" / "bad_inbound.toml").read_text())
MEGABYTE = 2**20
AT_ONCE, RATE, BURST, HELD_MB = 4, 5, 40, 64
MOST_GROWTH = 5 * HELD_MB * 1024
"""Kilobytes by which a process may grow that may hold HELD_MB of bodies: while one is examined,
there are copies of it.
"""


def name_of(case: Json) -> str:
    return str(case["name"])


@dataclass(frozen=True, slots=True)
class Place:
    """The stack, and a second inbound process that allows little, trusts one more authority, and
    reaches the database by a cable.
    """

    stack: Rig
    narrow: Beside
    authority: Authority
    cable: Cable
    folder: Path

    @property
    def port(self) -> int:
        """Of the stack's own inbound process."""
        return urlsplit(self.stack.service["inbound"]["waUrl"]).port or 443

    def raw(self, port: int, head: str = "") -> ssl.SSLSocket:
        """A connection of the operator's; the head of a request may be on it."""
        url = urlsplit(self.stack.service["inbound"]["waUrl"])
        plain = socket.create_connection((url.hostname or "", port), 30)
        link = operator_context(self.stack).wrap_socket(plain, server_hostname=url.hostname)
        if head:
            lines = f"POST {url.path}/{head}\r\nHost: {url.netloc}\r\nContent-Type: {SEALED}\r\n"
            link.sendall(lines.replace("\r\n", " HTTP/1.1\r\n", 1).encode())
        return link

    def context(self, issued: Issued) -> ssl.SSLContext:
        certificate, key = self.folder / "shown.pem", self.folder / "shown.key"
        issued.write(certificate, key)
        return context_of(self.stack, str(certificate), str(key))


@pytest.fixture(scope="module")
def place(stack: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, authority = tmp_path_factory.mktemp("place"), Authority("another trusted one")
    own = (stack.var / "tls" / "ca.pem").read_text()
    (folder / "ca.pem").write_text(own + authority.pem)
    with Cable(stack.environment["DATABASE_URL"]) as cable:
        settings = {
            "HOSTSVC_INBOUND_CLIENT_CA": folder / "ca.pem",
            "HOSTSVC_INBOUND_AT_ONCE": AT_ONCE,
            "HOSTSVC_INBOUND_RATE": RATE,
            "HOSTSVC_INBOUND_BURST": BURST,
            "HOSTSVC_INBOUND_HELD_MB": HELD_MB,
            "DATABASE_URL": cable.url,
            # What the stack's own process allows is not to be shared with this one.
            "REDIS_URL": stack.environment["REDIS_URL"].removesuffix("/0") + "/1",
        }
        with beside(stack, "run_inbound", "HOSTSVC_INBOUND_LISTEN", **settings) as narrow:
            yield Place(stack, narrow, authority, cable, folder)


def heard(link: ssl.SSLSocket, seconds: float) -> Answer | None:
    """The host's answer if it begins within so many seconds; None where it says nothing."""
    link.settimeout(seconds)
    try:
        content = link.recv(65536)
    except TimeoutError:
        return None
    link.settimeout(20)
    head, _, body = content.partition(b"\r\n\r\n")
    assert head, "closed without an answer"
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    while len(body) < int(headers["content-length"]):
        body += link.recv(65536)
    return Answer(int(lines[0].split()[1]), headers["content-type"], body, headers)


def answer_of(link: ssl.SSLSocket) -> Answer:
    answer = heard(link, 40)
    assert answer is not None, "it waits still"
    return answer


# Statuses. Each scene gives back the answer that is a refusal.


def while_sending(
    place: Place, size: int, *, chunked: bool, service: str = "NESO_Instruction", port: int = 0
) -> Answer:
    """What the host says to a body of a size; it may say so before it has read all of it."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    piece = b"x" * 65536
    piece = b"10000\r\n" + piece + b"\r\n" if chunked else piece
    with place.raw(port or place.port, service) as link:
        link.sendall(f"{length}\r\n\r\n".encode())
        for _ in range(size // 65536):
            if (answer := heard(link, 0.001)) is not None:
                return answer
            link.settimeout(20)
            link.sendall(piece)
        if chunked:
            link.sendall(b"0\r\n\r\n")
        return answer_of(link)


def no_http(place: Place) -> Answer:
    with place.raw(place.port) as link:
        link.sendall(b"\x00\x01 what is this?\r\n\r\n")
        return answer_of(link)


def no_body(place: Place) -> Answer:
    with place.raw(place.port, "NESO_Health") as link:
        link.sendall(b"Content-Length: 100\r\n\r\n{")
        return answer_of(link)


def slow_head(place: Place) -> Answer:
    with place.raw(place.port, "NESO_Health") as link:
        for _ in range(30):
            link.sendall(b"x")
            if (answer := heard(link, 1)) is not None:
                return answer
    raise AssertionError("it waits still")


def too_fast(place: Place) -> Answer:
    """Until the first answer that is no 200; after the time it names, the same payload is taken."""
    payload = health()
    for _ in range(500):
        payload = health()
        answer = say(place.stack, payload, "NESO_Health", port=place.narrow.port)
        if answer.status != 200:
            break
    time.sleep(int(answer.headers["retry-after"]))
    again = say(place.stack, payload, "NESO_Health", port=place.narrow.port)
    assert opened(place.stack, again, 200, payload["messageId"])["status"] == "OK"
    return answer


def too_many_at_once(place: Place) -> Answer:
    """Others are half-way; once they are gone, there is room again."""
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            half = stack.enter_context(place.raw(place.narrow.port, "NESO_Health"))
            half.sendall(b"Content-Length: 100\r\n\r\n{")
        time.sleep(0.5)
        answer = post(place.stack, b"{}", "NESO_Health", port=place.narrow.port)
    assert answer.headers["retry-after"] == "1"
    time.sleep(1)
    assert say(place.stack, health(), "NESO_Health", port=place.narrow.port).status == 200
    return answer


def database_away(place: Place) -> Answer:
    """It is not remembered: the same payload is new once the database is back."""
    payload = health()
    place.cable.cut()
    try:
        answer = say(place.stack, payload, "NESO_Health", port=place.narrow.port)
    finally:
        place.cable.mend()
    assert int(answer.headers["retry-after"]) > 0
    again = say(place.stack, payload, "NESO_Health", port=place.narrow.port)
    assert opened(place.stack, again, 200, payload["messageId"])["status"] == "OK"
    return answer


SCENES: dict[str, Callable[[Place], Answer]] = {
    "fifty megabytes": lambda p: while_sending(p, 50 * MEGABYTE, chunked=False),
    "fifty megabytes in chunks": lambda p: while_sending(p, 50 * MEGABYTE, chunked=True),
    "no HTTP": no_http,
    "no body": no_body,
    "slow head": slow_head,
    "too fast": too_fast,
    "too many at once": too_many_at_once,
    "database away": database_away,
}
LIMITS = [case for case in CASES["staged"] if case.get("played") == "limits"]
SLOW = [case for case in CASES["staged"] if case.get("played") == "slow"]


def test_many_great_bodies_at_once_take_bounded_memory_while_others_are_served(
    place: Place,
) -> None:
    """Of a service that takes 64 MiB, and by way of chunks that say nothing of their size."""
    before = place.narrow.resident()
    statuses: Counter[int] = Counter()

    def send(chunked: bool) -> int:
        time.sleep(0.5)
        port = place.narrow.port
        return while_sending(
            place, 60 * MEGABYTE, chunked=chunked, service="NESO_Submission", port=port
        ).status

    with (
        refused(place.stack, "house", 3 * AT_ONCE + 1),
        traffic_beside(place.stack),
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        statuses.update(threads.map(send, [True, False] * (3 * AT_ONCE // 2)))
        assert send(True) == 401, "one by itself is read"
    assert set(statuses) <= {401, 429}
    reasons = [told["reason"] for told in last_refusals(place.stack, "house", 3 * AT_ONCE + 1)]
    assert "Too many bytes are under way." in reasons
    assert place.narrow.most_resident() - before < MOST_GROWTH
    assert say(place.stack, health(), "NESO_Health", port=place.narrow.port).status == 200


@pytest.mark.parametrize("case", LIMITS, ids=name_of)
def test_a_limit_is_answered_with_its_status_while_others_are_served(
    place: Place, case: Json
) -> None:
    with (
        refused(place.stack, case["chain"], case["entries"]),
        bounded_memory(place.stack, "run_inbound"),
        traffic_beside(place.stack, least=2),
    ):
        answer = SCENES[case["scene"]](place)
    assert answer.problem["status"] == case["status"]


def test_a_request_that_takes_its_time_is_answered_and_closed(place: Place) -> None:
    chains = Counter(case["chain"] for case in SLOW)
    with refused_in(place.stack, chains), ThreadPoolExecutor(len(SLOW)) as threads:
        answers = list(threads.map(lambda case: SCENES[case["scene"]](place), SLOW))
    for case, answer in zip(SLOW, answers, strict=True):
        assert answer.problem["status"] == case["status"]
        assert answer.headers["connection"] == "close"


# Clients.


def test_a_flood_of_refusals_is_counted_and_does_not_fill_the_houses_chain(place: Place) -> None:
    """As many entries as the cap lets through, and the rest in the count."""
    with refused_or_counted(place.stack, 300), ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: post(place.stack, b"{", "NESO_Health"), range(300)))
    assert {answer.status for answer in answers} == {401}


SHOWN: dict[str, Callable[[Place], ssl.SSLContext | None]] = {
    "none": lambda p: context_of(p.stack),
    "stranger": lambda p: p.context(Authority("stranger").issue("NGESO")),
    "expired": lambda p: p.context(p.authority.issue("NGESO", lifetime=timedelta(days=-1))),
    "plain text": lambda _: None,
}


@pytest.mark.parametrize("case", CASES["handshake"], ids=name_of)
def test_a_handshake_that_fails_is_recorded(place: Place, case: Json) -> None:
    context = SHOWN[case["shown"]](place)
    with refused(place.stack, "house"), socket.socket() as plain:
        plain.settimeout(20)
        plain.connect(("127.0.0.1", place.narrow.port))
        with suppress(OSError):
            link = context.wrap_socket(plain, server_hostname="127.0.0.1") if context else plain
            link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert link.recv(1000) == b""
    (told,) = last_refusals(place.stack, "house")
    assert case["reason"] in told["reason"]
    assert told["address"].startswith("127.0.0.1:")


def test_one_nobody_knows_is_told_nothing_and_recorded(place: Place) -> None:
    """A certificate that chains, and is pinned for nobody."""
    with refused(place.stack, "house"):
        context = place.context(place.authority.issue("NGESO"))
        answer = post(place.stack, b"{}", context=context, port=place.narrow.port)
    assert answer.problem["title"] == "The client certificate is not a known one."
    assert answer.status == 401
