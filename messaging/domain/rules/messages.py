"""What is held against a message of real time: a redeclaration, or an instruction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from messaging.domain import profile
from messaging.domain.instructions import AncillaryInstruction, BidOfferAcceptance
from messaging.domain.messages import BmMessage
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    ScalarRedeclaration,
)
from messaging.domain.rules.base import (
    LEVEL_RANGE,
    RATE_RANGE,
    SCALAR_RANGE,
    Fault,
    fault,
)

EARLIEST_START: Final = timedelta(minutes=5)
"""How long before its receipt a redeclared series may start."""


def levels_in_range(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, LevelRedeclaration | BidOfferAcceptance):
        for index, segment in enumerate(message.levels):
            for field in ("level_from", "level_to"):
                level = getattr(segment, field)
                if not LEVEL_RANGE[0] <= level <= LEVEL_RANGE[1]:
                    yield fault(("levels", index, field), level, "outside -9999 to 9999 MW")


def level_signs(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if not isinstance(message, LevelRedeclaration):
        return
    positive = message.parameter in (LevelParameter.MEL, LevelParameter.MDO)
    wrong, bound = (_negative, "at least 0") if positive else (_positive, "at most 0")
    for index, segment in enumerate(message.levels):
        for field in wrong(segment):
            level = getattr(segment, field)
            yield fault(("levels", index, field), level, f"{message.parameter} is {bound} MW")


def times_in_order(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, LevelRedeclaration | BidOfferAcceptance):
        for index in profile.unordered(message.levels):
            started = message.levels[index].time_from
            yield fault(("levels", index, "time_from"), started, "times are not in order")


def not_too_old(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, LevelRedeclaration) and message.levels:
        start = message.levels[0].time_from
        if start < now - EARLIEST_START:
            text = "starts more than 5 minutes before receipt"
            yield fault(("levels", 0, "time_from"), start, text)


def rates_in_range(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, RateRedeclaration):
        for index, step in enumerate(message.rates):
            if not RATE_RANGE[0] <= step.rate <= RATE_RANGE[1]:
                text = "outside 0.1 to 999.9 MW/min"
                yield fault(("rates", index, "rate"), step.rate, text)


def elbows_in_range(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, RateRedeclaration):
        for index, step in enumerate(message.rates):
            low, high = LEVEL_RANGE
            if step.from_mw is not None and not low <= step.from_mw <= high:
                text = "outside -9999 to 9999 MW"
                yield fault(("rates", index, "from_mw"), step.from_mw, text)


def elbows_in_order(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if not isinstance(message, RateRedeclaration):
        return
    rising = message.parameter in (RateParameter.RURE, RateParameter.RURI)
    elbows = [(i, s.from_mw) for i, s in enumerate(message.rates) if s.from_mw is not None]
    for (_, before), (index, after) in pairwise(elbows):
        if (after <= before) if rising else (after >= before):
            text = f"elbows of {message.parameter} must {'rise' if rising else 'fall'}"
            yield fault(("rates", index, "from_mw"), after, text)


def elbow_for_each_next_rate(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, RateRedeclaration):
        for index, step in enumerate(message.rates):
            if (step.from_mw is None) != (index == 0):
                text = "an elbow stands where, and only where, a further rate is given"
                yield fault(("rates", index, "from_mw"), step.from_mw, text)


def scalar_in_range(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, ScalarRedeclaration):
        low, high = SCALAR_RANGE[message.parameter]
        if not low <= message.value <= high:
            yield fault(("value",), message.value, f"{message.parameter} is {low} to {high}")


def acceptance_joined(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, BidOfferAcceptance):
        for index in profile.unjoined(message.levels):
            started = message.levels[index].time_from
            text = "a segment must start when the one before it ends"
            yield fault(("levels", index, "time_from"), started, text)


def acceptance_not_backdated(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if isinstance(message, BidOfferAcceptance) and message.levels:
        start = message.levels[0].time_from
        if start < message.accepted_at:
            yield fault(("levels", 0, "time_from"), start, "starts before the acceptance time")


def ancillary_times(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if not isinstance(message, AncillaryInstruction) or message.time_to is None:
        return
    if message.time_from >= message.time_to:
        yield fault(("time_to",), message.time_to, "not after the start")


def ancillary_target(message: BmMessage, now: datetime) -> Iterator[Fault]:
    if not isinstance(message, AncillaryInstruction) or message.target_mw is None:
        return
    if not LEVEL_RANGE[0] <= message.target_mw <= LEVEL_RANGE[1]:
        yield fault(("target_mw",), message.target_mw, "outside -9999 to 9999 MW")


def _negative(segment: Segment) -> Iterator[str]:
    yield from (f for f in ("level_from", "level_to") if getattr(segment, f) < 0)


def _positive(segment: Segment) -> Iterator[str]:
    yield from (f for f in ("level_from", "level_to") if getattr(segment, f) > 0)
