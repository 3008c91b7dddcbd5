"""What is in force of a BM unit as it is kept (declared), and what throws doubt on it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from messaging.domain.declared import Declared, Pairs
from messaging.domain.redeclarations import RateParameter, ScalarParameter
from messaging.domain.submissions import SeriesParameter
from messaging.relay import declared_form as form
from tenants.scope import require_tenant

JUDGED: Final = (
    *(SeriesParameter.PN, SeriesParameter.MEL, SeriesParameter.MIL),
    *RateParameter,
    *(ScalarParameter.NDZ, ScalarParameter.MZT, ScalarParameter.MNZT),
)
"""What an acceptance is held against."""


_READ = """
SELECT d.parameter, d.content::text, d.doubt FROM messaging_declared d
WHERE d.tenant_id = %s AND d.bm_unit = %s AND d.parameter = ANY(%s)
"""
_ON_ITS_WAY = """
SELECT m.kind, m.received_at FROM (
    SELECT message_id FROM messaging_delivery
    WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND queue = %(queue)s
        AND state IN ('PENDING', 'CLAIMED', 'HELD')
    UNION ALL
    SELECT message_id FROM messaging_delivery
    WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND queue = %(queue)s
        AND lane = 'operator' AND state = 'DELIVERED' AND deadline > %(at)s
) w JOIN messaging_message m ON m.id = w.message_id
WHERE m.kind = ANY(%(kinds)s) ORDER BY m.received_at LIMIT 1
"""


def read(bm_unit: str, parameters: Iterable[str] = JUDGED) -> Declared:
    """What is in force of a unit, with the doubts about it."""
    levels, rates, values = {}, {}, {}
    pairs: Pairs = ()
    doubts: list[str] = []
    with connection.cursor() as cursor:
        names = [str(parameter) for parameter in parameters]
        cursor.execute(_READ, [require_tenant(), bm_unit, names])
        for parameter, content, doubted in cursor.fetchall():
            held = json.loads(content)
            if doubted:
                doubts.append(doubted)
            if form.is_levels(parameter):
                levels[parameter] = form.read_levels(held)
            elif form.is_rates(parameter):
                rates[parameter] = form.read_rates(held)
            elif form.is_value(parameter):
                values[parameter] = form.read_values(held)
            elif form.is_pairs(parameter):
                pairs = form.read_pairs(held)
    return Declared(levels, rates, values, pairs, tuple(doubts))


def find_on_its_way(operator_id: UUID, bm_unit: str, at: datetime) -> str:
    """What is told of a redeclaration that the operator has not decided on yet; else nothing."""
    values: dict[str, Any] = {
        "tenant": require_tenant(),
        "endpoint": operator_id,
        "queue": bm_unit,
        "at": at,
        "kinds": [str(parameter) for parameter in JUDGED],
    }
    with connection.cursor() as cursor:
        cursor.execute(_ON_ITS_WAY, values)
        found = cursor.fetchone()
    return f"the {found[0]} of {found[1]:%H:%M:%S} is not accepted yet" if found else ""
