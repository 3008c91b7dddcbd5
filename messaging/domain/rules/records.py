"""What is held against each record of a submission by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final

from messaging.domain.clock import (
    is_half_hour,
    is_operational_day_start,
    last_gate_closed,
    next_operational_day_start,
)
from messaging.domain.redeclarations import RateParameter
from messaging.domain.rules.base import (
    LEVEL_RANGE,
    PRICE_RANGE,
    RATE_RANGE,
    SCALAR_RANGE,
    Fault,
    fault,
)
from messaging.domain.rules.filed import MOST_PAIRS, Filed
from messaging.domain.submissions import BidOfferRecord, RateRecord, SeriesParameter

_LOW, _HIGH = LEVEL_RANGE
_LEVELS: Final = ("level_from", "level_to")
_NEVER_NEGATIVE: Final = (SeriesParameter.MEL, SeriesParameter.MDO)
_NEVER_POSITIVE: Final = (SeriesParameter.MIL, SeriesParameter.MDB)
_RISING: Final = (RateParameter.RURE, RateParameter.RURI)


def at(index: int, name: str) -> tuple[str | int, ...]:
    return ("records", index, name)


def minute(moment: datetime) -> str:
    """As a file writes it."""
    return moment.replace(tzinfo=None).isoformat(" ", "minutes")


def of_known_units(filed: Filed) -> Iterator[Fault]:
    units = filed.units
    if units is None:
        return
    for index, record in enumerate(filed.records):
        if record.bm_unit not in units:
            yield fault(at(index, "bm_unit"), record.bm_unit, "unknown or not yours")


def levels_in_range(filed: Filed) -> Iterator[Fault]:
    low, high = LEVEL_RANGE
    for index, record in filed.spans:
        if not (low <= record.level_from <= high and low <= record.level_to <= high):
            for name in _LEVELS:
                level = getattr(record, name)
                if not low <= level <= high:
                    yield fault(at(index, name), level, "outside -9999 to 9999 MW")


def level_signs(filed: Filed) -> Iterator[Fault]:
    for index, record in filed.levels:
        kind = record.parameter
        if kind in _NEVER_NEGATIVE and (record.level_from < 0 or record.level_to < 0):
            names = [name for name in _LEVELS if getattr(record, name) < 0]
        elif kind in _NEVER_POSITIVE and (record.level_from > 0 or record.level_to > 0):
            names = [name for name in _LEVELS if getattr(record, name) > 0]
        else:
            continue
        bound = "at least" if kind in _NEVER_NEGATIVE else "at most"
        for name in names:
            yield fault(at(index, name), getattr(record, name), f"{kind} is {bound} 0 MW")


def times_run_forwards(filed: Filed) -> Iterator[Fault]:
    for index, record in filed.spans:
        if record.time_from >= record.time_to:
            yield fault(at(index, "time_to"), minute(record.time_to), "not after the start")


def notifications_not_late(filed: Filed) -> Iterator[Fault]:
    earliest = last_gate_closed(filed.now)
    for series in filed.notifications:
        for index, record in series:
            if record.time_from >= earliest:
                break
            text = f"before {minute(earliest)}, where the last gate-closed period starts"
            yield fault(at(index, "time_from"), minute(record.time_from), text)


def notifications_within_capacity(filed: Filed) -> Iterator[Fault]:
    for series in filed.notifications if filed.units else ():
        capacity = (filed.units or {}).get(series[0][1].bm_unit)
        if capacity is None:
            continue
        for index, record in series:
            if record.level_from > capacity or record.level_to > capacity:
                name = "level_from" if record.level_from > capacity else "level_to"
                text = f"above the registered capacity of {capacity} MW"
                yield fault(at(index, name), getattr(record, name), text)


def pair_numbers(filed: Filed) -> Iterator[Fault]:
    for index, record in filed.pairs:
        if not 1 <= abs(record.pair_number) <= MOST_PAIRS:
            text = "not one of -5 to -1 and 1 to 5"
            yield fault(at(index, "pair_number"), record.pair_number, text)


def pairs_on_boundaries(filed: Filed) -> Iterator[Fault]:
    text = "not on a settlement-period boundary"
    for index, record in filed.pairs:
        if record.time_from.minute % 30 or record.time_to.minute % 30:
            for name in ("time_from", "time_to"):
                moment = getattr(record, name)
                if not is_half_hour(moment):
                    yield fault(at(index, name), minute(moment), text)


def pair_level_signs(filed: Filed) -> Iterator[Fault]:
    for index, record in filed.pairs:
        for name in _on_wrong_side(record):
            text = f"pair {record.pair_number} has levels of at {_bound(record)} 0 MW"
            yield fault(at(index, name), getattr(record, name), text)


def _on_wrong_side(record: BidOfferRecord) -> tuple[str, ...]:
    first, last = record.level_from, record.level_to
    if record.pair_number > 0:
        if first >= 0 and last >= 0:
            return ()
        return tuple(name for name in _LEVELS if getattr(record, name) < 0)
    if record.pair_number == 0 or (first <= 0 and last <= 0):
        return ()
    return tuple(name for name in _LEVELS if getattr(record, name) > 0)


def _bound(record: BidOfferRecord) -> str:
    return "least" if record.pair_number > 0 else "most"


def prices_in_range(filed: Filed) -> Iterator[Fault]:
    low, high = PRICE_RANGE
    for index, record in filed.pairs:
        if not (low <= record.offer_price <= high and low <= record.bid_price <= high):
            for name in ("offer_price", "bid_price"):
                price = getattr(record, name)
                if not low <= price <= high:
                    yield fault(at(index, name), price, f"outside {low} to {high} GBP/MWh")


def offers_not_below_bids(filed: Filed) -> Iterator[Fault]:
    for index, record in filed.pairs:
        if record.offer_price < record.bid_price:
            text = f"below the bid price {record.bid_price}"
            yield fault(at(index, "offer_price"), record.offer_price, text)


def rates_in_range(filed: Filed) -> Iterator[Fault]:
    low, high = RATE_RANGE
    for index, record in filed.rates:
        for name in ("rate1", "rate2", "rate3"):
            rate: Decimal | None = getattr(record, name)
            if rate is not None and not low <= rate <= high:
                yield fault(at(index, name), rate, "outside 0.1 to 999.9 MW/min")


def elbows_in_range(filed: Filed) -> Iterator[Fault]:
    for index, record in filed.rates:
        for name in ("elbow2", "elbow3"):
            elbow: int | None = getattr(record, name)
            if elbow is not None and not _LOW <= elbow <= _HIGH:
                yield fault(at(index, name), elbow, "outside -9999 to 9999 MW")


def elbows_in_order(filed: Filed) -> Iterator[Fault]:
    for index, record in filed.rates:
        if record.elbow2 is None or record.elbow3 is None:
            continue
        rising = record.parameter in _RISING
        if record.elbow3 <= record.elbow2 if rising else record.elbow3 >= record.elbow2:
            text = f"elbows of {record.parameter} must {'rise' if rising else 'fall'}"
            yield fault(at(index, "elbow3"), record.elbow3, text)


def elbow_for_each_next_rate(filed: Filed) -> Iterator[Fault]:
    text = "an elbow stands where, and only where, a further rate is given"
    for index, record in filed.rates:
        for name in _lonely(record):
            value = getattr(record, name)
            yield fault(at(index, name), "" if value is None else value, text)


def _lonely(record: RateRecord) -> Iterator[str]:
    """Fields that lack their other half, or that stand where the step before them is missing."""
    if (record.elbow2 is None) != (record.rate2 is None):
        yield "elbow2"
    if (record.elbow3 is None) != (record.rate3 is None):
        yield "elbow3"
    elif record.rate3 is not None and record.rate2 is None:
        yield "rate3"


def scalars_in_range(filed: Filed) -> Iterator[Fault]:
    for index, record in filed.scalars:
        low, high = SCALAR_RANGE[record.parameter]
        if not low <= record.value <= high:
            yield fault(at(index, "value"), record.value, f"{record.parameter} is {low} to {high}")


def effective_times(filed: Filed) -> Iterator[Fault]:
    good: set[datetime] = set()
    for index, record in filed.dynamics:
        moment = record.effective_time
        if moment in good:
            continue
        # First whether it is to come: the calendar has no day before the first.
        if moment > filed.now and is_operational_day_start(moment):
            good.add(moment)
            continue
        first = minute(next_operational_day_start(filed.now))
        text = f"not the start of a future operational day; the next is {first}"
        yield fault(at(index, "effective_time"), minute(moment), text)
