"""The EDL session as a model: whatever is said, however the bytes arrive, and wherever the link
breaks, each end takes every message of the other once, and in order.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from messaging.protocols.edl import events as ev
from messaging.protocols.edl.loading import load_profile
from messaging.protocols.edl.profile import EdlProfile, Role
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import State
from tests.models.playing import play, play_to_lose
from tests.models.two_ends import End, MakeEnd

BEGIN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
FROM_HOST, FROM_POINT = Role.HOST, Role.CONTROL_POINT
sides = st.sampled_from([FROM_HOST, FROM_POINT])


class Links(RuleBasedStateMachine):
    """`said` is the whole model: what each side was asked to say, in order."""

    def __init__(self, profile: EdlProfile, make: MakeEnd = End) -> None:
        super().__init__()
        self.profile, self.make = profile, make
        self.now = BEGIN
        self.linked = False
        self.said: dict[Role, list[str]] = {role: [] for role in Role}
        self.ends: dict[Role, End] = {}

    # The first numbers of a life, and those around the highest, after which comes 1.
    @initialize(up=st.sampled_from([0, -3, -1]), down=st.sampled_from([0, -3, -1]))
    def begin(self, up: int, down: int) -> None:
        above = up and self.profile.limits.number_modulus + up + 1
        below = down and self.profile.limits.number_modulus + down + 1
        self.ends = {
            Role.HOST: self.make(Role.HOST, self.profile, above, below),
            Role.CONTROL_POINT: self.make(Role.CONTROL_POINT, self.profile, below, above),
        }

    @rule(side=sides)
    def say(self, side: Role) -> None:
        words = f"{side.value} {len(self.said[side]) + 1}"
        self.said[side].append(words)
        self.ends[side].say(words, self.now)

    @rule(side=sides, several=st.integers(2, 120))
    def say_much(self, side: Role, several: int) -> None:
        """More than a window holds."""
        for _ in range(several):
            self.say(side)

    @rule()
    def connect(self) -> None:
        """Also while a link is up: it is replaced."""
        for end in self.ends.values():
            end.open(self.now)
        self.linked = True

    @precondition(lambda self: self.linked)
    @rule(side=sides, size=st.integers(1, 400))
    def carry(self, side: Role, size: int) -> None:
        """So many bytes of what a side has written arrive: the others may yet be lost."""
        written, other = self.ends[side].out, self.ends[self._other(side)]
        piece = bytes(written[:size])
        del written[:size]
        if piece:
            other.hear(piece, self.now)
        self._close_the_closed()

    @precondition(lambda self: self.linked)
    @rule()
    def carry_all(self) -> None:
        """To and fro until nobody has anything to say."""
        while self.linked and any(end.out for end in self.ends.values()):
            for side in Role:
                if self.ends[side].out:
                    self.carry(side, len(self.ends[side].out))

    @precondition(lambda self: self.linked)
    @rule()
    def cut(self) -> None:
        """The connection is gone, and with it every byte under way."""
        for end in self.ends.values():
            end.close()
        self.linked = False

    @precondition(lambda self: self.linked)
    @rule(side=sides)
    def break_before_the_answer(self, side: Role) -> None:
        """What a side has written arrives, and no answer to it does."""
        self.carry(side, len(self.ends[side].out))
        if self.linked:
            self.cut()

    @rule(seconds=st.sampled_from([1, 10, 29, 30, 31, 60, 91]))
    def wait(self, seconds: int) -> None:
        """Heartbeats, and the ends of links on which nothing is answered."""
        self.now += timedelta(seconds=seconds)
        for end in self.ends.values():
            end.tick(self.now)
        self._close_the_closed()

    @invariant()
    def each_took_what_the_other_said_once_and_in_order(self) -> None:
        for side, end in self.ends.items():
            taken = self.ends[self._other(side)].words_taken
            assert taken == self.said[side][: len(taken)]
            assert not end.trouble, "nobody made a mistake"

    @invariant()
    def what_has_no_answer_is_kept(self) -> None:
        for side, end in self.ends.items():
            answered = len(self.said[side]) - len(end.waiting) - len(end.backlog)
            assert answered <= len(self.ends[self._other(side)].words_taken)

    def teardown(self) -> None:
        """A link that lasts brings everything."""
        if not self.ends:
            return
        self.connect()
        self.carry_all()
        for side, end in self.ends.items():
            assert self.ends[self._other(side)].words_taken == self.said[side]
            assert (end.waiting, end.backlog) == ({}, [])

    def _close_the_closed(self) -> None:
        """An end that has closed its session closes the connection, and the other finds that."""
        sessions = [end.session for end in self.ends.values()]
        if any(session is not None and session.state is State.CLOSED for session in sessions):
            self.cut()

    @staticmethod
    def _other(side: Role) -> Role:
        return FROM_POINT if side is FROM_HOST else FROM_HOST


@pytest.mark.parametrize("name", ["host-1", "delimited-1"])
def test_whatever_breaks_every_message_is_taken_once_and_in_order(name: str) -> None:
    profile = load_profile(name)
    play(lambda: Links(profile), games=40, steps=40)


class Forgetful(End):
    """Says everything anew that has no answer, also what the other side has taken already."""

    def start(self, their_last_taken: int, session: Session, now: datetime) -> None:
        unanswered = [self._words(content) for content in self.waiting.values()]
        self.waiting.clear()
        self.backlog = unanswered + self.backlog
        self.last_given = their_last_taken or self.last_given


class Careless(End):
    """Takes what is repeated as if it were new."""

    def _on(self, event: ev.Event, session: Session, now: datetime) -> None:
        if isinstance(event, ev.Repeated):
            self.words_taken.append(self._words(event.content))
        super()._on(event, session, now)


@pytest.mark.parametrize("make", [Forgetful, Careless])
def test_negative_control_an_end_that_starts_again_wrongly_is_found(make: MakeEnd) -> None:
    profile = load_profile("host-1")
    with pytest.raises(AssertionError):
        play_to_lose(lambda: Links(profile, make), games=100, steps=40)
