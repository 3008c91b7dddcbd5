"""How long each class of message may wait, and when a try follows a try: pure functions over
tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from messaging.domain.clock import gate_closure, half_hour_of
from messaging.domain.submissions import BidOfferRecord, LevelRecord, Submission

RESPOND_WITHIN = timedelta(seconds=120)
"""For an instruction without a `respondBy` of its own: a BOA is answered within two minutes of its
receipt.
"""

LINK_GRACE = timedelta(milliseconds=250)
"""How long the gateway that holds a link has to take a delivery before a worker looks after it."""

WRITTEN_GRACE = timedelta(seconds=2)
"""How long a numbered message may be without an answer before the gateway is asked whether it has
written it.
"""

LINK_LOOK_AGAIN = (timedelta(seconds=2), timedelta(seconds=30))
"""First and longest pause between looks at a delivery whose control point is not on a link."""

LEASE = timedelta(seconds=60)
"""A claim outlives its process this long only where the process's host is lost too: else its lock
tells.
"""

LARGE_LEASE = timedelta(minutes=5)
"""Of one that may take minutes to carry."""

BLOCKED_LOOK_AGAIN = timedelta(seconds=60)
"""When that is looked at again which a person must put right before it can be sent."""

BEHIND_LOOK_AGAIN = timedelta(minutes=10)
"""A delivery behind another waits for that one to settle, which makes it due; this is the safety
net. Where an endpoint is slow thousands wait so, and each look takes a worker from the others.
"""

KEPT_BACK = timedelta(seconds=60)
"""A redeclaration that is older than this and still here did not flow."""

STUCK_AFTER = timedelta(minutes=2)
"""At the latest, since its receipt: what was tried and does not get through is alarmed, once."""

TURN_LOOK_AGAIN = timedelta(seconds=2)
"""When a reply file is tried again, while another exchange with a server of its tenant's own is
under way.
"""

GATE_LOOK_AGAIN = timedelta(minutes=10)
"""What waits for a gate is made due by whoever opens it; this is the safety net."""

HELD_AGAIN = timedelta(seconds=5)
"""When an operator that is out, and did not say until when, is tried again."""

ASKED_AT_MOST = timedelta(hours=1)
"""As long as a peer may ask us to wait (Retry-After): more is taken for a mistake of its own."""

JITTER = 0.25
"""A pause is longer by up to this part of it, so that what failed together does not come together
again; never shorter, for a peer may have asked for it.
"""

SHORTEST_WAIT = timedelta(seconds=1)
"""However soon a peer that is out may ask to be tried again."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`within` bounds the whole, from receipt; `pauses` (s) lie between tries, the last one
    repeating.
    """

    within: timedelta
    pauses: tuple[float, ...]


REDECLARATION = Schedule(timedelta(hours=24), (0.2, 0.5, 1, 2, 5, 10, 15, 30))
ANSWER = Schedule(RESPOND_WITHIN, (0.2, 0.5, 1, 1, 2, 3, 5))
NOTICE = Schedule(timedelta(hours=24), (1, 2, 5, 10, 30))
"""RESULT and TEXT to a control point."""

SUBMISSION = Schedule(timedelta(hours=24), (1, 2, 5, 10, 20, 30))
"""`within` is that of records whose times tell no deadline any more."""

REGISTRATION = Schedule(timedelta(hours=24), (2, 4, 8, 16, 32, 64, 128, 256, 300))
"""A batch for the Single Markets Platform: `within` is until its first byte leaves."""

REPLY_FILE = Schedule(timedelta(days=7), (1, 2, 5, 10, 30, 60, 300))
"""A trading point's directory or server may be out of reach over a long weekend."""

_SCHEDULES = {
    "ACCEPT": ANSWER,
    "REJECT": ANSWER,
    "SUBMISSION": SUBMISSION,
    "ACK_FILE": REPLY_FILE,
    "ACC_FILE": REPLY_FILE,
    "REJ_FILE": REPLY_FILE,
}

_BYTES_A_SECOND = 512 * 1024
"""As slowly as an operator may take in, and judge, a large submission."""


def schedule_of(kind: str) -> Schedule:
    """By the kind of message, as it is stored."""
    return _SCHEDULES.get(kind, REDECLARATION)


def stuck_after(kind: str) -> timedelta:
    """How long a message may be tried in vain before a person is told: a quarter of its time."""
    return min(schedule_of(kind).within / 4, STUCK_AFTER)


def answer_within(within: timedelta, size: int) -> timedelta:
    """How long the answer to a body of so many bytes may take, where `within` is the endpoint's."""
    return within + timedelta(seconds=size // _BYTES_A_SECOND)


def submission_deadline(submission: Submission, at: datetime) -> datetime:
    """Until when a submission received `at` is worth sending: the first gate closure to come among
    its records' times, and the first start of an operational day that one takes effect at.

    Where every gate has closed it is the end of what they say, and for what lies in the past
    altogether a day: the operator is to judge that.
    """
    starts, ends, effects = set(), set(), set()
    for record in submission.records:
        if isinstance(record, LevelRecord | BidOfferRecord):
            starts.add(record.time_from)
            ends.add(record.time_to)
        else:
            effects.add(record.effective_time)
    gates = {gate_closure(half_hour_of(start)) for start in starts if start > at}
    moments = gates | effects
    to_come = [one for one in moments if one > at]
    if to_come:
        return min(to_come)
    last = max(ends, default=at)
    return last if last > at else at + SUBMISSION.within


def pause_after(schedule: Schedule, attempts: int, seed: str = "") -> timedelta:
    """The pause after so many tries, at least one; spread by a `seed` of the delivery's own."""
    index = min(attempts, len(schedule.pauses)) - 1
    pause = timedelta(seconds=schedule.pauses[max(index, 0)])
    return spread(pause, f"{seed} {attempts}") if seed else pause


def spread(pause: timedelta, seed: str) -> timedelta:
    """The pause and up to JITTER of it: the same seed always gives the same."""
    drawn = int.from_bytes(sha256(seed.encode()).digest()[:4], "big") / 2**32
    return pause * (1 + JITTER * drawn)


def asked_for(retry_after: float | None) -> timedelta:
    """How long a peer asked us to wait, as far as that is obeyed."""
    if retry_after is None:
        return timedelta(0)
    return min(timedelta(seconds=max(retry_after, 0)), ASKED_AT_MOST)


def pause_asked(pause: timedelta, retry_after: float | None) -> timedelta:
    """The pause, or a longer one where the peer asked for it."""
    return max(pause, asked_for(retry_after))


def held_until(now: datetime, retry_after: float | None, seed: str = "") -> datetime:
    """When to try a peer again that said it is out, `retry_after` seconds by its own word."""
    asked = HELD_AGAIN if retry_after is None else asked_for(retry_after)
    pause = max(asked, SHORTEST_WAIT)
    return now + (spread(pause, seed) if seed else pause)


def time_for(within: timedelta, deadline: datetime, now: datetime) -> timedelta | None:
    """How long a try that starts now may take: `within`, and no longer than is left. None where
    nothing is left: then it must not start.
    """
    left = min(within, deadline - now)
    return left if left > timedelta(0) else None
