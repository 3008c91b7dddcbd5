"""What is in force of a BM unit, as the API and the vendor's pages show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

from rest_framework import serializers

from messaging.domain.redeclarations import RateStep
from messaging.domain.spells import level_at
from messaging.domain.submissions import BOD
from messaging.models import Declared
from messaging.relay import declared_form as form

_THOUSANDTH = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Line:
    time_from: datetime
    level_from: Decimal
    time_to: datetime
    level_to: Decimal


@dataclass(frozen=True, slots=True)
class DatedRates:
    effective_time: datetime
    rates: tuple[RateStep, ...]


@dataclass(frozen=True, slots=True)
class DatedValue:
    effective_time: datetime
    value: int


@dataclass(frozen=True, slots=True)
class DatedPair:
    time_from: datetime
    time_to: datetime
    pair_number: int
    level_from: int
    level_to: int
    offer_price: Decimal
    bid_price: Decimal


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; of the lists only the one that its kind has is filled."""

    parameter: str
    declared_at: datetime | None
    doubt: str
    levels: list[Line] = field(default_factory=list)
    rates: list[DatedRates] = field(default_factory=list)
    values: list[DatedValue] = field(default_factory=list)
    pairs: list[DatedPair] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class InForce:
    bm_unit: str
    at: datetime
    parameters: list[Parameter]


def in_force_of(bm_unit: str, at: datetime) -> InForce:
    """Within the scope of the unit's tenant: what holds at `at` and from then on."""
    rows = Declared.objects.filter(bm_unit=bm_unit).order_by("parameter")
    return InForce(bm_unit, at, [parameter_of(row, at) for row in rows])


def parameter_of(row: Declared, at: datetime) -> Parameter:
    told = Parameter(row.parameter, row.declared_at, row.doubt)
    if form.is_levels(row.parameter):
        for one in form.read_levels(row.content):
            if one.time_to > at:
                ends = (level_at(one.what, moment) for moment in (one.time_from, one.time_to))
                first, last = map(_decimal, ends)
                told.levels.append(Line(one.time_from, first, one.time_to, last))
    elif form.is_rates(row.parameter):
        told.rates.extend(DatedRates(d.effective, d.what) for d in form.read_rates(row.content))
    elif form.is_value(row.parameter):
        told.values.extend(DatedValue(d.effective, d.what) for d in form.read_values(row.content))
    elif row.parameter == BOD:
        told.pairs.extend(
            DatedPair(
                *(one.time_from, one.time_to, one.what.number),
                *(one.what.level_from, one.what.level_to),
                *(one.what.offer_price, one.what.bid_price),
            )
            for one in form.read_pairs(row.content)
            if one.time_to > at
        )
    return told


def _decimal(level: Fraction) -> Decimal:
    """To a thousandth: a line that was cut between whole minutes' levels may be at any fraction."""
    exact = Decimal(level.numerator) / Decimal(level.denominator)
    return exact.quantize(_THOUSANDTH, ROUND_HALF_EVEN)


def _mw(**more: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=9, decimal_places=3, **more)


class LineSerializer(serializers.Serializer[Line]):
    """A straight line, as far as nothing declared later covers it."""

    time_from = serializers.DateTimeField()
    level_from = _mw(help_text="MW.")
    time_to = serializers.DateTimeField()
    level_to = _mw(help_text="MW.")


class RateStepSerializer(serializers.Serializer[RateStep]):
    rate = serializers.DecimalField(max_digits=6, decimal_places=1, help_text="MW/min.")
    from_mw = serializers.IntegerField(allow_null=True, help_text="Null for the first.")


class DatedRatesSerializer(serializers.Serializer[DatedRates]):
    effective_time = serializers.DateTimeField()
    rates = RateStepSerializer(many=True)


class DatedValueSerializer(serializers.Serializer[DatedValue]):
    effective_time = serializers.DateTimeField()
    value = serializers.IntegerField()


class DatedPairSerializer(serializers.Serializer[DatedPair]):
    time_from = serializers.DateTimeField()
    time_to = serializers.DateTimeField()
    pair_number = serializers.IntegerField()
    level_from = serializers.IntegerField()
    level_to = serializers.IntegerField()
    offer_price = serializers.DecimalField(max_digits=9, decimal_places=2)
    bid_price = serializers.DecimalField(max_digits=9, decimal_places=2)


class ParameterSerializer(serializers.Serializer[Parameter]):
    """Of the lists, the one that the parameter's kind has is filled."""

    parameter = serializers.CharField(help_text="PN, MEL, BOD, RURE, NDZ, ...")
    declared_at = serializers.DateTimeField(
        allow_null=True, help_text="When the operator last accepted something of it."
    )
    doubt = serializers.CharField(
        help_text="What was said since and not accepted; empty where nothing was."
    )
    levels = LineSerializer(many=True)
    rates = DatedRatesSerializer(many=True)
    values = DatedValueSerializer(many=True)
    pairs = DatedPairSerializer(many=True)


class InForceSerializer(serializers.Serializer[InForce]):
    bm_unit = serializers.CharField()
    at = serializers.DateTimeField(help_text="What was over by then is left out.")
    parameters = ParameterSerializer(many=True)
