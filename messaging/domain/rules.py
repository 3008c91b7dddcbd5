"""The validation rules, one named entry each, applied before anything is relayed whatever way it
came in.

A rule reads one typed message and yields what is wrong with it. Its mark says where it comes from:
F is a public fact, K is general knowledge of the field (an endpoint may turn such a rule into a
warning), C is this project's choice. Who may speak for a BM unit is not a rule here: that takes the
register.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from messaging.domain import profile
from messaging.domain.instructions import AncillaryInstruction, BidOfferAcceptance
from messaging.domain.messages import BmMessage
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.units import RefusalCode

EARLIEST_START = timedelta(minutes=5)
"""How long before its receipt a redeclared series may start."""

LEVEL_RANGE = (-9999, 9999)
RATE_RANGE = (Decimal("0.1"), Decimal("999.9"))
SCALAR_RANGE: dict[ScalarParameter, tuple[int, int]] = {
    ScalarParameter.NDZ: (0, 999),
    ScalarParameter.MZT: (0, 999),
    ScalarParameter.MNZT: (0, 999),
    ScalarParameter.MDP: (0, 999),
    ScalarParameter.NTO: (0, 99999),
    ScalarParameter.NTB: (0, 99999),
    ScalarParameter.SEL: (0, 9999),
    ScalarParameter.SIL: LEVEL_RANGE,
    ScalarParameter.MDV: LEVEL_RANGE,
}
"""Ranges by the field formats of the CVA data dictionary: minutes, MW, MWh for MDV."""


class Mark(StrEnum):
    FACT = "F"
    KNOWLEDGE = "K"
    CHOICE = "C"


@dataclass(frozen=True, slots=True)
class Fault:
    """What a rule found, before it is known under which name each protocol carries the field.

    `path` leads to the field through the typed message: ("levels", 0, "level_from").
    """

    path: tuple[str | int, ...]
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule broken: what a NACK, a reply line or a problem+json item is made of."""

    rule: str
    code: RefusalCode
    path: tuple[str | int, ...]
    value: str
    text: str
    warning: bool = False


Check = Callable[[BmMessage, datetime], Iterator[Fault]]


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    mark: Mark
    applies_to: str
    code: RefusalCode
    explanation: str
    check: Check


def _levels_in_range(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, LevelRedeclaration | BidOfferAcceptance):
        for index, segment in enumerate(message.levels):
            for field in ("level_from", "level_to"):
                level = getattr(segment, field)
                if not LEVEL_RANGE[0] <= level <= LEVEL_RANGE[1]:
                    yield _fault(("levels", index, field), level, "outside -9999 to 9999 MW")


