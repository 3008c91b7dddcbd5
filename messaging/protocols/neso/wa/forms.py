"""What each form of payload needs of its layout, and how layout values become a typed message and
back.

Meanings are those of a profile's members. Nothing here knows what a member is called or how it is
written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from messaging.domain.acknowledgements import (
    Health,
    HealthStatus,
    NormalizationAnswer,
    NormalizationRequest,
    ReceiptError,
    ReceiptOfMessage,
    ReceiptStatus,
    TakenRedeclaration,
)
from messaging.domain.instructions import (
    AncillaryInstruction,
    BidOfferAcceptance,
    EmergencyInstruction,
    InstructionAnswer,
    InstructionKind,
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
from messaging.domain.submissions import (
    BOD,
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
    Submission,
)
from messaging.protocols.base import LocalProtocolError
from messaging.protocols.neso.wa.members import ABOUT, Values
from messaging.protocols.neso.wa.profile import Form, Kind

Build = Callable[[str, Mapping[str, Any]], BmMessage]
"""About and values to a message."""


@dataclass(frozen=True, slots=True)
class FormSpec:
    """What a form needs of a payload's layout.

    It has `members` and no others, each of its kind; only those in `nullable` may be null. `groups`
    are those of its lists, `words` the meanings of its words; `records` are the members of each
    type in its list of records, of which only those in `absent` may be left out. `abouts` are
    what its payloads may be about, and every profile carries all of them.
    """

    build: Build
    members: Mapping[str, Kind] = field(default_factory=dict)
    nullable: frozenset[str] = frozenset()
    groups: Mapping[str, Mapping[str, Kind]] = field(default_factory=dict)
    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    records: Mapping[str, Mapping[str, Kind]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    abouts: frozenset[str] = frozenset({""})
    answer: bool = False


def form_of(message: BmMessage) -> tuple[Form, str]:
    """The form that carries a message, and what tells it from others of that form."""
    match message:
        case LevelRedeclaration():
            return Form.LEVELS, message.parameter
        case RateRedeclaration():
            return Form.RATES, message.parameter
        case ScalarRedeclaration():
            return Form.SCALAR, message.parameter
        case InstructionAnswer():
            if message.kind is None:
                raise LocalProtocolError("an instruction's answer needs the instruction's kind")
            return Form.RESPONSE, message.kind
        case Health():
            return Form.HEALTH_QUESTION if message.status is None else Form.HEALTH_ANSWER, ""
        case _:
            return _plain_form(message), ""


_PLAIN_FORMS: Final[Mapping[type, Form]] = {
    BidOfferAcceptance: Form.ACCEPTANCE,
    AncillaryInstruction: Form.ANCILLARY,
    EmergencyInstruction: Form.EMERGENCY,
    NormalizationRequest: Form.NORMALIZATION_QUESTION,
    NormalizationAnswer: Form.NORMALIZATION_ANSWER,
    ReceiptOfMessage: Form.RECEIPT,
    Submission: Form.SUBMISSION,
}


def _plain_form(message: BmMessage) -> Form:
    try:
        return _PLAIN_FORMS[type(message)]
    except KeyError:
        raise LocalProtocolError(
            f"Wider Access has no words for {type(message).__name__}"
        ) from None


def values_of(message: BmMessage) -> Values:
    """A message's values by the meanings of layout members."""
    values = _attributes(message)
    for name in ("levels", "rates", "errors", "redeclarations"):
        if name in values:
            values[name] = tuple(_attributes(one) for one in values[name])
    if isinstance(message, EmergencyInstruction | InstructionAnswer):
        values["bm_unit"] = message.bm_unit or None
    return values


