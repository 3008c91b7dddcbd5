"""The numbers of trading agents' submissions: which is expected next, and how a person sets it."""

from __future__ import annotations

from django.db import connection

from messaging.models import AgentSequence
from messaging.protocols.edt.names import last_number, number_text
from messaging.relay.trading_points import TradingPoint
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.ids import new_id
from tenants.scope import require_tenant

_OPEN = """
INSERT INTO messaging_agentsequence (id, tenant_id, endpoint_id, agent, expected)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_LOCK = """
SELECT expected FROM messaging_agentsequence WHERE endpoint_id = %s AND agent = %s FOR UPDATE
"""


class BadNumber(ValueError):
    """Not a number that a submission can bear, or not an agent that the tenant speaks as."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def lock(point: TradingPoint, agent: str) -> int:
    """The number expected of an agent; nobody else takes or sets one until the transaction ends."""
    first = point.settings.first_sequence
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [new_id(), require_tenant(), point.endpoint_id, agent, first])
        cursor.execute(_LOCK, [point.endpoint_id, agent])
        row = cursor.fetchone()
    assert row is not None, "it was made before it was locked"
    return int(row[0])


def expect(point: TradingPoint, agent: str, number: int) -> None:
    """The next number, once the one before it was taken; whoever says so has it locked."""
    AgentSequence.objects.filter(endpoint_id=point.endpoint_id, agent=agent).update(expected=number)


def expected(point: TradingPoint) -> dict[str, int]:
    """Of each agent that is known at the trading point."""
    rows = AgentSequence.objects.filter(endpoint_id=point.endpoint_id)
    return {point.agent: point.settings.first_sequence} | dict(
        rows.values_list("agent", "expected")
    )


def set_next(point: TradingPoint, agent: str, number: int, *, reason: str, by: str) -> int:
    """A person says which number comes next; gives the one that was expected. Both are told in the
    audit log. Raises BadNumber.

    A number that was taken before is then taken as a new one, whatever came under it.
    """
    names = point.profile.names
    if not point.agent or agent != point.agent:
        raise BadNumber("agent", "not a trading agent of the tenant's")
    if not names.first <= number <= last_number(names):
        text = f"not a number from {names.first} to {last_number(names)}"
        raise BadNumber("next", text)
    before = lock(point, agent)
    expect(point, agent, number)
    detail = {
        "endpoint": point.endpoint_id,
        "agent": agent,
        "previous": number_text(names, before),
        "next": number_text(names, number),
        "reason": reason,
        "by": by,
    }
    ledger.record(Fact(Event.SEQUENCE_SET, now(), detail=detail))
    return before
