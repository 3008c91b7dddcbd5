"""Where signed bytes were sent, as the audit chain tells it: some seals cover that as well."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID

from messaging.models import Message
from messaging.protocols.neso.seals import Target
from tenants.audit.events import Event
from tenants.audit.models import Entry

ANSWER: Final = "ANSWER"
"""What a seal names in the place of a method where it covers an answer."""
_USUAL: Final = "POST"
"""Of an entry that names no method."""
_LOOKED_AT: Final = 100
"""Entries of one delivery: what was signed last was sent last, or not long before."""


def find_target_in(row: Message) -> Target | None:
    """Of the signed form that a message came in."""
    for entry in _entries(row.tenant_id, Event.RECEIVED, message_id=row.id):
        verb, _, url = str(_detail(entry).get("to", "")).partition(" ")
        if url:
            return Target(verb, url)
    return None


def find_target_out(
    tenant_id: UUID, message_id: UUID, sent_id: UUID, digest: bytes | memoryview | None
) -> Target | None:
    """Of the signed form that `digest` names, of a delivery or of a batch of registrations, whose
    job stands in a message's place.
    """
    wanted = bytes(digest).hex() if digest is not None else ""
    entries = _entries(tenant_id, Event.SENDING, message_id=message_id, delivery_id=sent_id)
    for entry in entries.order_by("-seq")[:_LOOKED_AT]:
        record = json.loads(bytes(entry.record))
        detail = record["detail"]
        if record["digest"] == wanted and "url" in detail:
            return Target(detail.get("method", _USUAL), detail["url"])
    return None


def answer_to(sent: Target | None) -> Target | None:
    return Target(ANSWER, sent.url) if sent else None


def _entries(tenant_id: Any, event: Event, **which: Any) -> Any:
    """Along the index by message."""
    return Entry.objects.filter(tenant_id=tenant_id, event=event, **which)


def _detail(entry: Entry) -> dict[str, object]:
    detail: dict[str, object] = json.loads(bytes(entry.record))["detail"]
    return detail
