"""What each form of message needs of its layout, and how layout values become a typed message and
back.

Field names are those of a profile's layouts. Nothing here knows where a field stands or how it is
written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from messaging.domain.acknowledgements import FreeText, Result, ResultVerdict
from messaging.domain.instructions import (
    AncillaryInstruction,
    BidOfferAcceptance,
    EmergencyInstruction,
    InstructionAnswer,
    Verdict,
)
from messaging.domain.messages import BmMessage, unit_of
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
from messaging.domain.units import RefusalCode
from messaging.protocols.base import LocalProtocolError, RemoteProtocolError
from messaging.protocols.edl.profile import SEVERAL, Form, MessageLayout
from messaging.protocols.layouts import Kind, Values

Build = Callable[[str, str, Mapping[str, Any]], BmMessage]
"""Control point, about and values to a message."""


@dataclass(frozen=True, slots=True)
class FormSpec:
    """What a form needs of a message's layout.

    It has `fields`, perhaps those in `extra`, and no others; only those in `optional` may be blank;
    `group` are those of its series; those in `words` are written by a table with these meanings;
    `abouts` are what its messages may be about. With `several` a message may carry a series of
    them, each of another BM unit.
    """

    fields: Mapping[str, Kind] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    group: Mapping[str, Kind] = field(default_factory=dict)
    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    abouts: frozenset[str] = frozenset({""})
    numbered: bool = True
    build: Build | None = None
    extra: Mapping[str, Kind] = field(default_factory=dict)
    several: bool = False


def form_of(message: BmMessage) -> tuple[Form, str]:
    """The form that carries a message, and what tells it from others of that form."""
    match message:
        case LevelRedeclaration():
            return Form.LEVELS, message.parameter
        case RateRedeclaration():
            return Form.RATES, message.parameter
        case ScalarRedeclaration():
            return Form.SCALAR, message.parameter
        case BidOfferAcceptance():
            return Form.ACCEPTANCE, ""
        case AncillaryInstruction():
            return Form.ANCILLARY, ""
        case EmergencyInstruction():
            return Form.EMERGENCY, ""
        case InstructionAnswer():
            return Form.ANSWER, message.verdict
        case Result():
            return Form.RESULT, ""
        case FreeText():
            return Form.TEXT, ""
        case _:
            raise LocalProtocolError(f"EDL has no words for {type(message).__name__}")


def values_of(message: BmMessage) -> Values:
    """A message's values by the names of layout fields."""
    match message:
        case LevelRedeclaration() | BidOfferAcceptance():
            levels = tuple(_attributes(segment) for segment in message.levels)
            return {**_attributes(message), "levels": levels}
        case RateRedeclaration():
            return {"bm_unit": message.bm_unit, **_rate_values(message.rates)}
        case _:
            return _attributes(message)


def messages_of(
    layout: MessageLayout, control_point: str, values: Mapping[str, Any]
) -> tuple[BmMessage, ...]:
    """The typed messages that a message's values make: one, or as many as it carries."""
    build = FORMS[layout.form].build
    if build is None:
        raise LocalProtocolError(f"a {layout.form} becomes no typed message")
    if layout.several is None:
        return (build(control_point, layout.about, values),)
    found: dict[str, BmMessage] = {}
    for index, one in enumerate(values[SEVERAL]):
        place = f"{SEVERAL}[{index}]."
        if one["bm_unit"] in found:
            text, name = "this BM unit stands in the message already", f"{place}bm_unit"
            raise RemoteProtocolError(f"{name}: {text}", field=name)
        try:
            found[one["bm_unit"]] = build(control_point, layout.about, one)
        except RemoteProtocolError as error:
            field = f"{place}{error.field}"
            raise RemoteProtocolError(f"{place}{error.text}", field=field) from None
    return tuple(found.values())


def values_of_all(layout: MessageLayout, messages: tuple[BmMessage, ...]) -> Values:
    """The values of a message that carries these typed ones; LocalProtocolError where it cannot."""
    if layout.several is None:
        if len(messages) != 1:
            raise LocalProtocolError(f"a {layout.code} carries one message, not {len(messages)}")
        return values_of(messages[0])
    if len({unit_of(message) for message in messages}) != len(messages):
        raise LocalProtocolError(f"a {layout.code} carries a BM unit once")
    return {SEVERAL: tuple(values_of(message) for message in messages)}


