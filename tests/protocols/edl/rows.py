"""What the golden files hold, typed, and the small tools that the EDL tests share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

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
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.events import Event
from messaging.protocols.edl.loading import load_profile
from messaging.protocols.edl.profile import Role
from messaging.protocols.edl.session import Session

GOLDEN = Path(__file__).parent.parent / "golden" / "edl"
PROFILE = load_profile("host-1")
CODEC = EdlCodec(PROFILE)
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
NAME = "CPALFA"
UNIT = "TBMU-1"


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.edl").read_bytes()


def wire(text: str, end: str = "\n") -> bytes:
    """Bytes as the interface writes them, with `_` for a blank."""
    return (text.replace("_", " ") + end).encode("latin-1")


def numbered(number: int, code: str = "TEXT", text: str = "x", reply: int = 0) -> bytes:
    """A message of any type with one text of 200 characters as its data."""
    header = f"{code:6}{number:08d}20261122100000{reply:08d}"
    return f"{NAME}^{header}^{text:200}^\n".encode("ascii")


def small(code: str, data: str, reply: int = 0) -> bytes:
    """An unnumbered message."""
    return f"{NAME}^{code:6}0000000020261122100000{reply:08d}^{data}^\n".encode("ascii")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 11, 22, hour, minute, tzinfo=UTC)


def drawn(session: Session, data: bytes, now: datetime = NOW) -> list[Event]:
    """What a session says of bytes that come in one piece."""
    session.receive_data(data, now)
    return list(session.events())


def drawn_bytewise(session: Session, data: bytes, now: datetime = NOW) -> list[Event]:
    """What a session says of bytes that come one by one."""
    found: list[Event] = []
    for byte in data:
        session.receive_data(bytes([byte]), now)
        found += session.events()
    return found


def ready_host(last_taken: int = 0, remembered: int | None = None) -> Session:
    """A host's end that has said READY."""
    session = Session(Role.HOST, PROFILE, NOW)
    drawn(session, small("HELLO", "host-1".ljust(12) + "00000000"))
    session.ready(last_taken, NOW, remembered)
    return session


def ready_control_point(last_taken: int = 0, remembered: int | None = None) -> Session:
    """A control point's end that has heard READY."""
    session = Session(Role.CONTROL_POINT, PROFILE, NOW, NAME)
    session.hello("host-1", last_taken, NOW, remembered)
    drawn(session, small("READY", "host-1".ljust(12) + "00000000"))
    return session


def _row(reference: str, message: BmMessage, in_reply_to: str = "") -> Envelope:
    return Envelope(Stamp(reference, NOW, in_reply_to), (message,))


def _levels() -> Iterator[tuple[str, Envelope]]:
    yield (
        "a_mel_of_100_mw_for_half_an_hour",
        _row(
            "00000007",
            LevelRedeclaration(
                NAME, UNIT, LevelParameter.MEL, (Segment(at(10, 0), 100, at(10, 30), 100),)
            ),
        ),
    )
    imports = (
        Segment(at(10, 0), -100, at(10, 30), -90),
        Segment(at(10, 45), 0, at(23, 59), -9999),
    )
    yield (
        "a_mil_with_two_segments_and_a_gap",
        _row("00000008", LevelRedeclaration(NAME, UNIT, LevelParameter.MIL, imports)),
    )


def _rates() -> Iterator[tuple[str, Envelope]]:
    three = (
        RateStep(Decimal("12.5"), None),
        RateStep(Decimal("0.1"), -50),
        RateStep(Decimal("999.9"), 100),
    )
    yield (
        "run_up_rates_with_two_elbows",
        _row("00000009", RateRedeclaration(NAME, UNIT, RateParameter.RURE, three)),
    )
    one = (RateStep(Decimal("5.0"), None),)
    yield (
        "a_run_down_rate_without_elbows",
        _row("00000010", RateRedeclaration(NAME, "T_BMU-999", RateParameter.RDRI, one)),
    )
    two = (RateStep(Decimal("5.0"), None), RateStep(Decimal("2.5"), 20))
    yield (
        "run_down_rates_with_one_elbow",
        _row("00000011", RateRedeclaration(NAME, UNIT, RateParameter.RDRE, two)),
    )


