"""Log numbers: how they follow one another, and what goes out again when a link starts. Nothing is
stored here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from messaging.protocols.edl.profile import Role


def next_number(number: int, modulus: int) -> int:
    """The number after `number` (0: none given yet); after the highest, `modulus`, comes 1."""
    return number % modulus + 1


def steps_back(last: int, number: int, modulus: int) -> int:
    """How many numbers before `last` the number was given: 0 for `last` itself."""
    return (last - number) % modulus


def is_after(number: int, other: int, modulus: int) -> bool:
    """Whether `number` was given after `other`: numbers run in a circle, and the half of it that
    begins after `other` lies ahead.
    """
    return 0 < steps_back(number, other, modulus) < modulus // 2


class Standing(Enum):
    """What a number is, before anything is said about its message."""

    NEW = "new"
    REPEATED = "repeated"
    OUT_OF_ORDER = "out of order"


class Intake:
    """The numbers one side takes from the other on a link.

    `expected` is the next new one, None while the first is taken as it comes. `remembered` of those
    before it are known to have been taken, at most `memory`.
    """

    __slots__ = ("_memory", "_modulus", "_remembered", "expected")

    def __init__(self, modulus: int, memory: int) -> None:
        self._modulus = modulus
        self._memory = memory
        self._remembered = 0
        self.expected: int | None = None

    def go_on_after(self, last_taken: int, remembered: int | None) -> None:
        """`last_taken` 0: nothing is known, 1 comes next. `remembered` None: the whole memory."""
        self.expected = next_number(last_taken, self._modulus)
        known = self._memory if remembered is None else min(remembered, self._memory)
        self._remembered = known if last_taken else 0

    def take(self, number: int) -> Standing:
        """A new number is used by this, whatever becomes of its message."""
        if self.expected is None or number == self.expected:
            self.expected = next_number(number, self._modulus)
            self._remembered = min(self._remembered + 1, self._memory)
            return Standing.NEW
        back = steps_back(self.expected - 1, number, self._modulus)
        known = number != 0 and back < self._remembered
        return Standing.REPEATED if known else Standing.OUT_OF_ORDER


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stored message that was sent under `number` and has no answer.

    `expired`: it is no use delivering it now. What was never sent has no number yet and goes out
    after the plan, from `Plan.next_number` on.
    """

    number: int
    content: bytes
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send when a link has become ready, in this order, and the number of the first new
    message after it.

    `repeat` goes out byte for byte, `renumber` under the numbers given beside. `dropped` was never
    taken by the peer and has expired: it is not sent.
    """

    repeat: tuple[Waiting, ...]
    renumber: tuple[tuple[int, Waiting], ...]
    dropped: tuple[Waiting, ...]
    next_number: int


def plan_start(
    role: Role,
    waiting: Iterable[Waiting],
    their_last_taken: int,
    last_given: int,
    modulus: int,
) -> Plan:
    """Plan what `role` sends after HELLO and READY (host-1 EDL profile, section Start).

    `waiting` is in the order the messages were first sent. What the peer has taken is repeated,
    expired or not, since only its answer is missing; what it has not taken goes on after the last
    number it took. A peer that knows no number takes the host's as they come, so the host goes on
    after `last_given`, while a control point begins again at 1.
    """
    taken: list[Waiting] = []
    rest: list[Waiting] = []
    for message in waiting:
        (taken if _is_taken(message.number, their_last_taken, modulus) else rest).append(message)
    number = their_last_taken
    if not number and role is Role.HOST:
        number = last_given
    renumbered = []
    for message in rest:
        if not message.expired:
            number = next_number(number, modulus)
            renumbered.append((number, message))
    dropped = tuple(message for message in rest if message.expired)
    return Plan(tuple(taken), tuple(renumbered), dropped, next_number(number, modulus))


def _is_taken(number: int, their_last_taken: int, modulus: int) -> bool:
    """Numbers run in a circle: the half of it that ends at the last one taken lies behind."""
    return their_last_taken != 0 and steps_back(their_last_taken, number, modulus) < modulus // 2