def _attributes(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _rate_values(rates: tuple[RateStep, ...]) -> dict[str, Any]:
    if not 1 <= len(rates) <= 3:
        raise LocalProtocolError(f"EDL carries one to three rates, not {len(rates)}")
    if rates[0].from_mw is not None:
        raise LocalProtocolError("EDL has no elbow before the first rate")
    values: dict[str, Any] = {}
    for place, step in enumerate(rates, start=1):
        values[f"rate_{place}"] = step.rate
        values[f"elbow_{place}"] = step.from_mw
    return values


def _levels(control_point: str, about: str, values: Mapping[str, Any]) -> LevelRedeclaration:
    return LevelRedeclaration(
        control_point, values["bm_unit"], LevelParameter(about), _segments(values["levels"])
    )


def _segments(groups: tuple[Mapping[str, Any], ...]) -> tuple[Segment, ...]:
    return tuple(
        Segment(one["time_from"], one["level_from"], one["time_to"], one["level_to"])
        for one in groups
    )


def _rates(control_point: str, about: str, values: Mapping[str, Any]) -> RateRedeclaration:
    steps = tuple(_rate_steps(values))
    return RateRedeclaration(control_point, values["bm_unit"], RateParameter(about), steps)


def _rate_steps(values: Mapping[str, Any]) -> Iterator[RateStep]:
    """A rate without its elbow can be typed, so the rules see it; the rest of what does not fit
    together cannot.
    """
    yield RateStep(values["rate_1"], None)
    ended = False
    for place in (2, 3):
        elbow: int | None = values[f"elbow_{place}"]
        rate: Decimal | None = values[f"rate_{place}"]
        if rate is None and elbow is not None:
            name = f"elbow_{place}"
            raise RemoteProtocolError(f"{name}: an elbow without a rate", field=name)
        if rate is not None and ended:
            name = f"rate_{place}"
            raise RemoteProtocolError(f"{name}: the rate before it is blank", field=name)
        ended = rate is None
        if rate is not None:
            yield RateStep(rate, elbow)


def _scalar(control_point: str, about: str, values: Mapping[str, Any]) -> ScalarRedeclaration:
    return ScalarRedeclaration(
        control_point, values["bm_unit"], ScalarParameter(about), values["value"]
    )


def _acceptance(control_point: str, about: str, values: Mapping[str, Any]) -> BidOfferAcceptance:
    levels = _segments(values["levels"])
    return BidOfferAcceptance(control_point=control_point, **{**values, "levels": levels})


def _ancillary(control_point: str, about: str, values: Mapping[str, Any]) -> AncillaryInstruction:
    return AncillaryInstruction(control_point=control_point, **values)


def _emergency(control_point: str, about: str, values: Mapping[str, Any]) -> EmergencyInstruction:
    return EmergencyInstruction(control_point=control_point, **values)


def _text(control_point: str, about: str, values: Mapping[str, Any]) -> FreeText:
    return FreeText(control_point, values["text"])


def _answer(control_point: str, about: str, values: Mapping[str, Any]) -> InstructionAnswer:
    return InstructionAnswer(
        control_point,
        values["bm_unit"],
        values["number"],
        Verdict(about),
        values["reason_code"] or None,
        values["reason_text"] or None,
    )


def _result(control_point: str, about: str, values: Mapping[str, Any]) -> Result:
    verdict = ResultVerdict(values["verdict"])
    unit = values.get("bm_unit", "")
    return Result(control_point, verdict, values["code"], values["text"], unit)


_SEGMENT: Final = {
    "time_from": Kind.TIME,
    "level_from": Kind.NUMBER,
    "time_to": Kind.TIME,
    "level_to": Kind.NUMBER,
}
_GREETING: Final = FormSpec({"profile": Kind.TEXT, "last_taken": Kind.DIGITS}, numbered=False)
_TEXTS: Final = {"code": Kind.TEXT, "text": Kind.TEXT}
_CODES: Final = {"code": frozenset[str](RefusalCode)}

FORMS: Final[Mapping[Form, FormSpec]] = {
    Form.HELLO: _GREETING,
    Form.READY: _GREETING,
    Form.HEARTBEAT: FormSpec(numbered=False),
    Form.ACK: FormSpec({"code": Kind.TEXT}, words=_CODES, numbered=False),
    Form.NACK: FormSpec(_TEXTS, optional=frozenset({"text"}), words=_CODES, numbered=False),
    Form.LEVELS: FormSpec(
        {"bm_unit": Kind.TEXT, "levels": Kind.SERIES},
        group=_SEGMENT,
        abouts=frozenset(LevelParameter),
        build=_levels,
        several=True,
    ),
    Form.RATES: FormSpec(
        {
            "bm_unit": Kind.TEXT,
            "rate_1": Kind.DECIMAL,
            "elbow_2": Kind.NUMBER,
            "rate_2": Kind.DECIMAL,
            "elbow_3": Kind.NUMBER,
            "rate_3": Kind.DECIMAL,
        },
        optional=frozenset({"elbow_2", "rate_2", "elbow_3", "rate_3"}),
        abouts=frozenset(RateParameter),
        build=_rates,
        several=True,
    ),
    Form.SCALAR: FormSpec(
        {"bm_unit": Kind.TEXT, "value": Kind.NUMBER},
        abouts=frozenset(ScalarParameter),
        build=_scalar,
        several=True,
    ),
    Form.ACCEPTANCE: FormSpec(
        {
            "bm_unit": Kind.TEXT,
            "number": Kind.NUMBER,
            "accepted_at": Kind.TIME,
            "emergency_flag": Kind.FLAG,
            "so_flag": Kind.FLAG,
            "stor_flag": Kind.FLAG,
            "rr_flag": Kind.FLAG,
            "levels": Kind.SERIES,
        },
        group=_SEGMENT,
        build=_acceptance,
    ),
    Form.ANCILLARY: FormSpec(
        {
            "bm_unit": Kind.TEXT,
            "number": Kind.NUMBER,
            "service": Kind.TEXT,
            "action": Kind.TEXT,
            "time_from": Kind.TIME,
            "time_to": Kind.TIME,
            "target_mw": Kind.NUMBER,
        },
        optional=frozenset({"time_to", "target_mw"}),
        build=_ancillary,
    ),
    Form.EMERGENCY: FormSpec(
        {"bm_unit": Kind.TEXT, "number": Kind.NUMBER, "text": Kind.TEXT},
        optional=frozenset({"bm_unit"}),
        build=_emergency,
    ),
    Form.TEXT: FormSpec({"text": Kind.TEXT}, build=_text),
    Form.ANSWER: FormSpec(
        {
            "bm_unit": Kind.TEXT,
            "number": Kind.NUMBER,
            "reason_code": Kind.TEXT,
            "reason_text": Kind.TEXT,
        },
        optional=frozenset({"bm_unit", "reason_code", "reason_text"}),
        abouts=frozenset(Verdict),
        build=_answer,
    ),
    Form.RESULT: FormSpec(
        {"verdict": Kind.TEXT, **_TEXTS},
        optional=frozenset({"text", "bm_unit"}),
        words={"verdict": frozenset[str](ResultVerdict), **_CODES},
        build=_result,
        extra={"bm_unit": Kind.TEXT},
    ),
}

LONG_TEXTS: Final[Mapping[Form, str]] = {
    Form.NACK: "text",
    Form.EMERGENCY: "text",
    Form.TEXT: "text",
    Form.ANSWER: "reason_text",
    Form.RESULT: "text",
}
"""The free text of each form: where it is too long, the rest of it goes on in texts that follow."""

NEEDED: Final = frozenset(
    {Form.HELLO, Form.READY, Form.HEARTBEAT, Form.ACK, Form.NACK, Form.TEXT, Form.RESULT}
)
"""What no profile can do without: links are kept by them, and long texts go on in one."""

PREFIX_FIELDS: Final = {"control_point": Kind.TEXT}
HEADER_FIELDS: Final = {
    "type": Kind.TEXT,
    "number": Kind.DIGITS,
    "sent_at": Kind.STAMP,
    "in_reply_to": Kind.DIGITS,
}
"""What every message has around its data."""
