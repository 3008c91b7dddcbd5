"""Two sessions joined in memory: whole conversations, and how a link starts again after another."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from messaging.domain.units import RefusalCode
from messaging.protocols.base import LocalProtocolError, Parcel
from messaging.protocols.edl.events import (
    Acknowledged,
    Gap,
    Hello,
    Ready,
    Received,
    Refused,
    Repeated,
)
from messaging.protocols.edl.head import read_head, restamp
from messaging.protocols.edl.numbers import Waiting, next_number, plan_start
from messaging.protocols.edl.profile import Role
from messaging.protocols.edl.session import Session
from tests.protocols.edl.rows import CODEC, NAME, NOW, PROFILE, after, golden, numbered

MODULUS = PROFILE.limits.number_modulus


@dataclass
class End:
    """A side that remembers: it takes everything once, and repeats what has no answer."""

    role: Role
    taken: dict[int, bytes] = field(default_factory=dict)
    last_taken: int = 0
    last_given: int = 0
    waiting: dict[int, bytes] = field(default_factory=dict)
    session: Session = field(init=False)
    refused: list[str] = field(default_factory=list)
    taken_in_order: list[bytes] = field(default_factory=list)

    def open(self) -> bytes:
        name = NAME if self.role is Role.CONTROL_POINT else ""
        self.session = Session(self.role, PROFILE, NOW, name)
        if self.role is Role.HOST:
            return b""
        return self.session.hello("host-1", self.last_taken, NOW, len(self.taken))

    def say(self, content: bytes) -> bytes:
        self.last_given = next_number(self.last_given, MODULUS)
        content = restamp(PROFILE, content, self.last_given, NOW)
        self.waiting[self.last_given] = content
        return self.session.transmit(self.last_given, content, NOW)

    def hear(self, data: bytes) -> bytes:
        self.session.receive_data(data, NOW)
        said = b""
        while events := list(self.session.events()):
            said += b"".join(self._react(event) for event in events)
        return said

    def _react(self, event: object) -> bytes:
        match event:
            case Hello():
                said = self.session.ready(self.last_taken, NOW, len(self.taken))
                return said + self._start(event.last_taken)
            case Ready():
                return self._start(event.last_taken)
            case Received():
                self.taken[event.number] = event.content
                self.taken_in_order.append(event.content)
                self.last_taken = event.number
                return self.session.ack(event.number, NOW)
            case Repeated() if self.taken.get(event.number) == event.content:
                return self.session.ack(event.number, NOW)
            case Repeated():
                return self.session.nack(event.number, RefusalCode.NUMBER_REUSED, "", NOW)
            case Gap():
                return self.session.nack(event.number, RefusalCode.NUMBER_GAP, event.text, NOW)
            case Acknowledged():
                del self.waiting[event.number]
            case Refused():
                self.refused.append(event.code)
        return b""

    def _start(self, their_last_taken: int) -> bytes:
        waiting = [Waiting(number, content) for number, content in self.waiting.items()]
        plan = plan_start(self.role, waiting, their_last_taken, self.last_given, MODULUS)
        self.waiting = {one.number: one.content for one in plan.repeat}
        self.waiting |= {
            number: restamp(PROFILE, one.content, number, after(60))
            for number, one in plan.renumber
        }
        self.last_given = (plan.next_number - 2) % MODULUS + 1
        return b"".join(self.session.transmit(n, c, NOW) for n, c in self.waiting.items())


def converse(one: End, other: End, said: bytes) -> None:
    """Carries what is said to and fro until nobody says anything."""
    while said:
        said = other.hear(said)
        one, other = other, one


def linked(host: End, control_point: End) -> None:
    host.open()
    converse(control_point, host, control_point.open())


def text(words: str) -> bytes:
    return numbered(1, text=words)


def words_of(contents: list[bytes]) -> list[str]:
    messages = [CODEC.decode(Parcel(content)).messages[0] for content in contents]
    return [getattr(message, "text", "") for message in messages]


@pytest.fixture
def host() -> End:
    return End(Role.HOST)


@pytest.fixture
def control_point() -> End:
    return End(Role.CONTROL_POINT)


def test_both_sides_talk_and_everything_is_acknowledged(host: End, control_point: End) -> None:
    linked(host, control_point)
    converse(control_point, host, control_point.say(golden("a_mel_of_100_mw_for_half_an_hour")))
    converse(host, control_point, host.say(golden("an_acceptance_that_ramps_down_and_back")))
    assert (host.last_taken, control_point.last_taken) == (1, 1)
    assert not host.waiting
    assert not control_point.waiting


def test_an_answer_lost_with_its_link_is_given_again_and_nothing_is_taken_twice(
    host: End, control_point: End
) -> None:
    linked(host, control_point)
    sent = [control_point.say(text(f"word {number}")) for number in range(5)]
    host.hear(b"".join(sent[:3]))  # and the link breaks before the answers arrive
    linked(host, control_point)
    assert words_of(host.taken_in_order) == [f"word {number}" for number in range(5)]
    assert list(host.taken) == [1, 2, 3, 4, 5]
    assert not control_point.waiting
    assert not control_point.refused


def test_the_host_repeats_what_the_control_point_took_byte_for_byte(
    host: End, control_point: End
) -> None:
    linked(host, control_point)
    first, second = host.say(text("one")), host.say(text("two"))
    control_point.hear(first)
    linked(host, control_point)
    assert control_point.taken[1] == first
    assert control_point.taken[2] != second  # under the same number, but written anew
    assert words_of(control_point.taken_in_order) == ["one", "two"]
    assert not host.waiting


def test_a_control_point_that_lost_its_state_is_sent_everything_after_the_last_given(
    host: End, control_point: End
) -> None:
    host.last_given = 499
    linked(host, control_point)
    for words in ("one", "two"):
        host.say(text(words))
    replaced = End(Role.CONTROL_POINT)
    linked(host, replaced)
    assert list(replaced.taken) == [502, 503]
    assert words_of(replaced.taken_in_order) == ["one", "two"]


def test_numbers_wrap_from_the_highest_to_one(host: End, control_point: End) -> None:
    control_point.last_given = host.last_taken = 99_999_998
    linked(host, control_point)
    for words in ("one", "two", "three"):
        converse(control_point, host, control_point.say(text(words)))
    assert list(host.taken) == [99_999_999, 1, 2]
    control_point.say(text("four"))
    linked(host, control_point)
    assert list(host.taken) == [99_999_999, 1, 2, 3]


def test_a_link_that_breaks_over_the_wrap_repeats_and_renumbers(
    host: End, control_point: End
) -> None:
    control_point.last_given = host.last_taken = 99_999_997
    linked(host, control_point)
    sent = [control_point.say(text(words)) for words in ("one", "two", "three")]
    host.hear(sent[0] + sent[1])
    linked(host, control_point)
    assert words_of(host.taken_in_order) == ["one", "two", "three"]
    assert not control_point.refused


def test_a_number_with_other_bytes_is_refused_and_uses_none(host: End, control_point: End) -> None:
    linked(host, control_point)
    converse(control_point, host, control_point.say(text("one")))
    control_point.last_given = 0
    converse(control_point, host, control_point.say(text("other")))
    assert control_point.refused == ["R010"]
    assert host.last_taken == 1


def test_a_gap_is_answered_with_the_number_expected(host: End, control_point: End) -> None:
    linked(host, control_point)
    control_point.last_given = 5
    converse(control_point, host, control_point.say(text("one")))
    assert control_point.refused == ["R011"]
    assert host.taken == {}


# The plan alone.


def waiting(*numbers: int, expired: tuple[int, ...] = ()) -> list[Waiting]:
    return [Waiting(number, numbered(number), number in expired) for number in numbers]


@pytest.mark.parametrize(
    ("role", "numbers", "expired", "theirs", "given", "repeat", "renumber", "dropped", "following"),
    [
        (Role.HOST, (), (), 0, 0, [], [], [], 1),
        (Role.CONTROL_POINT, (), (), 0, 0, [], [], [], 1),
        (Role.HOST, (), (), 0, 7, [], [], [], 8),
        (Role.CONTROL_POINT, (), (), 0, 7, [], [], [], 1),
        (Role.HOST, (), (), 5, 7, [], [], [], 6),
        (Role.HOST, (3, 5, 6), (), 5, 6, [3, 5], [(6, 6)], [], 7),
        (Role.HOST, (3, 5, 6), (3, 6), 5, 6, [3, 5], [], [6], 6),
        (Role.HOST, (6, 7, 8), (6,), 5, 8, [], [(6, 7), (7, 8)], [6], 8),
        (Role.CONTROL_POINT, (8, 9), (), 5, 9, [], [(6, 8), (7, 9)], [], 8),
        (Role.HOST, (8, 9), (), 0, 9, [], [(10, 8), (11, 9)], [], 12),
        (Role.HOST, (8, 9), (8,), 0, 9, [], [(10, 9)], [8], 11),
        (Role.CONTROL_POINT, (8, 9), (), 0, 9, [], [(1, 8), (2, 9)], [], 3),
        (Role.HOST, (MODULUS, 1, 2), (), MODULUS, 2, [MODULUS], [(1, 1), (2, 2)], [], 3),
        (Role.HOST, (MODULUS, 1, 2), (), 1, 2, [MODULUS, 1], [(2, 2)], [], 3),
        (Role.HOST, (5,), (), 700, 5, [5], [], [], 701),
    ],
)
def test_a_start_is_planned(
    role: Role,
    numbers: tuple[int, ...],
    expired: tuple[int, ...],
    theirs: int,
    given: int,
    repeat: list[int],
    renumber: list[tuple[int, int]],
    dropped: list[int],
    following: int,
) -> None:
    plan = plan_start(role, waiting(*numbers, expired=expired), theirs, given, MODULUS)
    assert [one.number for one in plan.repeat] == repeat
    assert [(number, one.number) for number, one in plan.renumber] == renumber
    assert [one.number for one in plan.dropped] == dropped
    assert plan.next_number == following


@pytest.mark.parametrize(
    ("number", "following"), [(0, 1), (1, 2), (99_999_998, 99_999_999), (99_999_999, 1)]
)
def test_numbers_follow_one_another(number: int, following: int) -> None:
    assert next_number(number, MODULUS) == following


def test_a_message_under_another_number_keeps_its_data() -> None:
    content = golden("an_accept_of_acceptance_12345")
    moved = restamp(PROFILE, content, 99, after(1))
    head, data = read_head(PROFILE, moved)
    assert (head.number, head.sent_at, head.in_reply_to) == (99, after(1), 41)
    assert data == read_head(PROFILE, content)[1]


def test_only_a_whole_message_gets_another_number() -> None:
    with pytest.raises(LocalProtocolError):
        restamp(PROFILE, numbered(1)[:-2] + b"\n", 2, NOW)
