"""Keeps what is in force of each BM unit: what the system operator has accepted of its
redeclarations and submissions, for judging acceptances and watching gates.

It is changed in the transaction that settles a delivery as accepted, so it never says more than
the operator has agreed to. What was said and is not accepted (on its way, refused, expired) makes a
doubt, since the plant may be no more able than it says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from messaging.domain.declared import Dated, with_dated, with_levels, with_pairs
from messaging.domain.messages import BmMessage
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    Redeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    Submission,
)
from messaging.relay import declared_form as form
from messaging.relay.codecs import read_loaded
from messaging.relay.in_force import JUDGED
from messaging.relay.load import LoadedDelivery
from messaging.relay.parts import part_for, unit_for
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import new_id
from tenants.scope import require_tenant

_KINDS: Final = frozenset({*LevelParameter, *RateParameter, *ScalarParameter, "SUBMISSION"})

_AT_ONCE = 2_000
"""Rows that one statement locks or writes."""

_LOCK = """
SELECT d.bm_unit, d.parameter, d.content::text, d.position, d.doubt, d.doubt_position
FROM messaging_declared d JOIN unnest(%s::text[], %s::text[]) AS w (bm_unit, parameter)
    ON d.bm_unit = w.bm_unit AND d.parameter = w.parameter
WHERE d.tenant_id = %s ORDER BY d.bm_unit, d.parameter FOR UPDATE OF d
"""
_ADD = """
INSERT INTO messaging_declared (
    id, tenant_id, bm_unit, parameter, content, position, doubt, doubt_position, covered)
SELECT id, %s, bm_unit, parameter, '[]', 0, '', 0, '{}'
FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS w (id, bm_unit, parameter)
ON CONFLICT (tenant_id, bm_unit, parameter) DO NOTHING
"""
_WRITE = """
UPDATE messaging_declared d SET content = w.content::jsonb, covered = w.covered::tstzmultirange,
    position = w.position, doubt = w.doubt, declared_at = %s
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[])
    AS w (bm_unit, parameter, content, covered, position, doubt)
WHERE d.tenant_id = %s AND d.bm_unit = w.bm_unit AND d.parameter = w.parameter
"""
_DOUBT = """
INSERT INTO messaging_declared AS d (
    id, tenant_id, bm_unit, parameter, content, position, doubt, doubt_position, covered)
