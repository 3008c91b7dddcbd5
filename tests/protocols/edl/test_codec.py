"""What the codec reads leniently, what it refuses, and what it will not write."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from messaging.domain.acknowledgements import FreeText, Health, Result, ResultVerdict
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
from messaging.domain.rules import violations
from messaging.domain.units import RefusalCode
from messaging.protocols.base import (
    Envelope,
    LocalProtocolError,
    Parcel,
    RemoteProtocolError,
    Stamp,
)
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.profile import Role
from tests.protocols.edl.rows import (
    CODEC,
    NAME,
    NOW,
    PROFILE,
    UNIT,
    at,
    golden,
    numbered,
    ready_host,
    wire,
)

HEAD = "CPALFA^MEL___000000072026112210000000000000^"
DATA = "TBMU-1______1202611221000___100202611221030___100"


def message_of(code: str, data: str) -> bytes:
    return wire(f"CPALFA^{code:_<6}000000072026112210000000000000^{data}^")


def read(content: bytes) -> BmMessage:
    return CODEC.decode(Parcel(content)).messages[0]


def refusal_of(content: bytes) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        CODEC.decode(Parcel(content))
    return caught.value


def scalar(field: str) -> BmMessage:
    return read(message_of("MDV", f"TBMU-1___{field}"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("___-50", -50),
        ("-50___", -50),
        ("_-50__", -50),
        ("__-1.0", -1),
        ("-50.00", -50),
        ("___+50", 50),
        ("000050", 50),
        ("____-0", 0),
        ("999999", 999999),
    ],
)
def test_a_whole_number_is_read_wherever_it_stands_in_its_field(field: str, value: int) -> None:
    assert scalar(field) == ScalarRedeclaration(NAME, UNIT, ScalarParameter.MDV, value)


@pytest.mark.parametrize(
    "field",
    [
        "______",
        "___1.5",
        "__1_00",
        "__-_50",
        "____--",
        "___1e3",
        "____1.",
        "_1,000",
        "___inf",
        "0x0010",
    ],
)
def test_what_is_no_whole_number_is_malformed_and_names_the_field(field: str) -> None:
    refusal = refusal_of(message_of("MDV", f"TBMU-1___{field}"))
    assert (refusal.code, refusal.field) == (RefusalCode.MALFORMED, "value")
    assert refusal.text.startswith("value: ")


@pytest.mark.parametrize(
    ("field", "rate"),
    [
        ("__12.5", "12.5"),
        ("12.5__", "12.5"),
        ("____12", "12.0"),
        ("_12.50", "12.5"),
        ("____.5", "0.5"),
        ("__-1.0", "-1.0"),
        ("99999.", None),
        ("_12.55", None),
        ("______", None),
        ("_1e2__", None),
        ("__nan_", None),
    ],
)
def test_a_rate_has_one_decimal_at_most(field: str, rate: str | None) -> None:
    content = message_of("RURE", f"TBMU-1___{field}{'_' * 24}")
    if rate is None:
        assert refusal_of(content).field == "rate_1"
    else:
        steps = (RateStep(Decimal(rate), None),)
        assert read(content) == RateRedeclaration(NAME, UNIT, RateParameter.RURE, steps)


def test_a_readable_value_out_of_range_is_left_to_the_rules() -> None:
    assert [v.code for v in violations(scalar("999999"), NOW)] == [RefusalCode.OUT_OF_RANGE]


def test_a_further_rate_without_its_elbow_is_left_to_the_rules() -> None:
    message = read(message_of("RURE", "TBMU-1______5.0______" + "___2.5" + "_" * 12))
    assert [v.rule for v in violations(message, NOW)] == ["elbow-where-rate"]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ("___5.0" + "____20" + "_" * 18, "elbow_2"),
        ("___5.0" + "____20" + "___2.5" + "____30" + "______", "elbow_3"),
        ("___5.0" + "______" + "______" + "____30" + "___1.0", "rate_3"),
        ("______" + "____20" + "___2.5" + "_" * 12, "rate_1"),
    ],
)
def test_rates_that_no_message_can_hold_are_malformed(data: str, field: str) -> None:
    refusal = refusal_of(message_of("RDRI", f"TBMU-1___{data}"))
    assert (refusal.code, refusal.field) == (RefusalCode.MALFORMED, field)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ("TBMU-1______0", "levels"),
        ("TBMU-1_____-1" + DATA[13:], "levels"),
        ("TBMU-1______2" + DATA[13:], "levels"),
        ("TBMU-1______1" + DATA[13:] * 2, "levels"),
        ("TBMU-1______1" + DATA[13:] + "_", "levels"),
        ("TBMU-1______1" + DATA[13:-1], "levels"),
        ("TBMU-1_______" + DATA[13:], "levels"),
        ("TBMU-1___", ""),
        ("", ""),
        ("_________" + DATA[9:], "bm_unit"),
        (DATA.replace("202611221000", "202611311000"), "levels[0].time_from"),
        (DATA.replace("202611221030", "202611222400"), "levels[0].time_to"),
        (DATA.replace("202611221030", "20261122103_"), "levels[0].time_to"),
        (DATA.replace("202611221030", "____________"), "levels[0].time_to"),
        (DATA.replace("202611221030", "000011221030"), "levels[0].time_to"),
        (DATA[:-6] + "______", "levels[0].level_to"),
        (DATA[:-6] + "___1.5", "levels[0].level_to"),
        (DATA[:-6] + "___x00", "levels[0].level_to"),
    ],
)
def test_a_series_that_cannot_be_read_is_malformed_and_names_the_field(
    data: str, field: str
) -> None:
    refusal = refusal_of(message_of("MEL", data))
    assert (refusal.code, refusal.field) == (RefusalCode.MALFORMED, field)
    assert refusal.reference == "00000007"
    assert len(refusal.text) <= 80


@pytest.mark.parametrize(
    "content",
    [
        wire(f"{HEAD}{DATA}"),
        wire(f"{HEAD}{DATA}^^"),
        wire(f"{HEAD}{DATA}^", end=""),
        wire(f"{HEAD}{DATA}^x"),
        wire(f"{HEAD}{DATA[:-1]}^0^"),
        wire(f"{HEAD}{DATA[:-1]}\x00^"),
        wire(f"{HEAD}{DATA[:-1]}\xe9^"),
        wire(f"{HEAD}{DATA[:-1]}\r^"),
    ],
)
def test_data_that_are_not_one_printable_part_are_malformed_under_their_number(
    content: bytes,
) -> None:
    refusal = refusal_of(content)
    assert (refusal.code, refusal.reference) == (RefusalCode.MALFORMED, "00000007")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"^^^\n",
        b"CPALFA^\n",
        wire(HEAD.removesuffix("^")),
        wire(HEAD.replace("CPALFA", "CPALF") + DATA + "^"),
        wire(HEAD.replace("CPALFA", "______") + DATA + "^"),
        wire(HEAD.replace("CPALFA", "CP\x07LFA") + DATA + "^"),
        wire(HEAD.replace("00000007", "_______7") + DATA + "^"),
        wire(HEAD.replace("20261122100000", "20261322100000") + DATA + "^"),
        wire(HEAD.replace("20261122100000", "202611221000__") + DATA + "^"),
        wire(HEAD.replace("00000000^", "________^") + DATA + "^"),
        wire(HEAD.replace("00000000^", "00000000_^") + DATA + "^"),
        b"x" * 262_145,
    ],
)
def test_a_prefix_or_header_that_cannot_be_read_is_malformed(content: bytes) -> None:
    assert refusal_of(content).code is RefusalCode.MALFORMED


@pytest.mark.parametrize("code", ["XYZ", "mel", "", "PN", "HELLO", "READY", "HBEAT", "ACK", "NACK"])
def test_a_type_that_carries_no_message_is_unknown(code: str) -> None:
    refusal = refusal_of(numbered(7, code))
    assert (refusal.code, refusal.reference) == (RefusalCode.UNKNOWN_TYPE, "00000007")


@pytest.mark.parametrize(
    ("sender", "name", "known"),
    [
        (Role.CONTROL_POINT, "a_mel_of_100_mw_for_half_an_hour", True),
        (Role.CONTROL_POINT, "free_text", True),
        (Role.CONTROL_POINT, "a_result_that_is_ok", False),
        (Role.CONTROL_POINT, "an_acceptance_that_ramps_down_and_back", False),
        (Role.HOST, "free_text", True),
        (Role.HOST, "an_acceptance_that_ramps_down_and_back", True),
        (Role.HOST, "an_accept_of_acceptance_12345", False),
    ],
)
def test_a_type_is_unknown_from_the_side_that_does_not_send_it(
    sender: Role, name: str, known: bool
) -> None:
    codec = EdlCodec(PROFILE, sender)
    if known:
        assert codec.decode(Parcel(golden(name))).messages
    else:
        with pytest.raises(RemoteProtocolError) as caught:
            codec.decode(Parcel(golden(name)))
        assert caught.value.code is RefusalCode.UNKNOWN_TYPE


@pytest.mark.parametrize(
    ("name", "before", "after", "field"),
    [
        ("an_acceptance_that_ramps_down_and_back", "NNNN", "NNNX", "rr_flag"),
        ("an_acceptance_that_ramps_down_and_back", "NNNN", "NNN_", "rr_flag"),
        ("an_acceptance_that_ramps_down_and_back", "NNNN", "nNNN", "emergency_flag"),
        ("an_ancillary_instruction_with_end_and_target", "FFR___", "F R___", "service"),
        ("an_ancillary_instruction_with_end_and_target", "ARM___", "arm___", "action"),
        ("an_ancillary_instruction_with_end_and_target", "FFR___", "______", "service"),
        ("a_result_that_is_ok", "OK____", "GOOD__", "verdict"),
        ("a_result_that_is_ok", "OK____OK__", "OK________", "code"),
    ],
)
def test_a_word_that_a_field_cannot_hold_is_malformed(
    name: str, before: str, after: str, field: str
) -> None:
    whole = golden(name).decode()
    changed = whole.replace(before.replace("_", " "), after.replace("_", " "), 1)
    assert changed != whole
    assert refusal_of(changed.encode()).field == field


def test_a_refusal_code_that_the_profile_does_not_know_is_kept_as_it_is() -> None:
    message = read(golden("a_result_that_refuses").replace(b"R030", b"R555"))
    assert isinstance(message, Result)
    assert message.code == "R555"
    assert CODEC.decode(CODEC.encode(envelope(message))).messages == (message,)


def envelope(message: BmMessage, reference: str = "00000001") -> Envelope:
    return Envelope(Stamp(reference, NOW), (message,))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("5 ≤ 6 °C", "5 ? 6 ?C"),
        ("a^b", "a?b"),
        ("line\nline\ttab", "line?line?tab"),
        ("\N{SNOWMAN}", "?"),
        ("~ and {}", "~ and {}"),
    ],
)
def test_what_is_not_printable_ascii_is_written_as_a_question_mark(text: str, written: str) -> None:
    assert read(CODEC.encode(envelope(FreeText(NAME, text))).content) == FreeText(NAME, written)


def long_text(length: int) -> str:
    return "".join(chr(ord("a") + index % 26) for index in range(length))


@pytest.mark.parametrize(
    ("message", "name", "first"),
    [
        (Result(NAME, ResultVerdict.REFUSE, "R030", long_text(500)), "text", 80),
        (EmergencyInstruction(NAME, UNIT, 3, long_text(500)), "text", 200),
        (
            InstructionAnswer(NAME, UNIT, 3, Verdict.REJECTED, None, long_text(500)),
            "reason_text",
            60,
        ),
        (FreeText(NAME, long_text(500)), "text", 200),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_long_text_goes_on_in_texts_that_follow(
    message: BmMessage, name: str, first: int
) -> None:
    head, *rest = CODEC.divide(message)
    assert getattr(head, name) == long_text(500)[:first]
    assert all(isinstance(part, FreeText) for part in rest)
    carried = [read(CODEC.encode(envelope(part)).content) for part in (head, *rest)]
    assert carried == [head, *rest]
    assert "".join([getattr(head, name), *(part.text for part in rest)]) == long_text(500)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "message",
    [
        Result(NAME, ResultVerdict.OK, "OK", ""),
        Result(NAME, ResultVerdict.OK, "OK", "x" * 80),
        InstructionAnswer(NAME, UNIT, 3, Verdict.ACCEPTED),
        ScalarRedeclaration(NAME, UNIT, ScalarParameter.SEL, 1),
    ],
)
def test_what_fits_is_not_divided(message: BmMessage) -> None:
    assert CODEC.divide(message) == (message,)


def test_the_rest_of_a_refusal_goes_on_in_texts() -> None:
    first, rest = CODEC.divide_refusal(NAME, long_text(300))
    assert (first, [part.text for part in rest]) == (
        long_text(300)[:80],
        [long_text(300)[80:280], long_text(300)[280:]],
    )


def test_a_text_is_never_divided_so_that_a_blank_is_lost() -> None:
    text = "word " * 100
    pieces = [
        part.text for part in CODEC.divide(FreeText(NAME, text)) if isinstance(part, FreeText)
    ]
    assert "".join(pieces) == text.rstrip()
    assert not any(piece.endswith(" ") for piece in pieces)


def test_a_flood_of_blanks_ends() -> None:
    parts = CODEC.divide(FreeText(NAME, "a" + " " * 1000 + "b"))
    assert [part.text for part in parts if isinstance(part, FreeText)] == ["a", "b"]


LEVELS = (Segment(at(10, 0), 100, at(10, 30), 100),)
MEL = LevelRedeclaration(NAME, UNIT, LevelParameter.MEL, LEVELS)
SEL = ScalarRedeclaration(NAME, UNIT, ScalarParameter.SEL, 1)
RATES = RateRedeclaration(NAME, UNIT, RateParameter.RURE, (RateStep(Decimal(5), None),))
BOA = BidOfferAcceptance(NAME, UNIT, 1, at(10, 0), False, False, False, False, LEVELS)
ASI = AncillaryInstruction(NAME, UNIT, 1, "FFR", "ARM", at(10, 0), None, None)
NOON_IN_SECONDS = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
PARIS = timezone(timedelta(hours=1))


UNSAYABLE: dict[str, BmMessage] = {
    "a type EDL has not": Health(),
    "no levels": replace(MEL, levels=()),
    "no unit": replace(MEL, bm_unit=""),
    "a long unit": replace(MEL, bm_unit="TOOLONG-01"),
    "a long control point": replace(MEL, control_point="TOOLONG"),
    "a wide level": replace(MEL, levels=(replace(LEVELS[0], level_to=1_000_000),)),
    "seconds": replace(MEL, levels=(replace(LEVELS[0], time_to=NOON_IN_SECONDS),)),
    "no zone": replace(MEL, levels=(replace(LEVELS[0], time_to=at(12, 0).replace(tzinfo=None)),)),
    "another zone": replace(MEL, levels=(replace(LEVELS[0], time_to=at(12, 0).astimezone(PARIS)),)),
    "a wide count": replace(MEL, levels=LEVELS * 10_000),
    "a long message": replace(MEL, levels=LEVELS * 9_999),
    "a wide value": replace(SEL, value=1_000_000),
    "no rates": replace(RATES, rates=()),
    "four rates": replace(RATES, rates=RATES.rates * 4),
    "two decimals": replace(RATES, rates=(RateStep(Decimal("1.25"), None),)),
    "a wide rate": replace(RATES, rates=(RateStep(Decimal("99999.9"), None),)),
    "a rate that is no number": replace(RATES, rates=(RateStep(Decimal("NaN"), None),)),
    "an elbow before the first rate": replace(RATES, rates=(RateStep(Decimal(1), 5),)),
    "a wide acceptance number": replace(BOA, number=10**10),
    "a service of other letters": replace(ASI, service="F-R"),
    "a long action": replace(ASI, action="TOOLONG"),
    "an empty text": FreeText(NAME, ""),
    "a blank text": FreeText(NAME, "   "),
    "an undivided text": FreeText(NAME, "x" * 201),
}


@pytest.mark.parametrize("message", UNSAYABLE.values(), ids=UNSAYABLE)
def test_what_edl_cannot_say_whole_is_not_written(message: BmMessage) -> None:
    with pytest.raises(LocalProtocolError):
        CODEC.encode(envelope(message))


@pytest.mark.parametrize(
    "bad",
    [
        envelope(SEL, "x"),
        envelope(SEL, "123456789"),
        Envelope(Stamp("00000001", NOW, "x"), (SEL,)),
        Envelope(Stamp("00000001", NOW.replace(tzinfo=None)), (SEL,)),
        Envelope(Stamp("00000001", NOW), ()),
        Envelope(Stamp("00000001", NOW), (SEL, SEL)),
    ],
)
def test_an_envelope_that_is_not_one_numbered_message_is_not_written(bad: Envelope) -> None:
    with pytest.raises(LocalProtocolError):
        CODEC.encode(bad)


def test_a_message_without_a_number_can_be_kept_but_is_not_sent() -> None:
    kept = CODEC.encode(envelope(SEL, ""))
    assert kept.content[13:21] == b"00000000"
    assert CODEC.decode(kept) == envelope(SEL, "")
    with pytest.raises(LocalProtocolError):
        ready_host().transmit(0, kept.content, NOW)


def test_the_longest_series_that_fits_a_message_is_carried() -> None:
    count = (PROFILE.framing.max_bytes - len(wire(f"{HEAD}TBMU-1______1^"))) // 36
    message = replace(MEL, levels=LEVELS * count)
    parcel = CODEC.encode(envelope(message))
    assert len(parcel.content) <= PROFILE.framing.max_bytes
    assert read(parcel.content) == message
