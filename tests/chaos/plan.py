"""What is done to a running service, and when: drawn from a seed, and the same each time. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from messaging.simulator.catalogue import CATALOGUE, FaultKind, Setting
from messaging.simulator.services import ASSET, HEALTH, INSTRUCTION, REDECLARATION, SUBMISSION

PARTS = (
    *("gateway", "gateway-2", "inbound", "web", "admin", "files"),
    *("worker", "worker-2", "worker-files", "worker-smp", "worker-webhooks", "worker-housekeeping"),
    "beat",
)
"""The service's own programs. The simulator is none: it is the party outside that keeps the
operator's book, and so is frozen and cut off, but not killed.
"""

SERVERS = ("postgres", "redis")
FROZEN = (
    *("worker", "gateway", "inbound", "worker-housekeeping", "beat", "worker-files", "worker-smp"),
    *("simulator", "postgres", "redis"),
)
CABLES = ("edl", "edl-2", "operator", "platform", "inbound")
"""Between the control points and either gateway, the host and the operator's two sides, and the
operator and the host.
"""

SPACING = 6.0
"""Seconds between two blows, on average; less in a short run, for the core is in each."""

LONG_FREEZE = 70.0
"""Longer than a claim outlives its process: another takes over, and the first one comes back."""

LONG_RUN = 240.0
"""Seconds from which on a run has a long freeze."""

SHORTEST = 48.0
"""Seconds; a run must hold the core of what there is."""


class Deed(StrEnum):
    KILL = "kill -9"
    RESTART = "restart"
    FREEZE = "freeze"
    FLUSH = "flush"
    CUT = "cut"
    STALL = "stall"
    DELAY = "delay"
    OUTAGE = "outage"
    SKEW = "clock"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Strike:
    """`at` and `lasts` are seconds, `at` from the beginning of the traffic. `amount` is the lag of
    a delayed cable, or how far the operator's clock is ahead, in seconds; `settings` are a fault's.
    """

    at: float
    deed: Deed
    target: str
    lasts: float = 0.0
    amount: float = 0.0
    settings: Mapping[str, Setting] = field(default_factory=dict)

    def __str__(self) -> str:
        words = [self.deed.value, self.target]
        if self.amount:
            words.append(f"by {self.amount:g} s")
        if self.lasts:
            words.append(f"for {self.lasts:.1f} s")
        told = (f"{name}={value}" for name, value in self.settings.items() if name != "fault")
        return " ".join((*words, *told))


_CORE = (
    (Deed.KILL, "gateway"),
    (Deed.KILL, "worker"),
    (Deed.KILL, "inbound"),
    (Deed.KILL, "beat"),
    (Deed.KILL, "web"),
    (Deed.RESTART, "postgres"),
    (Deed.RESTART, "redis"),
    (Deed.FLUSH, "redis"),
    (Deed.FREEZE, "worker"),
    (Deed.FREEZE, "gateway"),
    (Deed.CUT, "edl"),
    (Deed.CUT, "operator"),
    (Deed.DELAY, "inbound"),
    (Deed.STALL, "operator"),
    (Deed.OUTAGE, "simulator"),
    (Deed.SKEW, "simulator"),
)
"""What even the shortest run does."""

_SKEWS = (-400.0, -200.0, 200.0, 400.0)
"""Within what signatures may be off, and beyond."""


def draw(seed: int, minutes: float) -> tuple[Strike, ...]:
    """In the order of their times; all are over when the minutes are."""
    span = minutes * 60
    if span < SHORTEST:
        raise ValueError(f"a run takes at least {SHORTEST:g} s")
    chance = random.Random(f"chaos {seed}")
    blows = list(_timed(_blows(chance, max(len(_CORE), int(span / SPACING))), span, chance))
    if span >= LONG_RUN:
        at = chance.uniform(0.1, 0.4) * span
        blows.append(Strike(at, Deed.FREEZE, "worker", LONG_FREEZE))
    faults = [_fault(settings, span, chance) for settings in _faults(chance)]
    return tuple(sorted((*blows, *faults), key=lambda strike: strike.at))


def every_blow() -> tuple[tuple[Deed, str], ...]:
    """All that is done beside the simulator's faults."""
    return tuple(
        dict.fromkeys(
            (
                *_CORE,
                *((Deed.KILL, part) for part in (*PARTS, *SERVERS)),
                *((Deed.RESTART, server) for server in SERVERS),
                *((Deed.FREEZE, part) for part in FROZEN),
                *((deed, cable) for cable in CABLES for deed in (Deed.CUT, Deed.STALL, Deed.DELAY)),
            )
        )
    )


