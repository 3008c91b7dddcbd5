"""Any value that EDL can say comes back; any bytes at all are a RemoteProtocolError at worst."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from messaging.domain.acknowledgements import FreeText, Result, ResultVerdict
from messaging.domain.instructions import (
    AncillaryInstruction,
    BidOfferAcceptance,
    EmergencyInstruction,
    InstructionAnswer,
    Verdict,
)
from messaging.domain.messages import BmMessage
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    RateStep,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.protocols.base import Envelope, Parcel, RemoteProtocolError, Stamp
from messaging.protocols.edl import PROTOCOL
from messaging.protocols.edl.events import Broken, Event
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import State
from tests.protocols.edl.rows import (
    CODEC,
    NOW,
    PROFILE,
    ROWS,
    golden,
    ready_control_point,
    ready_host,
    small,
)

calmly = settings(deadline=None)

EXAMPLES = tuple(CODEC.encode(envelope).content for envelope in PROTOCOL.examples("host-1"))

names = st.from_regex(r"[A-Z0-9][A-Z0-9_-]{0,5}", fullmatch=True)
units = st.from_regex(r"[A-Z0-9_-]{5,9}", fullmatch=True)
codes = st.from_regex(r"[A-Z0-9]{1,6}", fullmatch=True)
minutes = st.integers(0, 60 * 24 * 365 * 100).map(
    lambda count: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=count)
)
levels = st.integers(-99_999, 999_999)
numbers = st.integers(0, 9_999_999_999)
rates = st.integers(-9_999, 99_999).map(lambda tenths: Decimal(tenths) / 10)
segments = st.lists(st.builds(Segment, minutes, levels, minutes, levels), min_size=1, max_size=9)
series = segments.map(tuple)
printable = st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="^")


def texts(size: int) -> st.SearchStrategy[str]:
    """What a field of `size` gives back as it was: not empty, and no blank at the end."""
    return st.text(printable, min_size=1, max_size=size).filter(lambda text: text[-1] != " ")


steps = st.tuples(
    st.tuples(st.builds(RateStep, rates, st.none())),
    st.lists(st.builds(RateStep, rates, st.none() | levels), max_size=2).map(tuple),
).map(lambda parts: parts[0] + parts[1])

messages: st.SearchStrategy[BmMessage] = st.one_of(
    st.builds(LevelRedeclaration, names, units, st.sampled_from(LevelParameter), series),
    st.builds(RateRedeclaration, names, units, st.sampled_from(RateParameter), steps),
    st.builds(ScalarRedeclaration, names, units, st.sampled_from(ScalarParameter), levels),
    st.builds(
        BidOfferAcceptance,
        names,
        units,
        numbers,
        minutes,
        *[st.booleans()] * 4,
        series,
        respond_by=st.none(),
    ),
    st.builds(
        AncillaryInstruction,
        names,
        units,
        numbers,
        codes,
        codes,
        minutes,
        st.none() | minutes,
        st.none() | levels,
        respond_by=st.none(),
    ),
    st.builds(
        EmergencyInstruction,
        names,
        st.just("") | units,
        numbers,
        texts(200),
        respond_by=st.none(),
    ),
    st.builds(
        InstructionAnswer,
        names,
        st.just("") | units,
        numbers,
        st.sampled_from(Verdict),
        st.none() | texts(4),
        st.none() | texts(60),
        kind=st.none(),
        responded_at=st.none(),
    ),
    st.builds(Result, names, st.sampled_from(ResultVerdict), texts(4), st.just("") | texts(80)),
    st.builds(FreeText, names, texts(200)),
)
stamps = st.builds(
    Stamp,
    st.integers(1, 99_999_999).map("{:08d}".format),
    st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - naive bound
        lambda moment: moment.replace(microsecond=0)
    ),
    st.just("") | st.integers(1, 99_999_999).map("{:08d}".format),
)


@calmly
@given(stamps, messages)
def test_what_is_written_is_read_back(stamp: Stamp, message: BmMessage) -> None:
    envelope = Envelope(stamp, (message,))
    parcel = CODEC.encode(envelope)
    assert CODEC.decode(parcel) == envelope
    assert CODEC.divide(message) == (message,)


@calmly
@given(names, st.text(max_size=1500))
def test_any_text_is_carried_whole_but_for_its_blanks(name: str, text: str) -> None:
    message = Result(name, ResultVerdict.REFUSE, "R030", text)
    said = ""
    for part in CODEC.divide(message):
        (read,) = CODEC.decode(CODEC.encode(Envelope(Stamp("00000001", NOW), (part,)))).messages
        said += getattr(read, "text", "")
    assert said.replace(" ", "") == PROFILE.framing.clean(text).replace(" ", "")


def decoded(content: bytes) -> None:
    """RemoteProtocolError is an answer that fits a NACK; anything else that is raised fails."""
    text = "read"
    try:
        CODEC.decode(Parcel(content))
    except RemoteProtocolError as error:
        text = error.text
    assert 0 < len(text) <= 80
    assert PROFILE.framing.clean(text) == text


@calmly
@given(st.binary(max_size=600))
@example(b"")
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    decoded(content)


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A good message with something cut, put in, changed or doubled."""
    content = bytearray(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        until = at + draw(st.integers(0, 20))
        content[at:until] = draw(
            st.binary(max_size=20)
            | st.text("0123456789 .-+YN^\n\rA", max_size=20).map(str.encode)
            | st.just(bytes(content[at:until]) * 2)
        )
    return bytes(content)


@calmly
@given(mangled())
def test_a_mangled_message_is_read_or_refused(content: bytes) -> None:
    decoded(content)


@calmly
@given(st.sampled_from(sorted(ROWS)), st.data())
def test_a_message_with_other_data_is_read_or_refused(name: str, data: st.DataObject) -> None:
    head, _, rest = golden(name).rpartition(b"^T")
    changed = data.draw(st.text(printable, min_size=len(rest), max_size=len(rest)))
    decoded(head + b"^" + changed.encode() + b"^\n")


OTHER = (
    small("HELLO", "host-1      00000000"),
    small("ACK", "OK  ", 7),
    small("NACK", f"R011{'expected 00000004':80}", 7),
    small("HBEAT", ""),
)


def heard(session: Session, pieces: list[bytes]) -> list[Event]:
    found: list[Event] = []
    for piece in pieces:
        session.receive_data(piece, NOW)
        found += session.events()
    return found


@calmly
@given(
    st.lists(mangled() | st.sampled_from(EXAMPLES + OTHER) | st.binary(max_size=60), max_size=6),
    st.integers(1, 100),
    st.booleans(),
)
def test_any_stream_is_answered_and_says_the_same_in_any_pieces(
    parts: list[bytes], size: int, at_the_host: bool
) -> None:
    make = ready_host if at_the_host else ready_control_point
    stream = b"".join(parts)
    session = make(6)
    whole = heard(session, [stream])
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert heard(make(6), pieces) == whole
    assert any(isinstance(event, Broken) for event in whole) <= (session.state is State.CLOSED)


@calmly
@given(st.binary(max_size=300))
def test_a_stranger_s_bytes_break_the_link_at_worst(stream: bytes) -> None:
    session = Session(ready_host().role, PROFILE, NOW)
    for event in heard(session, [stream, b"\n"]):
        assert isinstance(event, Broken)
        assert event.answer.endswith(b"^\n")
