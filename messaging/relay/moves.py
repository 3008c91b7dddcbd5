"""Moves a delivery from state to state, and says in the same statement when it next wants a hand.

What may become what is the table in messaging.states; a move that it does not know is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db import connection

from messaging.states import MOVES, DeliveryState
from tenants.scope import require_tenant


class Wanting(Enum):
    """What a move does to the row that says when the delivery is due, other than naming a time."""

    NO_MORE = "no more"
    AS_BEFORE = "as before"


_LOCK_QUEUE = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
NO_MORE: Final = Wanting.NO_MORE
AS_BEFORE: Final = Wanting.AS_BEFORE

_DUE = {
    NO_MORE: """
WITH due AS (
    DELETE FROM messaging_due WHERE delivery_id = %(id)s AND tenant_id = %(tenant)s
)""",
    AS_BEFORE: "",
}
_DUE_AT = """
WITH due AS (
    UPDATE messaging_due SET due_at = %(due_at)s, owner = NULL, parked_by = NULL
    WHERE delivery_id = %(id)s AND tenant_id = %(tenant)s
)"""


class ImpossibleMove(RuntimeError):
    """A delivery can't become this from what it is: a bug, for whoever moves it has it locked."""


def move(
    delivery_id: UUID,
    state: DeliveryState,
    changes: Mapping[str, Any],
    wanting: datetime | Wanting,
) -> None:
    """Moves it and sets columns; it next wants a hand at `wanting`. Raises ImpossibleMove."""
    due_at = wanting if isinstance(wanting, datetime) else None
    values = {
        **changes,
        "id": delivery_id,
        "tenant": require_tenant(),
        "state": state.value,
        "origins": _origins(state),
        "due_at": due_at,
    }
    due = _DUE[wanting] if isinstance(wanting, Wanting) else _DUE_AT
    with connection.cursor() as cursor:
        cursor.execute(_statement(due, tuple(changes)), values)
        if cursor.rowcount != 1:
            raise ImpossibleMove(f"{delivery_id} does not become {state.value}")


def lock_queue(endpoint_id: UUID, queue: str) -> None:
    """Claims and settlements of one queue come one after the other, so that the next in it is never
    overlooked. Held until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_QUEUE, [f"{endpoint_id} {queue}"])


@lru_cache(maxsize=64)
def _statement(due: str, columns: tuple[str, ...]) -> str:
    """Column names are this package's own words."""
    settings = "".join(f", {column} = %({column})s" for column in columns)
    return (
        f"{due} UPDATE messaging_delivery SET state = %(state)s{settings}"  # noqa: S608
        " WHERE id = %(id)s AND state = ANY(%(origins)s)"
    )


@lru_cache(maxsize=16)
def _origins(state: DeliveryState) -> list[str]:
    """From which states it may come; staying what it is, is no move and always allowed."""
    return [state.value, *(origin.value for origin, ways in MOVES.items() if state in ways)]
