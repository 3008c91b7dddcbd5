"""One end of a link at a time: what it says of every kind of bytes, and what it will not do."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from messaging.domain.units import RefusalCode
from messaging.protocols.base import LocalProtocolError
from messaging.protocols.edl.events import (
    Acknowledged,
    Broken,
    Event,
    Gap,
    Heard,
    Hello,
    Ready,
    Received,
    Refused,
    Repeated,
    Silent,
    Stray,
    Unanswered,
)
from messaging.protocols.edl.profile import Role
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import RECEIVING, SENDING, Speech, State
from tests.protocols.edl.rows import (
    NAME,
    NOW,
    PROFILE,
    after,
    drawn,
    drawn_bytewise,
    golden,
    numbered,
    ready_control_point,
    ready_host,
    small,
)

HELLO = small("HELLO", "host-1      00000000")
READY = small("READY", "host-1      00000000")
MOST = PROFILE.framing.max_bytes


def new_host() -> Session:
    return Session(Role.HOST, PROFILE, NOW)


def greeting_control_point() -> Session:
    session = Session(Role.CONTROL_POINT, PROFILE, NOW, NAME)
    session.hello("host-1", 0, NOW)
    return session


def received(number: int, code: str = "TEXT", reply: int = 0) -> Received:
    return Received(number, code, NOW, reply, numbered(number, code, reply=reply))


def said(code: str, reference: int, refusal: str, text: str) -> bytes:
    """A NACK as the interface lays it out."""
    head = f"{NAME}^{code:6}0000000020261122100000{reference:08d}"
    return f"{head}^{refusal:4}{text:80}^\n".encode("ascii")


# What closes a link.

BREAKS: list[tuple[str, Callable[[], Session], bytes, int, str]] = [
    ("a mel before hello", new_host, golden("a_mel_of_100_mw_for_half_an_hour"), 7, "R001"),
    ("a heartbeat before hello", new_host, golden("a_heartbeat"), 0, "R001"),
    ("ready from a control point", new_host, READY, 0, "R001"),
    ("a line of http", new_host, b"GET / HTTP/1.1\r\n", 0, "R001"),
    ("nothing but a line end", new_host, b"\n", 0, "R001"),
    ("an unknown profile", new_host, small("HELLO", "host-2      00000000"), 0, "R006"),
    ("hello without its data", new_host, small("HELLO", ""), 0, "R001"),
    ("hello with too much", new_host, small("HELLO", "host-1      000000000"), 0, "R001"),
    ("hello with a bad number", new_host, small("HELLO", "host-1             0"), 0, "R001"),
    (
        "hello with a log number",
        new_host,
        HELLO.replace(b"HELLO 00000000", b"HELLO 00000001"),
        1,
        "R001",
    ),
    ("hello of a nameless one", new_host, HELLO.replace(b"CPALFA", b"      "), 0, "R001"),
    ("hello of an ill-named one", new_host, HELLO.replace(b"CPALFA", b"cp alf"), 0, "R001"),
    ("a second hello", ready_host, HELLO, 0, "R001"),
    ("another's prefix", ready_host, numbered(1).replace(b"CPALFA", b"CPBETA"), 1, "R001"),
    (
        "a bad date in the header",
        ready_host,
        numbered(1).replace(b"20261122", b"20261322"),
        0,
        "R001",
    ),
    ("a short prefix", ready_host, numbered(1)[1:], 0, "R001"),
    ("a blank log number", ready_host, numbered(1).replace(b"00000001", b"       1"), 0, "R001"),
    (
        "a header with a control character",
        ready_host,
        numbered(1).replace(b"TEXT ", b"TEXT\x01"),
        0,
        "R001",
    ),
    ("an ack without its code", ready_host, small("ACK", "    ", 1), 0, "R001"),
    ("an ack that refuses", ready_host, small("ACK", "R003", 1), 0, "R001"),
    ("a nack that agrees", ready_host, small("NACK", f"OK  {'':80}", 1), 0, "R001"),
    (
        "an ack with a log number",
        ready_host,
        small("ACK", "OK  ").replace(b"ACK   00000000", b"ACK   00000001"),
        1,
        "R001",
    ),
    ("a heartbeat with data", ready_host, small("HBEAT", " "), 0, "R001"),
    (
        "a heartbeat without its end",
        ready_host,
        small("HBEAT", "").replace(b"^^\n", b"^\n"),
        0,
        "R001",
    ),
    ("a long message", ready_host, b"x" * MOST + b"\n", 0, "R001"),
    ("a long message with a good header", ready_host, numbered(1)[:-2] + b" " * MOST, 0, "R001"),
    (
        "a host that speaks first",
        lambda: Session(Role.CONTROL_POINT, PROFILE, NOW, NAME),
        READY,
        0,
        "R001",
    ),
    ("a message instead of ready", greeting_control_point, numbered(1), 1, "R001"),
    (
        "ready of another profile",
        greeting_control_point,
        small("READY", "host-2      00000000"),
        0,
        "R006",
    ),
    ("ready to another", greeting_control_point, READY.replace(b"CPALFA", b"CPBETA"), 0, "R001"),
    ("a first number that is none", ready_control_point, numbered(0), 0, "R001"),
]


@pytest.mark.parametrize("draw", [drawn, drawn_bytewise])
@pytest.mark.parametrize(
    ("make", "data", "reference", "code"),
    [row[1:] for row in BREAKS],
    ids=[row[0] for row in BREAKS],
)
def test_it_breaks_the_link_and_is_answered(
    draw: Callable[[Session, bytes], list[Event]],
    make: Callable[[], Session],
    data: bytes,
    reference: int,
    code: str,
) -> None:
    session = make()
    (broken,) = draw(session, data)
    assert isinstance(broken, Broken)
    assert (broken.code, broken.reference, broken.content) == (code, reference, data[:MOST])
    assert broken.answer[7:13] == b"NACK  "
    assert broken.answer[35:48] == f"{reference:08d}^{code}".encode()
    assert broken.text
    assert session.state is State.CLOSED
    assert drawn(session, numbered(1)) == []


def test_the_answer_to_broken_bytes_is_a_whole_nack() -> None:
    (broken,) = drawn(ready_host(), b"nonsense\n")
    assert isinstance(broken, Broken)
    assert broken.answer == said("NACK", 0, "R001", broken.text)


def test_a_stranger_is_answered_without_a_name() -> None:
    (broken,) = drawn(new_host(), b"nonsense\n")
    assert isinstance(broken, Broken)
    assert broken.answer == b"      " + said("NACK", 0, "R001", broken.text)[6:]


def test_what_was_said_before_the_link_broke_still_counts() -> None:
    events = drawn(ready_host(), numbered(1) + numbered(2) + b"?\n" + numbered(3))
    assert [type(event) for event in events] == [Received, Received, Broken]


def test_a_message_of_the_greatest_length_is_no_fault_of_framing() -> None:
    short = numbered(1)
    content = short.replace(b"^\n", b" " * (MOST - len(short)) + b"^\n")
    assert len(content) == MOST
    (event,) = drawn(ready_host(), content)
    assert event == Received(1, "TEXT", NOW, 0, content)


def test_no_more_than_a_message_is_kept_of_one_that_does_not_end() -> None:
    session = ready_host()
    for _ in range(10):
        session.receive_data(b"x" * 100_000, NOW)
        list(session.events())
    assert session.state is State.CLOSED
    assert len(session._splitter) == 0


# The greeting.


@pytest.mark.parametrize("draw", [drawn, drawn_bytewise])
def test_a_host_reads_nothing_between_hello_and_its_ready(
    draw: Callable[[Session, bytes], list[Event]],
) -> None:
    session = new_host()
    assert draw(session, HELLO + numbered(1)) == [Hello(NAME, "host-1", 0)]
    assert list(session.events()) == []
    session.ready(0, NOW)
    assert list(session.events()) == [received(1)]


def test_a_control_point_that_talks_on_before_ready_is_cut_off() -> None:
    session = new_host()
    assert drawn(session, HELLO + b"x" * MOST) == [Hello(NAME, "host-1", 0)]
    (broken,) = drawn(session, b"x")
    assert isinstance(broken, Broken)
    assert session.state is State.CLOSED


@pytest.mark.parametrize("code", [RefusalCode.MALFORMED, RefusalCode.UNKNOWN_PROFILE])
def test_a_refused_hello_closes_both_ends(code: RefusalCode) -> None:
    host, control_point = new_host(), Session(Role.CONTROL_POINT, PROFILE, NOW, NAME)
    drawn(host, control_point.hello("host-1", 0, NOW))
    answer = host.refuse_hello(code, "not yours", NOW)
    assert answer == said("NACK", 0, code, "not yours")
    assert drawn(control_point, answer) == [Refused(0, code, "not yours", None)]
    assert (host.state, control_point.state) == (State.CLOSED, State.CLOSED)


def test_hello_and_ready_carry_the_last_numbers_taken() -> None:
    host, control_point = new_host(), Session(Role.CONTROL_POINT, PROFILE, NOW, NAME)
    assert drawn(host, control_point.hello("host-1", 41, NOW)) == [Hello(NAME, "host-1", 41)]
    assert drawn(control_point, host.ready(6, NOW)) == [Ready("host-1", 6)]
    assert (host.expected, control_point.expected) == (7, 42)
    assert (host.state, control_point.state) == (State.READY, State.READY)


# Numbers.


@pytest.mark.parametrize(
    ("last_taken", "remembered", "number", "kind"),
    [
        (0, None, 1, Received),
        (0, None, 2, Gap),
        (0, None, 99_999_999, Gap),
        (0, None, 0, Gap),
        (6, None, 7, Received),
        (6, None, 8, Gap),
        (6, None, 6, Repeated),
        (6, None, 1, Repeated),
        (6, 6, 99_999_999, Gap),
        (6, 2, 5, Repeated),
        (6, 2, 4, Gap),
        (20_000, None, 10_001, Repeated),
        (20_000, None, 10_000, Gap),
        (99_999_999, None, 1, Received),
        (99_999_999, None, 99_999_999, Repeated),
        (5, 10, 99_999_995, Repeated),
        (5, 10, 99_999_994, Gap),
        (5, None, 0, Gap),
    ],
)
def test_a_number_is_new_a_repeat_or_a_gap(
    last_taken: int, remembered: int | None, number: int, kind: type[Event]
) -> None:
    session = ready_host(last_taken, remembered)
    (event,) = drawn(session, numbered(number))
    assert type(event) is kind


def test_a_gap_says_which_number_is_expected_and_uses_none() -> None:
    session = ready_host(41)
    content = numbered(44)
    assert drawn(session, content) == [Gap(44, 42, "expected 00000042", content)]
    assert session.nack(44, RefusalCode.NUMBER_GAP, "expected 00000042", NOW) == said(
        "NACK", 44, "R011", "expected 00000042"
    )
    assert drawn(session, numbered(42)) == [received(42)]


def test_a_repeat_uses_no_number() -> None:
    session = ready_host(1)
    content = numbered(1)
    assert drawn(session, content * 2) == [Repeated(1, "TEXT", NOW, 0, content)] * 2
    assert session.expected == 2


def test_the_number_is_looked_at_before_type_and_data() -> None:
    session = ready_host()
    unknown, unread = numbered(1, "XYZ"), numbered(2, "MEL", "no series")
    assert drawn(session, unknown) == [received(1, "XYZ")]
    assert [type(event) for event in drawn(session, unread)] == [Received]
    assert [type(event) for event in drawn(session, numbered(9, "XYZ"))] == [Gap]
    assert session.expected == 3


def test_data_without_their_end_use_their_number() -> None:
    content = numbered(1).replace(b"^\n", b"\n")
    assert drawn(ready_host(), content) == [Received(1, "TEXT", NOW, 0, content)]


def test_a_control_point_without_memory_takes_the_first_number_as_it_comes() -> None:
    session = ready_control_point()
    assert [type(e) for e in drawn(session, numbered(500) + numbered(500) + numbered(499))] == [
        Received,
        Repeated,
        Gap,
    ]
    assert session.expected == 501


def test_a_control_point_with_memory_knows_what_comes_next() -> None:
    session = ready_control_point(500, 1)
    assert [type(e) for e in drawn(session, numbered(500) + numbered(502) + numbered(501))] == [
        Repeated,
        Gap,
        Received,
    ]


def test_only_the_last_numbers_are_remembered() -> None:
    session = ready_host()
    taken = b"".join(numbered(number) for number in range(1, 10_002))
    assert len(drawn(session, taken)) == 10_001
    assert [type(e) for e in drawn(session, numbered(1) + numbered(2))] == [Gap, Repeated]


def test_an_instruction_s_answer_says_what_it_answers() -> None:
    (event,) = drawn(ready_host(12), golden("an_accept_of_acceptance_12345"))
    assert isinstance(event, Received)
    assert (event.number, event.in_reply_to) == (13, 41)


# Answers.


def test_an_ack_ends_the_waiting() -> None:
    session = ready_host()
    session.transmit(5, numbered(5), NOW)
    session.transmit(6, numbered(6), NOW)
    assert drawn(session, small("ACK", "OK  ", 6)) == [Acknowledged(6)]
    assert dict(session.awaiting) == {5: numbered(5)}


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("R003", "level_to: too high", None),
        ("R011", "expected 00000004", 4),
        ("R011", "expected 4", 4),
        ("R011", "expected", None),
        ("R011", "", None),
        ("R011", "expected four", None),
        ("R003", "expected 00000004", None),
        ("R555", "their own", None),
    ],
)
def test_a_nack_ends_the_waiting_and_says_why(code: str, text: str, expected: int | None) -> None:
    session = ready_host()
    session.transmit(5, numbered(5), NOW)
    assert drawn(session, said("NACK", 5, code, text)) == [Refused(5, code, text, expected)]
    assert not session.awaiting
    assert session.state is State.READY


def test_an_answer_that_nothing_waits_for_is_reported_and_harmless() -> None:
    session = ready_host()
    answers = small("ACK", "OK  ", 9) + small("ACK", "OK  ") + said("NACK", 9, "R001", "what")
    assert drawn(session, answers) == [
        Stray(9, "OK", ""),
        Stray(0, "OK", ""),
        Stray(9, "R001", "what"),
    ]
    assert session.state is State.READY


def test_a_nack_in_reply_to_nothing_ends_the_link() -> None:
    session = ready_control_point()
    assert drawn(session, said("NACK", 0, "R001", "bad header")) == [
        Refused(0, "R001", "bad header", None)
    ]
    assert session.state is State.CLOSED


@pytest.mark.parametrize("code", [code for code in RefusalCode if code is not RefusalCode.OK])
def test_every_refusal_is_written_and_read_back(code: RefusalCode) -> None:
    host, control_point = ready_host(), ready_control_point()
    drawn(host, control_point.transmit(1, numbered(1), NOW))
    (event,) = drawn(control_point, host.nack(1, code, "", NOW))
    assert isinstance(event, Refused)
    assert (event.number, event.code) == (1, code)
    assert event.text
    assert event.expected == (2 if code is RefusalCode.NUMBER_GAP else None)


def test_a_nack_holds_as_much_text_as_its_field_and_nothing_unprintable() -> None:
    host = ready_host()
    assert host.nack(1, RefusalCode.MALFORMED, "a^é" + "x" * 100, NOW) == said(
        "NACK", 1, "R001", "a??" + "x" * 77
    )


# The window.


def test_a_hundred_messages_may_wait_and_no_more() -> None:
    session = ready_host()
    for number in range(1, 101):
        assert session.window_left == 101 - number
        assert session.transmit(number, numbered(number), NOW) == numbered(number)
    with pytest.raises(LocalProtocolError):
        session.transmit(101, numbered(101), NOW)
    assert list(session.awaiting) == list(range(1, 101))
    drawn(session, small("ACK", "OK  ", 50))
    session.transmit(101, numbered(101), NOW)


@pytest.mark.parametrize(
    ("number", "content"),
    [
        (2, numbered(1)),
        (0, numbered(0)),
        (1, numbered(1).replace(b"CPALFA", b"CPBETA")),
        (1, numbered(1)[:-1]),
        (1, numbered(1) * 2),
        (1, b"nonsense\n"),
        (0, golden("a_heartbeat")),
        (1, golden("a_heartbeat").replace(b"HBEAT 00000000", b"HBEAT 00000001")),
    ],
)
def test_only_one_whole_numbered_message_is_transmitted(number: int, content: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        ready_host().transmit(number, content, NOW)


def test_a_number_is_not_given_twice_while_it_waits() -> None:
    session = ready_host()
    session.transmit(1, numbered(1), NOW)
    with pytest.raises(LocalProtocolError):
        session.transmit(1, numbered(1, text="other"), NOW)


# Who may say what, and when.

CALLS: dict[Speech, Callable[[Session], object]] = {
    Speech.HELLO: lambda session: session.hello("host-1", 0, NOW),
    Speech.READY: lambda session: session.ready(0, NOW),
    Speech.ACK: lambda session: session.ack(1, NOW),
    Speech.NACK: lambda session: session.nack(1, RefusalCode.MALFORMED, "", NOW),
    Speech.NUMBERED: lambda session: session.transmit(1, numbered(1), NOW),
}


def in_state(role: Role, state: State) -> Session:
    if role is Role.HOST:
        session = new_host() if state is State.CONNECTED else ready_host()
        if state is State.GREETED:
            session = new_host()
            drawn(session, HELLO)
    else:
        session = ready_control_point()
        if state is State.CONNECTED:
            session = Session(Role.CONTROL_POINT, PROFILE, NOW, NAME)
        elif state is State.GREETED:
            session = greeting_control_point()
    if state is State.CLOSED:
        drawn(session, b"nonsense\n")
    assert session.state is state
    return session


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("speech", CALLS)
def test_the_table_of_states_says_who_may_say_what(
    role: Role, state: State, speech: Speech
) -> None:
    session = in_state(role, state)
    if speech in SENDING[role][state]:
        assert CALLS[speech](session)
    else:
        with pytest.raises(LocalProtocolError):
            CALLS[speech](session)
        assert session.state is state


def test_the_tables_name_every_state_and_lead_nowhere_unknown() -> None:
    for table in (RECEIVING, SENDING):
        assert table.keys() == set(Role)
        for states in table.values():
            assert states.keys() == set(State)
            assert not states[State.CLOSED]


@pytest.mark.parametrize("state", [State.CONNECTED, State.READY, State.CLOSED])
def test_only_a_greeted_host_refuses_a_hello(state: State) -> None:
    for session in (in_state(Role.HOST, state), greeting_control_point()):
        with pytest.raises(LocalProtocolError):
            session.refuse_hello(RefusalCode.MALFORMED, "", NOW)


def test_nothing_is_refused_with_ok() -> None:
    with pytest.raises(LocalProtocolError):
        ready_host().nack(1, RefusalCode.OK, "", NOW)


@pytest.mark.parametrize("name", ["", "toolong", "cpalfa", "CP ALF"])
def test_a_control_point_needs_its_name(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        Session(Role.CONTROL_POINT, PROFILE, NOW, name)


# Time.


@pytest.mark.parametrize("make", [ready_host, ready_control_point])
def test_a_heartbeat_goes_out_after_30_seconds_of_saying_nothing(
    make: Callable[[], Session],
) -> None:
    session = make()
    assert session.next_tick(after(10)) == 20
    assert session.tick(after(29.9)) == b""
    assert drawn(make(), session.tick(after(30))) == [Heard()]
    assert session.tick(after(59)) == b""
    assert session.next_tick(after(59)) == 1
    assert session.tick(after(60)) != b""


def test_whatever_is_said_puts_the_heartbeat_off() -> None:
    session = ready_host()
    session.ack(1, after(10))
    assert session.next_tick(after(10)) == 30
    session.nack(1, RefusalCode.MALFORMED, "", after(20))
    assert session.next_tick(after(20)) == 30
    session.transmit(1, numbered(1), after(25))
    assert session.next_tick(after(25)) == 30


@pytest.mark.parametrize("state", [State.CONNECTED, State.GREETED])
def test_no_heartbeat_goes_out_before_ready(state: State) -> None:
    assert in_state(Role.HOST, state).tick(after(60)) == b""


@pytest.mark.parametrize("state", [State.CONNECTED, State.GREETED, State.READY])
def test_90_seconds_of_silence_end_the_link(state: State) -> None:
    session = in_state(Role.HOST, state)
    session.tick(after(89.9))
    assert list(session.events()) == []
    assert session.tick(after(90)) == b""
    assert list(session.events()) == [Silent()]
    assert session.state is State.CLOSED
    assert session.next_tick(after(90)) == math.inf
    assert session.tick(after(200)) == b""
    assert list(session.events()) == []


def test_any_byte_ends_the_silence() -> None:
    session = ready_host()
    drawn(session, b"C", after(80))
    session.tick(after(100))
    assert list(session.events()) == []
    assert session.state is State.READY


def test_a_message_without_an_answer_for_30_seconds_ends_the_link() -> None:
    session = ready_host()
    session.transmit(1, numbered(1), after(0))
    session.transmit(2, numbered(2), after(5))
    drawn(session, small("ACK", "OK  ", 1), after(6))
    assert session.next_tick(after(6)) == 29
    session.tick(after(34.9))
    assert list(session.events()) == []
    session.tick(after(35))
    assert list(session.events()) == [Unanswered(2)]
    assert session.state is State.CLOSED
    assert dict(session.awaiting) == {2: numbered(2)}


def test_a_hello_without_an_answer_for_30_seconds_ends_the_link() -> None:
    session = greeting_control_point()
    assert session.next_tick(after(10)) == 20
    session.tick(after(30))
    assert list(session.events()) == [Unanswered(0)]


def test_a_clock_that_is_set_back_does_no_harm() -> None:
    session = ready_host()
    assert session.tick(after(-3600)) == b""
    assert session.next_tick(after(0)) == 30
    assert session.state is State.READY


# Streams.

STREAM = b"".join(
    [
        HELLO,
        golden("a_mel_of_100_mw_for_half_an_hour"),
        golden("a_mel_of_100_mw_for_half_an_hour"),
        small("HBEAT", ""),
        numbered(8, "XYZ").replace(b"\n", b"\r\n"),
        numbered(10),
        small("ACK", "OK  ", 3),
        numbered(9, "MEL", "no series"),
        b"\r\n",
        numbered(11),
    ]
)


def answered_stream(pieces: list[bytes]) -> list[Event]:
    """What a host that is ready at once says of a stream in pieces."""
    session, found = new_host(), list[Event]()
    for piece in pieces:
        session.receive_data(piece, NOW)
        for event in session.events():
            found.append(event)
        if session.state is State.GREETED:
            session.ready(6, NOW)
            found += session.events()
    return found


def test_a_stream_in_any_pieces_says_the_same() -> None:
    whole = answered_stream([STREAM])
    assert [type(event) for event in whole] == [
        Hello,
        Received,
        Repeated,
        Heard,
        Received,
        Gap,
        Stray,
        Received,
        Broken,
    ]
    for size in (1, 2, 3, 7, 48, 49, 50, 1000):
        pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
        assert answered_stream(pieces) == whole


def test_events_can_be_drawn_one_at_a_time() -> None:
    session = ready_host()
    session.receive_data(numbered(1) + numbered(2), NOW)
    assert next(session.events()) == received(1)
    assert next(session.events()) == received(2)
    assert list(session.events()) == []


def test_every_byte_of_a_long_stream_is_looked_at_once() -> None:
    """Counted, not timed: what the search covers grows with the stream, not with its square."""
    session = ready_host()
    looked = 0
    for _ in range(1000):
        session.receive_data(b"x" * 100, NOW)
        before = session._splitter._looked
        list(session.events())
        looked += session._splitter._looked - before
    assert looked == 100_000