def _attributes(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _segments(groups: tuple[Mapping[str, Any], ...]) -> tuple[Segment, ...]:
    return tuple(
        Segment(one["time_from"], one["level_from"], one["time_to"], one["level_to"])
        for one in groups
    )


def _levels(about: str, values: Mapping[str, Any]) -> LevelRedeclaration:
    levels = _segments(values["levels"])
    return LevelRedeclaration(
        values["control_point"], values["bm_unit"], LevelParameter(about), levels
    )


def _rates(about: str, values: Mapping[str, Any]) -> RateRedeclaration:
    rates = tuple(RateStep(one["rate"], one["from_mw"]) for one in values["rates"])
    return RateRedeclaration(
        values["control_point"], values["bm_unit"], RateParameter(about), rates
    )


def _scalar(about: str, values: Mapping[str, Any]) -> ScalarRedeclaration:
    return ScalarRedeclaration(parameter=ScalarParameter(about), **values)


def _acceptance(about: str, values: Mapping[str, Any]) -> BidOfferAcceptance:
    return BidOfferAcceptance(**{**values, "levels": _segments(values["levels"])})


def _ancillary(about: str, values: Mapping[str, Any]) -> AncillaryInstruction:
    return AncillaryInstruction(**values)


def _emergency(about: str, values: Mapping[str, Any]) -> EmergencyInstruction:
    return EmergencyInstruction(**{**values, "bm_unit": values["bm_unit"] or ""})


def _response(about: str, values: Mapping[str, Any]) -> InstructionAnswer:
    own = {"bm_unit": values["bm_unit"] or "", "verdict": Verdict(values["verdict"])}
    return InstructionAnswer(kind=InstructionKind(about), **{**values, **own})


def _health_question(about: str, values: Mapping[str, Any]) -> Health:
    return Health()


def _health_answer(about: str, values: Mapping[str, Any]) -> Health:
    return Health(HealthStatus(values["status"]))


def _normalization_question(about: str, values: Mapping[str, Any]) -> NormalizationRequest:
    return NormalizationRequest(**values)


def _normalization_answer(about: str, values: Mapping[str, Any]) -> NormalizationAnswer:
    taken = tuple(TakenRedeclaration(**one) for one in values["redeclarations"])
    return NormalizationAnswer(values["instructions"], taken)


def _submission(about: str, values: Mapping[str, Any]) -> Submission:
    records = tuple(_record(one) for one in values["records"])
    return Submission(values["trading_agent"], values["sequence"], records)


def _record(values: Mapping[str, Any]) -> Record:
    about = values[ABOUT]
    said = {meaning: value for meaning, value in values.items() if meaning != ABOUT}
    if about == BOD:
        return BidOfferRecord(**said)
    if about in _LEVELS:
        return LevelRecord(SeriesParameter(about), **said)
    if about in _RATES:
        return RateRecord(RateParameter(about), **said)
    return ScalarRecord(ScalarParameter(about), **said)


def _receipt(about: str, values: Mapping[str, Any]) -> ReceiptOfMessage:
    errors = tuple(ReceiptError(**one) for one in values["errors"])
    return ReceiptOfMessage(ReceiptStatus(values["status"]), errors)


_UNIT: Final = {"control_point": Kind.CONTROL_POINT, "bm_unit": Kind.BM_UNIT}
_SEGMENT: Final = {
    "time_from": Kind.TIME,
    "level_from": Kind.WHOLE,
    "time_to": Kind.TIME,
    "level_to": Kind.WHOLE,
}

_LEVELS: Final = frozenset[str](SeriesParameter)
_RATES: Final = frozenset[str](RateParameter)
_LEVEL_RECORD: Final = {"bm_unit": Kind.BM_UNIT, **_SEGMENT}
_PAIR_RECORD: Final = {
    **_LEVEL_RECORD,
    "pair_number": Kind.WHOLE,
    "offer_price": Kind.NUMBER,
    "bid_price": Kind.NUMBER,
}
_RATE_RECORD: Final = {
    "bm_unit": Kind.BM_UNIT,
    "effective_time": Kind.TIME,
    "rate1": Kind.NUMBER,
    "elbow2": Kind.WHOLE,
    "rate2": Kind.NUMBER,
    "elbow3": Kind.WHOLE,
    "rate3": Kind.NUMBER,
}
_SCALAR_RECORD: Final = {
    "bm_unit": Kind.BM_UNIT,
    "effective_time": Kind.TIME,
    "value": Kind.WHOLE,
}
_RECORDS: Final[Mapping[str, Mapping[str, Kind]]] = {
    **dict.fromkeys(_LEVELS, _LEVEL_RECORD),
    BOD: _PAIR_RECORD,
    **dict.fromkeys(_RATES, _RATE_RECORD),
    **dict.fromkeys(frozenset[str](ScalarParameter), _SCALAR_RECORD),
}

FORMS: Final[Mapping[Form, FormSpec]] = {
    Form.HEALTH_QUESTION: FormSpec(_health_question),
    Form.HEALTH_ANSWER: FormSpec(
        _health_answer,
        {"status": Kind.WORD},
        words={"status": frozenset[str](HealthStatus)},
        answer=True,
    ),
    Form.NORMALIZATION_QUESTION: FormSpec(
        _normalization_question,
        {"control_point": Kind.CONTROL_POINT, "since": Kind.STAMP},
    ),
    Form.NORMALIZATION_ANSWER: FormSpec(
        _normalization_answer,
        {"instructions": Kind.PAYLOADS, "redeclarations": Kind.LIST},
        groups={
            "redeclarations": {
                "bm_unit": Kind.BM_UNIT,
                "parameter": Kind.TEXT,
                "message_id": Kind.ID,
            }
        },
        answer=True,
    ),
    Form.ACCEPTANCE: FormSpec(
        _acceptance,
        {
            **_UNIT,
            "number": Kind.WHOLE,
            "accepted_at": Kind.TIME,
            "emergency_flag": Kind.FLAG,
            "so_flag": Kind.FLAG,
            "stor_flag": Kind.FLAG,
            "rr_flag": Kind.FLAG,
            "levels": Kind.LIST,
            "respond_by": Kind.STAMP,
        },
        nullable=frozenset({"respond_by"}),
        groups={"levels": _SEGMENT},
    ),
    Form.ANCILLARY: FormSpec(
        _ancillary,
        {
            **_UNIT,
            "number": Kind.WHOLE,
            "service": Kind.TEXT,
            "action": Kind.TEXT,
            "time_from": Kind.TIME,
            "time_to": Kind.TIME,
            "target_mw": Kind.WHOLE,
            "respond_by": Kind.STAMP,
        },
        nullable=frozenset({"time_to", "target_mw", "respond_by"}),
    ),
    Form.EMERGENCY: FormSpec(
        _emergency,
        {**_UNIT, "number": Kind.WHOLE, "text": Kind.TEXT, "respond_by": Kind.STAMP},
        nullable=frozenset({"bm_unit", "respond_by"}),
    ),
    Form.RESPONSE: FormSpec(
        _response,
        {
            **_UNIT,
            "number": Kind.WHOLE,
            "verdict": Kind.WORD,
            "reason_code": Kind.TEXT,
            "reason_text": Kind.TEXT,
            "responded_at": Kind.STAMP,
        },
        nullable=frozenset({"bm_unit", "reason_code", "reason_text"}),
        words={"verdict": frozenset[str](Verdict)},
        abouts=frozenset(InstructionKind),
    ),
    Form.LEVELS: FormSpec(
        _levels,
        {**_UNIT, "levels": Kind.LIST},
        groups={"levels": _SEGMENT},
        abouts=frozenset(LevelParameter),
    ),
    Form.RATES: FormSpec(
        _rates,
        {**_UNIT, "rates": Kind.LIST},
        nullable=frozenset({"rates.from_mw"}),
        groups={"rates": {"rate": Kind.NUMBER, "from_mw": Kind.WHOLE}},
        abouts=frozenset(RateParameter),
    ),
    Form.SCALAR: FormSpec(
        _scalar, {**_UNIT, "value": Kind.WHOLE}, abouts=frozenset(ScalarParameter)
    ),
    Form.SUBMISSION: FormSpec(
        _submission,
        {"trading_agent": Kind.TRADING_AGENT, "sequence": Kind.WHOLE, "records": Kind.RECORDS},
        records=_RECORDS,
        absent=frozenset(f"records.{one}" for one in ("elbow2", "rate2", "elbow3", "rate3")),
    ),
    Form.RECEIPT: FormSpec(
        _receipt,
        {"status": Kind.WORD, "errors": Kind.LIST},
        groups={"errors": {"path": Kind.TEXT, "code": Kind.TEXT, "text": Kind.TEXT}},
        words={"status": frozenset[str](ReceiptStatus)},
        answer=True,
    ),
}
