"""The rules for levels, rates and single values that redeclarations and submissions share; units in
domain words: MW, minutes, GBP/MWh."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from messaging.simulator.checks.fields import Fields
from messaging.simulator.checks.findings import Code

MW = 9999
RATE_LOW, RATE_HIGH = Decimal("0.1"), Decimal("999.9")

# Lowest and highest level in MW of each level parameter.
LEVELS: dict[str, tuple[int, int]] = {
    "PN": (-MW, MW),
    "QPN": (-MW, MW),
    "MEL": (0, MW),
    "MIL": (-MW, 0),
    "MDO": (0, MW),
    "MDB": (-MW, 0),
}
RATES = frozenset({"RURE", "RURI", "RDRE", "RDRI"})
_RUN_UP = frozenset({"RURE", "RURI"})
# Minutes, but SEL and SIL in MW and MDV in MWh.
SCALARS: dict[str, tuple[int, int]] = {
    "NDZ": (0, 999),
    "NTO": (0, 99999),
    "NTB": (0, 99999),
    "MZT": (0, 999),
    "MNZT": (0, 999),
    "SEL": (0, 9999),
    "SIL": (-MW, MW),
    "MDV": (-MW, MW),
    "MDP": (0, 999),
}


@dataclass(frozen=True, slots=True)
class Span:
    """One group of a series that is whole: from < to."""

    fields: Fields
    begin: datetime
    end: datetime


def read_span(fields: Fields) -> Span | None:
    begin, end = fields.market_time("timeFrom"), fields.market_time("timeTo")
    if begin is None or end is None:
        return None
    if begin >= end:
        fields.note("timeTo", Code.ORDER, "not after timeFrom")
        return None
    return Span(fields, begin, end)


def read_group(fields: Fields, parameter: str) -> Span | None:
    low, high = LEVELS[parameter]
    fields.integer("levelFrom", low, high)
    fields.integer("levelTo", low, high)
    return read_span(fields)


def check_order(spans: Iterable[Span | None]) -> None:
    """No group starts before the one before it ends; gaps are allowed."""
    last: datetime | None = None
    for span in spans:
        if span is None:
            continue
        if last is not None and span.begin < last:
            span.fields.note("timeFrom", Code.ORDER, "before the end of the group before it")
        last = span.end


def check_elbows(parameter: str, elbows: Iterable[tuple[Fields, str, int]]) -> None:
    """Elbows rise for a run-up rate and fall for a run-down rate."""
    last: int | None = None
    rising = parameter in _RUN_UP
    for fields, name, elbow in elbows:
        if last is not None and (elbow <= last if rising else elbow >= last):
            fields.note(name, Code.RANGE, "elbows rise for run-up rates and fall for run-down")
        last = elbow
