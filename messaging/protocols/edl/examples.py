"""One envelope at least of every message type and form, for the contract test and for readers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, cast

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
from messaging.protocols.edl.forms import LONG_TEXTS, form_of
from messaging.protocols.edl.profile import EdlProfile, MessageLayout

_NAME: Final = "CPALFA"
_UNIT: Final = "TBMU-1"
_START: Final = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def examples(profile: EdlProfile) -> tuple[Envelope, ...]:
    """Envelopes that the profile can write, numbers short and long, some of them answers."""
    highest = profile.limits.number_modulus
    numbers = (7, min(12_345_678, highest - 1), highest)
    envelopes = []
    for index, messages in enumerate(_carried(profile)):
        number = profile.number_text(numbers[index % len(numbers)])
        answers = isinstance(messages[0], InstructionAnswer | Result) and index % 2
        stamp = Stamp(number, _START + timedelta(seconds=index), number if answers else "")
        envelopes.append(Envelope(stamp, messages))
    return tuple(envelopes)


def _carried(profile: EdlProfile) -> Iterator[tuple[BmMessage, ...]]:
    """What the profile has a message for, one by one; where it has room for several BM units, also
    together.
    """
    together: dict[str, list[BmMessage]] = {}
    for message in _messages():
        layout = profile.by_meaning.get(form_of(message))
        if layout is None:
            continue
        if isinstance(message, Result) and any(f.name == "bm_unit" for f in layout.data.fields):
            message = replace(message, bm_unit=_UNIT)
        yield (_shortened(layout, message),)
        if layout.several:
            together.setdefault(layout.code, []).append(message)
    for messages in together.values():
        named = [
            replace(cast(Any, message), bm_unit=f"TBMU-{number}")
            for number, message in enumerate(messages, start=1)
        ]
        yield tuple(named)


def _shortened(layout: MessageLayout, message: BmMessage) -> BmMessage:
    """Free text as much as one message of the profile holds; what is longer goes on in others."""
    name = LONG_TEXTS.get(layout.form)
    text = getattr(message, name) if name else None
    if name is None or not text:
        return message
    shortened: BmMessage = replace(
        cast(Any, message), **{name: text[: layout.one.field(name).size].rstrip(" ")}
    )
    return shortened


def _messages() -> Iterator[BmMessage]:
    yield from _levels()
    yield from _rates()
    yield from _scalars()
    yield from _acceptances()
    yield from _other_instructions()
    yield from _answers()
    yield from _words()


def _levels() -> Iterator[BmMessage]:
    for parameter in LevelParameter:
        sign = -1 if parameter in (LevelParameter.MIL, LevelParameter.MDB) else 1
        yield LevelRedeclaration(_NAME, _UNIT, parameter, _series(1, 100 * sign))
        yield LevelRedeclaration(_NAME, "T_BMU-999", parameter, _series(60, 9999 * sign))
    apart = (*_series(1, 0), *_series(1, 50, start=_START + timedelta(hours=3)))
    yield LevelRedeclaration(_NAME, "TBMU1", LevelParameter.MEL, apart)


def _series(count: int, level: int, start: datetime = _START) -> tuple[Segment, ...]:
    step = timedelta(minutes=30)
    return tuple(
        Segment(start + step * index, level, start + step * (index + 1), level)
        for index in range(count)
    )


def _rates() -> Iterator[BmMessage]:
    for parameter in RateParameter:
        down = parameter in (RateParameter.RDRE, RateParameter.RDRI)
        low, high = (-50, -100) if down else (-9999, 9999)
        steps = (
            RateStep(Decimal("999.9"), None),
            RateStep(Decimal("0.1"), low),
            RateStep(Decimal("12.0"), high),
        )
        for count in (1, 2, 3):
            yield RateRedeclaration(_NAME, _UNIT, parameter, steps[:count])


def _scalars() -> Iterator[BmMessage]:
    highest = {ScalarParameter.SIL: -9999, ScalarParameter.NTO: 99999, ScalarParameter.NTB: 99999}
    for parameter in ScalarParameter:
        yield ScalarRedeclaration(_NAME, _UNIT, parameter, 0)
        yield ScalarRedeclaration(_NAME, _UNIT, parameter, highest.get(parameter, 999))


def _acceptances() -> Iterator[BmMessage]:
    ramp = (
        Segment(_START, 100, _START + timedelta(minutes=5), 40),
        Segment(_START + timedelta(minutes=5), 40, _START + timedelta(minutes=20), -40),
        Segment(_START + timedelta(minutes=20), -35, _START + timedelta(minutes=25), 100),
    )
    for index in range(5):
        yield BidOfferAcceptance(
            _NAME,
            _UNIT,
            9_999_999_995 + index,
            _START,
            emergency_flag=index == 1,
            so_flag=index == 2,
            stor_flag=index == 3,
            rr_flag=index == 4,
            levels=ramp[: index % 3 + 1],
        )


def _other_instructions() -> Iterator[BmMessage]:
    hour = timedelta(hours=1)
    yield AncillaryInstruction(_NAME, _UNIT, 1, "FFR", "ARM", _START, _START + hour, -20)
    yield AncillaryInstruction(_NAME, _UNIT, 2, "STOR", "STOP", _START, None, None)
    yield AncillaryInstruction(_NAME, _UNIT, 3, "MVAR01", "A", _START, None, 0)
    yield EmergencyInstruction(_NAME, _UNIT, 1, "Reduce to 0 MW at once")
    yield EmergencyInstruction(_NAME, "", 2, ("All units: " + "desynchronise " * 14)[:200])


def _answers() -> Iterator[BmMessage]:
    for verdict in Verdict:
        yield InstructionAnswer(_NAME, _UNIT, 12345, verdict)
        yield InstructionAnswer(_NAME, "", 1, verdict, "SAFE", "Unit has tripped")
        yield InstructionAnswer(_NAME, _UNIT, 9_999_999_999, verdict, None, "x" * 60)


def _words() -> Iterator[BmMessage]:
    yield FreeText(_NAME, "Testing, please ignore")
    yield FreeText(_NAME, "y" * 200)
    yield Result(_NAME, ResultVerdict.OK, "OK", "")
    yield Result(_NAME, ResultVerdict.REFUSE, "R030", "R003 level above the registered capacity")
    yield Result(_NAME, ResultVerdict.HELD, "R999", "SO out, the message is kept and sent later")
    yield Result(_NAME, ResultVerdict.REFUSE, "R031", "z" * 80)