def _blows(chance: random.Random, count: int) -> Sequence[tuple[Deed, str]]:
    """The core, then the others, and in a long run any of them again and again."""
    others = [blow for blow in every_blow() if blow not in _CORE]
    chance.shuffle(others)
    chosen = [*_CORE, *others][:count]
    chosen += chance.choices(every_blow(), k=count - len(chosen))
    chance.shuffle(chosen)
    return chosen


def _timed(
    blows: Sequence[tuple[Deed, str]], span: float, chance: random.Random
) -> Iterator[Strike]:
    """One in each stretch of the time, each over before the whole is."""
    stretch = span / len(blows)
    for index, (deed, target) in enumerate(blows):
        at = (index + chance.uniform(0.1, 0.9)) * stretch
        lasts, amount = _measure(deed, chance)
        yield Strike(at, deed, target, min(lasts, span - at), amount)


def _measure(deed: Deed, chance: random.Random) -> tuple[float, float]:
    """How long, and how much."""
    match deed:
        case Deed.CUT | Deed.STALL | Deed.FREEZE:
            return chance.uniform(1.5, 8.0), 0.0
        case Deed.DELAY:
            return chance.uniform(4.0, 10.0), round(chance.uniform(0.2, 1.5), 2)
        case Deed.OUTAGE:
            return chance.uniform(4.0, 10.0), 0.0
        case Deed.SKEW:
            return chance.uniform(5.0, 12.0), chance.choice(_SKEWS)
        case _:
            return 0.0, 0.0


def _fault(settings: Mapping[str, Setting], span: float, chance: random.Random) -> Strike:
    """Early enough that there is traffic for it to spoil."""
    at = chance.uniform(0.0, 0.85) * span
    return Strike(at, Deed.FAULT, str(settings["fault"]), settings=settings)


def _faults(chance: random.Random) -> Iterator[dict[str, Setting]]:
    """Each kind there is in each of its forms. One that the simulator learns later is in it."""
    for kind in CATALOGUE.values():
        for path, given in _forms(kind, chance):
            times = 1 if kind.name in _ONCE else 2
            yield {"fault": kind.name, "path": path, "times": times, **given}


_ONCE = frozenset({"receipt_missing", "timeout_before", "timeout_after", "token_expired"})
"""Dear ones: an answer that never comes is waited for, and a receipt for good."""

_BUSY = (REDECLARATION, INSTRUCTION)
"""Services that have traffic all the time, so that a fault of theirs is met."""


def _forms(kind: FaultKind, chance: random.Random) -> Iterator[tuple[str, Mapping[str, Setting]]]:
    """Of one kind: where it is set, and with what."""
    busy = [service for service in _BUSY if service in kind.services]
    match kind.name:
        case "latency":
            yield chance.choice(busy), {"ms": chance.randrange(500, 3000)}
        case "http_503" | "r999":
            yield chance.choice(busy), {"retryAfter": chance.randint(1, 3)}
            yield HEALTH, {"retryAfter": 1}
        case "bad_signature" | "wrong_key" | "wrong_in_reply_to" | "clock_skew":
            yield chance.choice(busy), {"direction": "answers"}
            yield INSTRUCTION, {"direction": "requests"}
        case "refuse":
            yield from ((path, {"text": "by chaos"}) for path in (*_BUSY, SUBMISSION))
        case "partial_errors":
            yield from ((path, {"every": 1}) for path in (SUBMISSION, ASSET))
        case "token_expired":
            yield ASSET, {}
        case "receipt_later":
            yield REDECLARATION, {"seconds": chance.uniform(0.1, 3.0)}
            yield SUBMISSION, {"status": "REJECTED", "text": "by chaos"}
        case "receipt_duplicated":
            yield REDECLARATION, {"copies": 3, "newIds": chance.random() < 0.5}
        case "duplicated_instruction":
            yield from ((INSTRUCTION, {"copies": 3, "newIds": new}) for new in (False, True))
        case _:
            yield chance.choice(busy or [kind.services[0]]), {}
