"""The steps of a test towards the system operator, from its name to its latency, all within a time
limit and with no transaction open.
"""

from __future__ import annotations

import socket
import ssl
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from messaging.probing.handshake import shake_hands
from messaging.probing.question import Asked, Asking, ask, judge_clock, judge_seal
from messaging.probing.report import Colour, Finding, Step
from messaging.transports.base import TransportError
from messaging.transports.connecting import (
    Guard,
    connect_to,
    find_addresses,
    require_allowed,
)
from tenants.networks import Address

SECONDS = 20.0
"""For the whole test."""

STEP_SECONDS = 5.0
"""For resolving, connecting and the handshake, each."""

PINGS = 5
SLOW_MS = 1_000.0
_HTTPS = 443
_NOT_TRIED = "not tried: a step before it failed"


@dataclass(frozen=True, slots=True)
class Target:
    """What is tried. `context` is None where our certificate is missing, `asking` where there is
    nothing to ask with or the protocol has no question without an effect; `why_not` then says
    which.
    """

    address: str
    ours: Finding
    context: ssl.SSLContext | None
    asking: Asking | None
    why_not: str = ""


@dataclass(slots=True)
class _Tried:
    """What was found on the way. `holds` falls with the first step that the next ones need."""

    target: Target
    guard: Guard
    deadline: float
    addresses: tuple[Address, ...] = ()
    asked: Asked | None = None
    holds: bool = True
    steps: list[Step] = field(default_factory=list)

    @property
    def host(self) -> str:
        return urlsplit(self.target.address).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.target.address).port or _HTTPS

    def left(self, most: float) -> float:
        return max(min(most, self.deadline - time.monotonic()), 0.0)

    def step(self, name: str, work: Callable[[], Finding]) -> None:
        """A transport's error makes it red, and those after it grey."""
        if not self.holds:
            self.steps.append(Step(name, Finding(Colour.GREY, _NOT_TRIED)))
            return
        if self.left(1) <= 0:
            text = f"not tried: the test's {SECONDS:g} s were over"
            self.steps.append(Step(name, Finding(Colour.GREY, text)))
            return
        began = time.monotonic()
        try:
            finding = work()
        except TransportError as error:
            finding, self.holds = Finding(Colour.RED, str(error)), False
        took = round((time.monotonic() - began) * 1000, 1)
        self.steps.append(Step(name, finding, None if finding.colour is Colour.GREY else took))


def try_operator(
    target: Target, guard: Guard | None = None, *, seconds: float = SECONDS
) -> list[Step]:
    """Never raises for what the peer does."""
    tried = _Tried(target, guard or Guard.of_vendor(), time.monotonic() + seconds)
    tried.steps.append(Step("our certificates", target.ours))
    for name, work in (
        ("DNS", _resolve),
        ("address", _look_at),
        ("TCP", _connect),
        ("TLS", _shake_hands),
        ("signature", _ask),
        ("clock", _compare_clocks),
        ("latency", _measure),
    ):
        tried.step(name, partial(work, tried))
    return tried.steps


def _resolve(tried: _Tried) -> Finding:
    seconds = tried.left(STEP_SECONDS)
    tried.addresses = find_addresses(tried.guard, tried.host, tried.port, seconds)
    found = [str(one) for one in tried.addresses]
    return Finding(Colour.GREEN, f"{tried.host} is {', '.join(found)}", {"addresses": found})


def _look_at(tried: _Tried) -> Finding:
    require_allowed(tried.guard, tried.host, tried.addresses)
    return Finding(Colour.GREEN, "the host may connect there")


def _connect(tried: _Tried) -> Finding:
    deadline = time.monotonic() + tried.left(STEP_SECONDS)
    with connect_to(tried.addresses, tried.port, deadline) as connected:
        host, port, *_ = connected.getpeername()
    return Finding(Colour.GREEN, f"{host} takes connections on port {port}")


def _shake_hands(tried: _Tried) -> Finding:
    context = tried.target.context
    if context is None:
        tried.holds = False
        return Finding(Colour.GREY, tried.target.why_not)

    def connect() -> socket.socket:
        left = tried.left(STEP_SECONDS)
        connected = connect_to(tried.addresses, tried.port, time.monotonic() + left)
        connected.settimeout(max(tried.left(STEP_SECONDS), 0.01))
        return connected

    shaken = shake_hands(connect(), tried.host, context, connect)
    tried.holds = shaken.holds
    return shaken.finding


def _ask(tried: _Tried) -> Finding:
    asking = tried.target.asking
    if asking is None:
        tried.holds = False
        return Finding(Colour.GREY, tried.target.why_not)
    tried.asked = ask(asking, tried.guard, tried.left(asking.settings.answer_seconds))
    return judge_seal(asking, tried.asked)


def _compare_clocks(tried: _Tried) -> Finding:
    asking, asked = tried.target.asking, tried.asked
    assert asking is not None, "the question came first"
    assert asked is not None, "and was answered"
    return judge_clock(asking, asked)


def _measure(tried: _Tried) -> Finding:
    """The middle one of several questions, on the connection that the first one left behind."""
    asking = tried.target.asking
    assert asking is not None, "the question came first"
    taken: list[float] = []
    for _ in range(PINGS):
        left = tried.left(asking.settings.answer_seconds)
        if left <= 0:
            break
        taken.append(round(ask(asking, tried.guard, left).milliseconds, 1))
    if not taken:
        return Finding(Colour.GREY, "there was no time left to measure it")
    middle = statistics.median(taken)
    colour = Colour.YELLOW if middle > SLOW_MS else Colour.GREEN
    detail = {"median_ms": middle, "each_ms": taken}
    return Finding(colour, f"{middle:g} ms, the middle one of {len(taken)}", detail)
