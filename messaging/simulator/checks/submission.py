"""The content of a submission: each record by its type, and level records of one unit not
overlapping."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from messaging.simulator.checks.fields import Fields
from messaging.simulator.checks.findings import Code
from messaging.simulator.checks.market import (
    LEVELS,
    MW,
    RATE_HIGH,
    RATE_LOW,
    RATES,
    SCALARS,
    Span,
    check_elbows,
    check_order,
    read_group,
    read_span,
)
from messaging.simulator.config import Tenant

_SPAN = ("timeFrom", "levelFrom", "timeTo", "levelTo")
_PAIR = ("pairNumber", "offerPrice", "bidPrice")
_CURVE = ("rate1", "elbow2", "rate2", "elbow3", "rate3")
_OPTIONAL = frozenset(_SPAN + _PAIR + _CURVE + ("effectiveTime", "value"))
_PRICE = Decimal("99999.99")


def _members_of(type_: str) -> frozenset[str]:
    if type_ == "BOD":
        return frozenset(_SPAN + _PAIR)
    if type_ in LEVELS:
        return frozenset(_SPAN)
    return frozenset((*_CURVE, "effectiveTime") if type_ in RATES else ("effectiveTime", "value"))


_FOREIGN = {
    type_: tuple(sorted(_OPTIONAL - _members_of(type_)))
    for type_ in ("BOD", *LEVELS, *sorted(RATES), *SCALARS)
}


def check_submission(fields: Fields, tenant: Tenant) -> None:
    agent = fields.text("tradingAgent")
    if agent is not None and agent != tenant.trading_agent:
        fields.note("tradingAgent", Code.NOT_YOURS, "not this tenant's trading agent")
    fields.integer("sequence", 1, 999_999)
    series: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
    for record in fields.objects("records"):
        _check_record(record, tenant, series)
    for spans in series.values():
        spans.sort(key=_begin)
        check_order(spans)


def _begin(span: Span) -> datetime:
    return span.begin


def _check_record(
    record: Fields, tenant: Tenant, series: defaultdict[tuple[str, str], list[Span]]
) -> None:
    unit = record.text("bmUnit")
    if unit is not None and unit not in tenant.bm_units:
        record.note("bmUnit", Code.NOT_YOURS, "unknown or not this tenant's BMU")
    type_ = record.one_of("type", _FOREIGN, Code.UNKNOWN_TYPE, "record type")
    if type_ is None:
        return
    record.absent(_FOREIGN[type_])
    if type_ in LEVELS:
        span = read_group(record, type_)
        if span is not None and unit is not None:
            series[type_, unit].append(span)
    elif type_ == "BOD":
        _check_pair(record)
    else:
        _check_dynamic(record, type_)


def _check_pair(record: Fields) -> None:
    span = read_span(record)
    if span is not None:
        _check_boundary(record, "timeFrom", span.begin)
        _check_boundary(record, "timeTo", span.end)
    pair = record.integer("pairNumber", -5, 5)
    if pair == 0:
        record.note("pairNumber", Code.RANGE, "pair 0 does not exist")
    low, high = (-MW if pair is None or pair < 0 else 0), (MW if pair is None or pair > 0 else 0)
    record.integer("levelFrom", low, high)
    record.integer("levelTo", low, high)
    offer = record.number("offerPrice", -_PRICE, _PRICE, 2)
    bid = record.number("bidPrice", -_PRICE, _PRICE, 2)
    if offer is not None and bid is not None and offer < bid:
        record.note("offerPrice", Code.RANGE, "below the bid price")


def _check_boundary(record: Fields, name: str, at: datetime) -> None:
    if at.minute % 30:
        record.note(name, Code.ORDER, "not on a settlement period boundary")


def _check_dynamic(record: Fields, type_: str) -> None:
    record.market_time("effectiveTime")
    if type_ in SCALARS:
        record.integer("value", *SCALARS[type_])
        return
    record.number("rate1", RATE_LOW, RATE_HIGH, 1)
    elbows = [_read_step(record, 2), _read_step(record, 3)]
    if elbows[1] is not None and elbows[0] is None:
        record.note("elbow3", Code.MALFORMED, "rate 3 without rate 2")
    check_elbows(type_, [elbow for elbow in elbows if elbow is not None])


def _read_step(record: Fields, number: int) -> tuple[Fields, str, int] | None:
    """An elbow where, and only where, the next rate is given."""
    elbow, rate = f"elbow{number}", f"rate{number}"
    if not record.has(elbow) and not record.has(rate):
        return None
    record.number(rate, RATE_LOW, RATE_HIGH, 1)
    value = record.integer(elbow, -MW, MW)
    return None if value is None else (record, elbow, value)
