"""Finds the newer redeclaration that makes one that was kept back superfluous. What becomes of that
is in `verdicts`.

Only what has been kept back is looked at, so that traffic that flows costs no statement: it is sent
as it comes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import connection

from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    Redeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.superseding import replaces
from messaging.protocols.base import RemoteProtocolError, UnknownProfile
from messaging.protocols.neso.settings import NEVER, SAME
from messaging.relay import deadlines
from messaging.relay.attempts import may_have_been_taken
from messaging.relay.codecs import read_loaded
from messaging.relay.load import LoadedDelivery, load
from messaging.relay.parts import part_for
from messaging.relay.settings import operator_settings
from messaging.states import Lane
from tenants.audit.bodies import BodyGone

_KINDS: Final = frozenset({*LevelParameter, *RateParameter, *ScalarParameter})
_MOST: Final = 20
"""Newer ones that are read; where none of these will do, the older one is sent."""

_NEWER: Final = """
SELECT d.id FROM messaging_delivery d JOIN messaging_message m ON m.id = d.message_id
WHERE d.endpoint_id = %s AND d.queue = %s AND d.state IN ('PENDING', 'CLAIMED', 'HELD')
    AND d.position > %s AND m.kind = %s AND d.deadline > %s
ORDER BY d.position DESC LIMIT %s
"""


def find_newer(row: LoadedDelivery, at: datetime) -> LoadedDelivery | None:
    """Of the delivery whose turn it is, with its queue locked. Never where the operator may have
    had it: then it goes again as it was. Raises BadSettings.
    """
    if not _was_kept_back(row, at):
        return None
    how = operator_settings(row.endpoint.settings).supersede
    if how == NEVER or may_have_been_taken(row.id, row.attempts):
        return None
    newer = _newer_of_its_kind(row, at)
    older = _said(row) if newer else None
    if older is None:
        return None
    return next(
        (
            one
            for one in newer
            if (said := _said(one)) and replaces(said, older, at, wholly=how == SAME)
        ),
        None,
    )


def _was_kept_back(row: LoadedDelivery, at: datetime) -> bool:
    if row.lane != Lane.OPERATOR or row.message.kind not in _KINDS:
        return False
    return row.held_at is not None or at - row.created_at >= deadlines.KEPT_BACK


def _newer_of_its_kind(row: LoadedDelivery, at: datetime) -> list[LoadedDelivery]:
    """The newest first."""
    values: list[Any] = [row.endpoint_id, row.queue, row.position, row.message.kind, at, _MOST]
    with connection.cursor() as cursor:
        cursor.execute(_NEWER, values)
        ids = [found[0] for found in cursor.fetchall()]
    return [one for one in map(load, ids) if one is not None]


def _said(row: LoadedDelivery) -> Redeclaration | None:
    """None where it can't be read: then it replaces nothing, and nothing replaces it."""
    try:
        said = part_for(row, read_loaded(row.message))
    except (BodyGone, RemoteProtocolError, UnknownProfile):
        return None
    if isinstance(said, LevelRedeclaration | RateRedeclaration | ScalarRedeclaration):
        return said
    return None
