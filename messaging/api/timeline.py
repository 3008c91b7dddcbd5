"""All that is known of one message: its content, its bytes, who was to have it, each try, and its
entries in the audit chain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from messaging.api.content import as_json
from messaging.models import Attempt, Delivery, Message
from messaging.protocols.base import RemoteProtocolError, UnknownProfile
from messaging.protocols.registry import UnknownProtocol
from messaging.relay.codecs import read_beginning, read_messages
from messaging.relay.register import FILE_PROTOCOL
from tenants.audit import bodies
from tenants.audit.models import Entry

RECORDS_SHOWN = 500
"""Of a submission, which may have two hundred thousand."""

LIMIT = 1_000
"""Attempts and entries shown of one message. A delivery that was held for days may have more: they
are in the audit log's list.
"""


@dataclass(frozen=True, slots=True)
class Timeline:
    """`content` is None where the bytes can't be read, or are gone as retention allows;
    `content_fault` then says which. `further_content` is what the same bytes say of further BM
    units; `records_left_out` counts the records of a submission that `content` does not show.
    """

    message: Message
    content: Any
    further_content: Sequence[Any]
    records_left_out: int
    content_fault: str
    body: bytes | None
    sealed: bytes | None
    answered_by: Sequence[UUID]
    deliveries: Sequence[Delivery]
    attempts: dict[UUID, list[Attempt]]
    entries: Sequence[Entry]
    is_whole: bool


def timeline_of(message: Message) -> Timeline:
    """Within the scope of the message's tenant; the message comes with its endpoint."""
    deliveries = list(Delivery.objects.filter(message=message).order_by("position"))
    attempts = _attempts(deliveries)
    entries = list(Entry.objects.filter(message_id=message.id).order_by("seq")[: LIMIT + 1])
    contents, left_out, fault = contents_of(message)
    return Timeline(
        message=message,
        content=contents[0] if contents else None,
        further_content=contents[1:],
        records_left_out=left_out,
        content_fault=fault,
        body=_kept(message, message.body_digest),
        sealed=_kept(message, message.sealed_digest),
        answered_by=_answers(message),
        deliveries=deliveries,
        attempts=_by_delivery(attempts[:LIMIT]),
        entries=entries[:LIMIT],
        is_whole=max(len(attempts), len(entries)) <= LIMIT,
    )


def _attempts(deliveries: Sequence[Delivery]) -> list[Attempt]:
    ids = [row.id for row in deliveries]
    return list(Attempt.objects.filter(delivery_id__in=ids).order_by("id")[: LIMIT + 1])


def _by_delivery(attempts: Sequence[Attempt]) -> dict[UUID, list[Attempt]]:
    found: dict[UUID, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        found[attempt.delivery_id].append(attempt)
    return dict(found)


def _answers(message: Message) -> list[UUID]:
    found = Message.objects.filter(answers=message).order_by("id")
    return list(found.values_list("id", flat=True))


def contents_of(message: Message) -> tuple[Sequence[Any], int, str]:
    """What it says, how many records of that are left out, and why there is nothing. The message
    comes with its endpoint.
    """
    try:
        return _read(message)
    except RemoteProtocolError as error:
        return (), 0, f"{error.code} {error.text}"
    except bodies.BodyGone:
        return (), 0, "the bytes have been deleted"
    except (UnknownProtocol, UnknownProfile):
        return (), 0, "its protocol or profile is no longer installed"


def _read(message: Message) -> tuple[Sequence[Any], int, str]:
    if message.endpoint.protocol != FILE_PROTOCOL:
        return [as_json(one) for one in read_messages(message)], 0, ""
    if message.origin == Message.Origin.HOST:
        return (), 0, "a reply file says it in its bytes"
    submission, count = read_beginning(message, RECORDS_SHOWN)
    return [as_json(submission)], count - len(submission.records), ""


def _kept(message: Message, digest: bytes | memoryview | None) -> bytes | None:
    if digest is None:
        return None
    try:
        return bodies.read(bytes(digest), message.received_at)
    except bodies.BodyGone:
        return None