def _scalars() -> Iterator[tuple[str, Envelope]]:
    yield (
        "a_notice_to_deliver_bids_of_99999_minutes",
        _row("00000012", ScalarRedeclaration(NAME, UNIT, ScalarParameter.NTB, 99999)),
    )
    yield (
        "an_mdv_of_minus_50_mwh",
        _row("99999999", ScalarRedeclaration(NAME, UNIT, ScalarParameter.MDV, -50)),
    )


def _acceptances() -> Iterator[tuple[str, Envelope]]:
    ramp = (
        Segment(at(10, 0), 100, at(10, 5), -40),
        Segment(at(10, 5), -40, at(10, 30), 100),
    )
    flags = (False,) * 4
    yield (
        "an_acceptance_that_ramps_down_and_back",
        _row("00000041", BidOfferAcceptance(NAME, UNIT, 12345, at(9, 58), *flags, ramp)),
    )
    drop = (Segment(at(10, 1), 100, at(10, 2), 0),)
    raised = (True,) * 4
    yield (
        "an_emergency_acceptance_with_every_flag",
        _row("00000042", BidOfferAcceptance(NAME, UNIT, 9999999999, at(10, 0), *raised, drop)),
    )


def _other_instructions() -> Iterator[tuple[str, Envelope]]:
    yield (
        "an_ancillary_instruction_with_end_and_target",
        _row(
            "00000043",
            AncillaryInstruction(NAME, UNIT, 77, "FFR", "ARM", at(10, 0), at(11, 0), -20),
        ),
    )
    yield (
        "an_ancillary_instruction_without_end_or_target",
        _row(
            "00000044",
            AncillaryInstruction(NAME, UNIT, 78, "STOR01", "STOP", at(10, 0), None, None),
        ),
    )
    yield (
        "an_emergency_instruction_to_the_whole_control_point",
        _row("00000045", EmergencyInstruction(NAME, "", 3, "Reduce all units to 0 MW")),
    )


def _answers() -> Iterator[tuple[str, Envelope]]:
    yield (
        "an_accept_of_acceptance_12345",
        _row("00000013", InstructionAnswer(NAME, UNIT, 12345, Verdict.ACCEPTED), "00000041"),
    )
    trip = InstructionAnswer(NAME, UNIT, 9999999999, Verdict.REJECTED, "SAFE", "Unit has tripped")
    yield "a_reject_with_reason", _row("00000014", trip, "00000042")
    lost = InstructionAnswer(NAME, "", 3, Verdict.REJECTED, None, "Not possible")
    yield "a_reject_after_lost_state", _row("00000015", lost)


def _words() -> Iterator[tuple[str, Envelope]]:
    yield "free_text", _row("00000016", FreeText(NAME, "Testing, please ignore: {}~|"))
    yield (
        "a_result_that_is_ok",
        _row("00000046", Result(NAME, ResultVerdict.OK, "OK", ""), "00000007"),
    )
    refused = Result(NAME, ResultVerdict.REFUSE, "R030", "R003 above the registered capacity")
    yield "a_result_that_refuses", _row("00000047", refused, "00000008")
    held = Result(NAME, ResultVerdict.HELD, "R999", "SO out")
    yield "a_result_that_is_held", _row("00000048", held, "00000009")


ROWS: dict[str, Envelope] = dict(
    row
    for rows in (
        _levels(),
        _rates(),
        _scalars(),
        _acceptances(),
        _other_instructions(),
        _answers(),
        _words(),
    )
    for row in rows
)
"""Golden file to what it says: each is written, read whole and read byte by byte."""