def _level_signs(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if not isinstance(message, LevelRedeclaration):
        return
    positive = message.parameter in (LevelParameter.MEL, LevelParameter.MDO)
    wrong, bound = (_negative, "at least 0") if positive else (_positive, "at most 0")
    for index, segment in enumerate(message.levels):
        for field in wrong(segment):
            level = getattr(segment, field)
            yield _fault(("levels", index, field), level, f"{message.parameter} is {bound} MW")


def _times_in_order(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, LevelRedeclaration | BidOfferAcceptance):
        for index in profile.unordered(message.levels):
            started = message.levels[index].time_from
            yield _fault(("levels", index, "time_from"), started, "times are not in order")


def _not_too_old(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, LevelRedeclaration) and message.levels:
        start = message.levels[0].time_from
        if start < now - EARLIEST_START:
            text = "starts more than 5 minutes before receipt"
            yield _fault(("levels", 0, "time_from"), start, text)


def _rates_in_range(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, RateRedeclaration):
        for index, step in enumerate(message.rates):
            if not RATE_RANGE[0] <= step.rate <= RATE_RANGE[1]:
                text = "outside 0.1 to 999.9 MW/min"
                yield _fault(("rates", index, "rate"), step.rate, text)


def _elbows_in_range(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, RateRedeclaration):
        for index, step in enumerate(message.rates):
            low, high = LEVEL_RANGE
            if step.from_mw is not None and not low <= step.from_mw <= high:
                text = "outside -9999 to 9999 MW"
                yield _fault(("rates", index, "from_mw"), step.from_mw, text)


def _elbows_in_order(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if not isinstance(message, RateRedeclaration):
        return
    rising = message.parameter in (RateParameter.RURE, RateParameter.RURI)
    elbows = [(i, s.from_mw) for i, s in enumerate(message.rates) if s.from_mw is not None]
    for (_, before), (index, after) in pairwise(elbows):
        if (after <= before) if rising else (after >= before):
            text = f"elbows of {message.parameter} must {'rise' if rising else 'fall'}"
            yield _fault(("rates", index, "from_mw"), after, text)


def _elbow_for_each_next_rate(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, RateRedeclaration):
        for index, step in enumerate(message.rates):
            if (step.from_mw is None) != (index == 0):
                text = "an elbow stands where, and only where, a further rate is given"
                yield _fault(("rates", index, "from_mw"), step.from_mw, text)


def _scalar_in_range(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, ScalarRedeclaration):
        low, high = SCALAR_RANGE[message.parameter]
        if not low <= message.value <= high:
            yield _fault(("value",), message.value, f"{message.parameter} is {low} to {high}")


def _acceptance_joined(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, BidOfferAcceptance):
        for index in profile.unjoined(message.levels):
            started = message.levels[index].time_from
            text = "a segment must start when the one before it ends"
            yield _fault(("levels", index, "time_from"), started, text)


def _acceptance_not_backdated(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, BidOfferAcceptance) and message.levels:
        start = message.levels[0].time_from
        if start < message.accepted_at:
            yield _fault(("levels", 0, "time_from"), start, "starts before the acceptance time")


def _ancillary_times(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if not isinstance(message, AncillaryInstruction) or message.time_to is None:
        return
    if message.time_from >= message.time_to:
        yield _fault(("time_to",), message.time_to, "not after the start")


def _ancillary_target(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if not isinstance(message, AncillaryInstruction) or message.target_mw is None:
        return
    if not LEVEL_RANGE[0] <= message.target_mw <= LEVEL_RANGE[1]:
        yield _fault(("target_mw",), message.target_mw, "outside -9999 to 9999 MW")


_SERIES = "MEL MIL MDO MDB"
_RATES = "RURE RURI RDRE RDRI"

RULES: tuple[Rule, ...] = (
    Rule(
        "level-range",
        Mark.FACT,
        f"{_SERIES} BOA",
        RefusalCode.OUT_OF_RANGE,
        "A level is a signed integer of four digits, in MW.",
        _levels_in_range,
    ),
    Rule(
        "level-sign",
        Mark.KNOWLEDGE,
        _SERIES,
        RefusalCode.OUT_OF_RANGE,
        "MEL and MDO are never negative, MIL and MDB never positive.",
        _level_signs,
    ),
    Rule(
        "time-order",
        Mark.FACT,
        f"{_SERIES} BOA",
        RefusalCode.TIMES_NOT_IN_ORDER,
        "Each segment runs forwards, and none starts before the one ahead of it ends.",
        _times_in_order,
    ),
    Rule(
        "series-start",
        Mark.CHOICE,
        _SERIES,
        RefusalCode.OUT_OF_RANGE,
        "A redeclared series starts no more than 5 minutes before its receipt.",
        _not_too_old,
    ),
    Rule(
        "rate-range",
        Mark.FACT,
        _RATES,
        RefusalCode.OUT_OF_RANGE,
        "A rate is above 0 and at most 999.9 MW/min.",
        _rates_in_range,
    ),
    Rule(
        "elbow-range",
        Mark.FACT,
        _RATES,
        RefusalCode.OUT_OF_RANGE,
        "An elbow is a level: a signed integer of four digits, in MW.",
        _elbows_in_range,
    ),
    Rule(
        "elbow-order",
        Mark.KNOWLEDGE,
        _RATES,
        RefusalCode.OUT_OF_RANGE,
        "Elbows rise for run-up rates and fall for run-down rates.",
        _elbows_in_order,
    ),
    Rule(
        "elbow-where-rate",
        Mark.KNOWLEDGE,
        _RATES,
        RefusalCode.OUT_OF_RANGE,
        "An elbow stands where, and only where, a further rate is given.",
        _elbow_for_each_next_rate,
    ),
    Rule(
        "scalar-range",
        Mark.FACT,
        "NDZ NTO NTB MZT MNZT SEL SIL MDV MDP",
        RefusalCode.OUT_OF_RANGE,
        "A scalar lies within the range that its format allows.",
        _scalar_in_range,
    ),
    Rule(
        "acceptance-joined",
        Mark.FACT,
        "BOA",
        RefusalCode.TIMES_NOT_IN_ORDER,
        "The segments of an acceptance join in time; a step in level is allowed.",
        _acceptance_joined,
    ),
    Rule(
        "acceptance-start",
        Mark.FACT,
        "BOA",
        RefusalCode.TIMES_NOT_IN_ORDER,
        "An acceptance does not start before its acceptance time.",
        _acceptance_not_backdated,
    ),
    Rule(
        "ancillary-times",
        Mark.CHOICE,
        "ANCILLARY",
        RefusalCode.TIMES_NOT_IN_ORDER,
        "An ancillary instruction ends after it starts.",
        _ancillary_times,
    ),
    Rule(
        "ancillary-target",
        Mark.FACT,
        "ANCILLARY",
        RefusalCode.OUT_OF_RANGE,
        "A target is a level: a signed integer of four digits, in MW.",
        _ancillary_target,
    ),
)


def violations(
    message: BmMessage, now: datetime, warn_only: Iterable[str] = ()
) -> tuple[Violation, ...]:
    """Every rule that `message`, received at `now`, breaks; rules named in `warn_only` are marked
    as warnings.

    Only a rule of mark K can be turned into a warning; naming another has no effect.
    """
    lenient = {r.id for r in RULES if r.mark is Mark.KNOWLEDGE} & set(warn_only)
    return tuple(
        Violation(rule.id, rule.code, fault.path, fault.value, fault.text, rule.id in lenient)
        for rule in RULES
        for fault in rule.check(message, now)
    )


def _fault(path: tuple[str | int, ...], value: object, text: str) -> Fault:
    return Fault(path, str(value), text)


def _negative(segment: Segment) -> Iterator[str]:
    yield from (f for f in ("level_from", "level_to") if getattr(segment, f) < 0)


def _positive(segment: Segment) -> Iterator[str]:
    yield from (f for f in ("level_from", "level_to") if getattr(segment, f) > 0)