VALUES (%s, %s, %s, %s, '[]', 0, %s, %s, '{}')
ON CONFLICT (tenant_id, bm_unit, parameter) DO UPDATE
SET doubt = EXCLUDED.doubt, doubt_position = EXCLUDED.doubt_position
WHERE d.position <= EXCLUDED.doubt_position AND d.doubt_position < EXCLUDED.doubt_position
"""
_OWN_UNITS = """
SELECT u.name FROM tenants_bmunit u JOIN tenants_endpoint e ON e.id = u.control_point_id
WHERE u.tenant_id = %s AND e.environment = %s AND u.name = ANY(%s)
"""

_log = structlog.get_logger(__name__)

Key = tuple[str, str]
"""A BM unit's name and a parameter's."""


@dataclass(slots=True)
class _Row:
    """What is held, which is written anew where something was `said`."""

    content: list[Any]
    position: int
    doubt: str
    doubt_position: int
    covered: str = ""


def note_accepted(row: LoadedDelivery, at: datetime) -> None:
    """The operator has accepted what this delivery is of. Its position says which of two
    declarations was made later, whichever of them was accepted first.

    A redeclaration holds from when it was made; of a submission, each record from when it says.
    A fault here never costs the delivery its settlement, for it would be sent again and again.
    """
    if row.message.kind not in _KINDS:
        return
    try:
        _note(row, at)
    except DatabaseError:
        raise
    except Exception as error:
        _log.exception("what was accepted is not kept", delivery=str(row.id))
        text = f"was accepted and could not be kept: {type(error).__name__}"
        doubt(row, text)
        detail = {"alarm": f"the {row.message.kind} {text}"}
        ledger.record(Fact(Event.ALARMED, at, row.message_id, row.id, detail=detail))


def _note(row: LoadedDelivery, at: datetime) -> None:
    message = _said_by(row)
    if isinstance(message, Submission):
        apply_submission(message, row.endpoint.environment, row.position, at)
    elif isinstance(message, LevelRedeclaration | RateRedeclaration | ScalarRedeclaration):
        apply_redeclaration(message, row.position, row.message.received_at, at)


def apply_redeclaration(
    message: Redeclaration, position: int, made_at: datetime, at: datetime
) -> None:
    """Market times are whole minutes: what is said within one holds from its start."""
    made_at = made_at.replace(second=0, microsecond=0)
    key = message.bm_unit, str(message.parameter)
    rows = _locked([key])
    _apply_message(rows[key], key[1], message, position, made_at, at)
    _write(rows, at)


def apply_submission(submission: Submission, environment: str, position: int, at: datetime) -> None:
    """Of records of BM units of the tenant's in this environment; a unit that is not there any more
    has nothing in force.
    """
    groups: dict[Key, list[Record]] = {}
    for record in submission.records:
        groups.setdefault((record.bm_unit, record.type), []).append(record)
    own = _own_units({unit for unit, _ in groups}, environment)
    keys = sorted(key for key in groups if key[0] in own)
    for begin in range(0, len(keys), _AT_ONCE):
        rows = _locked(keys[begin : begin + _AT_ONCE])
        for key, row in rows.items():
            _apply_records(row, key[1], groups[key], position, at)
        _write(rows, at)


def doubt(row: LoadedDelivery, text: str) -> None:
    """What was redeclared was not accepted: nobody knows what holds until it is declared anew."""
    kind = row.message.kind
    if kind not in JUDGED:
        return
    told = f"the {kind} of {row.message.received_at:%H:%M:%S} {text}"[:200]
    values = (new_id(), require_tenant(), unit_for(row), kind, told, row.position)
    with connection.cursor() as cursor:
        cursor.execute(_DOUBT, values)


def _said_by(row: LoadedDelivery) -> BmMessage:
    messages = read_loaded(row.message)
    return messages[0] if len(messages) == 1 else part_for(row, messages)


def _apply_message(
    row: _Row, parameter: str, message: Redeclaration, order: int, made_at: datetime, at: datetime
) -> None:
    match message:
        case LevelRedeclaration():
            _apply_levels(row, parameter, message.levels, order, at)
        case RateRedeclaration():
            _apply_rates(row, [Dated(made_at, order, message.rates)], at)
        case ScalarRedeclaration():
            _apply_values(row, [Dated(made_at, order, message.value)], at)
    _said(row, order)


def _apply_records(
    row: _Row, parameter: str, records: list[Record], order: int, at: datetime
) -> None:
    """Records of one type."""
    levels = [
        Segment(one.time_from, one.level_from, one.time_to, one.level_to)
        for one in records
        if isinstance(one, LevelRecord)
    ]
    pairs = [one for one in records if isinstance(one, BidOfferRecord)]
    if levels:
        _apply_levels(row, parameter, levels, order, at)
    elif pairs:
        spells = with_pairs(form.read_pairs(row.content), pairs, order, at)
        row.content, row.covered = form.write_pairs(spells), form.covered_by_spells(spells)
    else:
        rates = [one for one in records if isinstance(one, RateRecord)]
        values = [one for one in records if isinstance(one, ScalarRecord)]
        if rates:
            _apply_rates(row, [Dated(one.effective_time, order, one.rates) for one in rates], at)
        if values:
            _apply_values(row, [Dated(one.effective_time, order, one.value) for one in values], at)
    _said(row, order)


def _apply_levels(
    row: _Row, parameter: str, levels: Iterable[Segment], order: int, at: datetime
) -> None:
    spells = with_levels(form.read_levels(row.content), parameter, levels, order, at)
    row.content, row.covered = form.write_levels(spells), form.covered_by_spells(spells)


def _apply_rates(row: _Row, said: list[Dated[Any]], at: datetime) -> None:
    held = form.read_rates(row.content)
    for one in said:
        held = with_dated(held, one, at)
    row.content, row.covered = form.write_rates(held), form.covered_by_dated(held)


def _apply_values(row: _Row, said: list[Dated[int]], at: datetime) -> None:
    held = form.read_values(row.content)
    for one in said:
        held = with_dated(held, one, at)
    row.content, row.covered = form.write_values(held), form.covered_by_dated(held)


def _said(row: _Row, order: int) -> None:
    row.position = max(row.position, order)
    if row.position > row.doubt_position:
        row.doubt = ""


def _locked(keys: list[Key]) -> dict[Key, _Row]:
    """The rows of these, made where there are none, and locked in one order for all."""
    found = _lock(keys)
    missing = [key for key in keys if key not in found]
    if missing:
        ids = [new_id() for _ in missing]
        units, parameters = (list(names) for names in zip(*missing, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [require_tenant(), ids, units, parameters])
        found = _lock(keys)
    return found


def _lock(keys: list[Key]) -> dict[Key, _Row]:
    units, parameters = (list(names) for names in zip(*keys, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [units, parameters, require_tenant()])
        return {
            (unit, parameter): _Row(json.loads(content), *rest)
            for unit, parameter, content, *rest in cursor.fetchall()
        }


def _write(rows: dict[Key, _Row], at: datetime) -> None:
    if not rows:
        return
    columns: list[Callable[[Key, _Row], object]] = [
        lambda key, _: key[0],
        lambda key, _: key[1],
        lambda _, row: json.dumps(row.content, separators=(",", ":")),
        lambda _, row: row.covered,
        lambda _, row: row.position,
        lambda _, row: row.doubt,
    ]
    values = [[column(*one) for one in rows.items()] for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [at, *values, require_tenant()])


def _own_units(names: set[str], environment: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_OWN_UNITS, [require_tenant(), environment, sorted(names)])
        return {row[0] for row in cursor.fetchall()}
