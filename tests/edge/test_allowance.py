"""How often one peer may ask: shared through a real Redis, spent in leases, open to all without
it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import redis

from messaging.edge import allowance as allowances
from messaging.edge.allowance import LEASE, Allowance, Held
from tenants.ids import new_id
from tests.cable import Cable
from tests.servers import TestServers

SLOW = 1
"""Requests a second: none comes back while a test runs."""


@dataclass(slots=True)
class Process:
    """One of several processes that share an allowance."""

    allowance: Allowance

    def ask(self, peer: bytes) -> float:
        """Seconds to wait; 0 to go on."""
        waits = self.allowance.spend(peer)
        return self.allowance.renew(peer) if waits is None else waits

    def asked(self, peer: bytes, times: int) -> int:
        """How many of so many requests may go on."""
        return sum(not self.ask(peer) for _ in range(times))


@pytest.fixture
def peer() -> bytes:
    return new_id().bytes


@pytest.fixture
def process(servers: TestServers) -> Callable[[int, int], Process]:
    return lambda rate, burst: Process(Allowance(servers.redis, rate, burst))


Make = Callable[[int, int], Process]


def test_a_burst_goes_on_and_what_is_beyond_is_told_how_long_to_wait(
    process: Make, peer: bytes
) -> None:
    one = process(SLOW, 50)
    assert one.asked(peer, 50) == 50
    assert 0 < one.ask(peer) <= 1


def test_one_peer_has_nothing_of_anothers(process: Make, peer: bytes) -> None:
    one = process(SLOW, 50)
    assert one.asked(peer, 60) == 50
    assert one.asked(new_id().bytes, 50) == 50


def test_processes_share_a_peers_allowance(process: Make, peer: bytes) -> None:
    one, other = process(SLOW, 100), process(SLOW, 100)
    went_on = sum(one.asked(peer, 1) + other.asked(peer, 1) for _ in range(100))
    assert went_on == 100


def test_it_comes_back_with_time(process: Make, peer: bytes) -> None:
    one = process(100, 20)
    assert one.asked(peer, 20) == 20
    waits = one.ask(peer)
    assert 0 < waits <= 0.05
    time.sleep(waits + 0.02)
    assert one.ask(peer) == 0


def test_most_requests_do_not_ask_redis(process: Make, peer: bytes) -> None:
    one = process(SLOW, 1_000)
    asked = sum(
        one.allowance.spend(peer) is None and one.allowance.renew(peer) == 0 for _ in range(200)
    )
    assert asked == 200 / LEASE


def test_one_who_must_wait_costs_redis_nothing(
    servers: TestServers, process: Make, peer: bytes
) -> None:
    one = process(SLOW, 10)
    one.asked(peer, 11)
    assert one.allowance.spend(peer) is not None
    before = redis.Redis.from_url(servers.redis).info("commandstats")["cmdstat_evalsha"]["calls"]
    assert one.asked(peer, 100) == 0
    after = redis.Redis.from_url(servers.redis).info("commandstats")["cmdstat_evalsha"]["calls"]
    assert before == after


def test_a_redis_that_does_not_answer_lets_everyone_go_on_and_is_not_waited_for_each_time(
    peer: bytes,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        one = Process(Allowance(f"redis://{host}:{port}/0", SLOW, 10))
        assert one.asked(peer, 200) == 200
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_a_redis_that_comes_back_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, servers: TestServers, peer: bytes
) -> None:
    monkeypatch.setattr(allowances, "AWAY_FOR", 0.0)
    with Cable(servers.redis) as cable:
        one = Process(Allowance(cable.url, SLOW, 10))
        cable.cut()
        assert one.asked(peer, 2 * LEASE) == 2 * LEASE
        cable.mend()
        assert one.asked(peer, 2 * LEASE) == 10


def test_many_peers_take_a_bounded_memory(monkeypatch: pytest.MonkeyPatch, process: Make) -> None:
    monkeypatch.setattr(allowances, "MOST_PEERS", 5)
    one = process(SLOW, 100)
    for _ in range(50):
        assert one.ask(new_id().bytes) == 0
    assert len(one.allowance._leases) == 5


def test_a_peer_has_so_many_requests_under_way_and_no_more(peer: bytes) -> None:
    held = Held(2, 100)
    assert [held.enter(peer), held.enter(peer), held.enter(peer)] == [True, True, False]
    assert held.enter(b"another")
    held.leave(peer, 0)
    assert held.enter(peer)


def test_a_peer_has_so_many_bytes_under_way_and_no_more(peer: bytes) -> None:
    held = Held(5, 100)
    held.enter(peer)
    held.enter(peer)
    assert held.hold(peer, 60)
    assert not held.hold(peer, 60)
    held.leave(peer, 60)
    held.leave(peer, 60)
    held.enter(peer)
    assert held.hold(peer, 100)
