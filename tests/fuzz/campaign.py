"""Runs a target over numbered inputs: each is made from the run's seed and its own number alone, so
that any of them can be made again.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from tests.fuzz.targets import TARGETS, Target

MOST_CRASHES = 5
"""Told of one batch; more of them say nothing new."""


@dataclass(frozen=True, slots=True)
class Crash:
    target: str
    seed: int
    number: int
    data: bytes
    trace: str

    def __str__(self) -> str:
        again = (
            f"python -m tests.fuzz --target {self.target} --seed {self.seed} --only {self.number}"
        )
        return f"{again}\n  {self.data[:300]!r}\n{self.trace}"


@dataclass(slots=True)
class Outcome:
    """`slowest` is the longest time of one input, in seconds, and its number."""

    inputs: int = 0
    slowest: tuple[float, int] = (0.0, 0)
    crashes: list[Crash] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        self.inputs += other.inputs
        self.slowest = max(self.slowest, other.slowest)
        self.crashes += other.crashes


def input_of(target: Target, seed: int, number: int) -> tuple[Random, bytes]:
    """The bytes, and the generator as the target is to go on drawing from it."""
    rng = Random(f"{seed}/{target.name}/{number}")
    return rng, target.make(rng)


def run(name: str, seed: int, numbers: Iterable[int]) -> Outcome:
    target, outcome = TARGETS[name], Outcome()
    for number in numbers:
        rng, data = input_of(target, seed, number)
        began = time.perf_counter()
        try:
            target.take(rng, data)
        except Exception:
            trace = traceback.format_exc(limit=-6)
            outcome.crashes.append(Crash(name, seed, number, data, trace))
        outcome.slowest = max(outcome.slowest, (time.perf_counter() - began, number))
        outcome.inputs += 1
        if len(outcome.crashes) >= MOST_CRASHES:
            break
    return outcome


def run_batch(batch: tuple[str, int, range]) -> Outcome:
    """`run`, as a pool of processes calls it."""
    return run(*batch)
