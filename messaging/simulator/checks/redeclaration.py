"""The content of a redeclaration: whose it is, and one of levels, value or rates as its parameter
wants."""

from __future__ import annotations

from messaging.simulator.checks.fields import Fields
from messaging.simulator.checks.findings import Code
from messaging.simulator.checks.market import (
    LEVELS,
    MW,
    RATE_HIGH,
    RATE_LOW,
    RATES,
    SCALARS,
    check_elbows,
    check_order,
    read_group,
)
from messaging.simulator.config import Tenant

PARAMETERS = frozenset((LEVELS.keys() | RATES | SCALARS.keys()) - {"PN", "QPN"})
_SHAPES = frozenset({"levels", "value", "rates"})


def read_control_point(fields: Fields, tenant: Tenant) -> str | None:
    name = fields.text("controlPoint")
    if name is not None and name not in tenant.control_points:
        fields.note("controlPoint", Code.NOT_YOURS, "unknown or not this tenant's control point")
        return None
    return name


def read_bm_unit(fields: Fields, tenant: Tenant, point: str | None) -> str | None:
    """Another tenant's unit is answered exactly as an unknown one."""
    unit = fields.text("bmUnit")
    if unit is None or point is None:
        return unit
    if unit not in tenant.control_points[point].bm_units:
        fields.note("bmUnit", Code.NOT_YOURS, "unknown or not this control point's BMU")
        return None
    return unit


def check_redeclaration(fields: Fields, tenant: Tenant) -> None:
    read_bm_unit(fields, tenant, read_control_point(fields, tenant))
    parameter = fields.one_of("parameter", PARAMETERS, Code.UNKNOWN_TYPE, "parameter")
    if parameter is None:
        return
    if parameter in LEVELS:
        shape = "levels"
        check_order([read_group(group, parameter) for group in fields.objects("levels")])
    elif parameter in RATES:
        shape = "rates"
        _check_rates(fields, parameter)
    else:
        shape = "value"
        fields.integer("value", *SCALARS[parameter])
    fields.absent(sorted(_SHAPES - {shape}))


def _check_rates(fields: Fields, parameter: str) -> None:
    items = list(fields.objects("rates"))
    if len(items) > 3:
        fields.note("rates", Code.RANGE, "more than three rates")
    elbows = []
    for index, item in enumerate(items):
        item.number("rate", RATE_LOW, RATE_HIGH, 1)
        elbow = _read_elbow(item, first=index == 0)
        if elbow is not None:
            elbows.append((item, "fromMw", elbow))
    check_elbows(parameter, elbows)


def _read_elbow(item: Fields, *, first: bool) -> int | None:
    if not first:
        return item.integer("fromMw", -MW, MW)
    if not item.has("fromMw"):
        item.note("fromMw", Code.MALFORMED, "required member is missing")
    elif not item.is_null("fromMw"):
        item.note("fromMw", Code.MALFORMED, "the first rate's elbow is null")
    return None
