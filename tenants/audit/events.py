"""The events an audit entry can record, and the record's one written form. What writes them is the
ledger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

TEXT_LIMIT = 500
"""Characters of any one text in a record: what peers send can't make the log grow without bound."""

THE_SERVICE: Final = "the service"
"""Who did what nobody in particular did, as `by` of an entry's detail."""


class Event(StrEnum):
    RECEIVED = "received"
    """Bytes came in; `digest` names them."""
    DECODED = "decoded"
    REFUSED = "refused"
    SUPPRESSED = "suppressed"
    """Refusals that were over the limit and have no entry of their own; `detail` says how many."""
    REPEATED = "repeated"
    """The same message came again and was answered again."""
    STORED = "stored"
    SIGNED = "signed"
    SENDING = "sending"
    """Committed before the first byte leaves; `digest` names the bytes."""
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    HELD = "held"
    EXPIRED = "expired"
    ABANDONED = "abandoned"
    SUPERSEDED = "superseded"
    """A redeclaration that was kept back is not sent: `by` is the newer message that replaces
    it.
    """
    REPLAYED = "replayed"
    """A person had a delivery that had come to a bad end tried again."""
    CLOSED = "closed"
    """A person said that nothing more is to come of such a delivery."""
    VERDICT_SAID = "verdict said"
    """A person said what the operator, which had received it, has decided."""
    ALARMED = "alarmed"
    AUTO_ACCEPTED = "auto-accepted"
    """The host accepted an acceptance for a control point, for the reason in the detail."""
    LEFT_TO_PERSON = "left to a person"
    """It did not, where it is meant to if it can, for the reason in the detail."""
    DATA_ARRIVED = "data arrived"
    """What was alarmed as missing for a settlement period is there now."""
    CONNECTION_CHANGED = "connection changed"
    """The lamp of a connection to the system operator went out, or is lit again."""
    BREAKER_CHANGED = "breaker changed"
    """The circuit breaker of an endpoint opened, or closed again."""
    NORMALIZED = "normalized"
    """The operator was asked what was missed; `digest` names its sealed answer."""
    ASKING_ENDED = "asking ended"
    """A person said that the operator, which does not say what was missed, is asked no more."""
    NOTICE_POSTED = "outage notice posted"
    NOTICE_CHANGED = "outage notice changed"
    TELEPHONE_BEGAN = "telephone mode began"
    TELEPHONE_ENDED = "telephone mode ended"
    HOLD_PLACED = "hold placed"
    HOLD_RELEASED = "hold released"
    MAINTENANCE_BEGAN = "maintenance began"
    MAINTENANCE_ENDED = "maintenance ended"
    ESCALATED = "escalated"
    """An instruction had no answer after so many seconds, and its tenant is told so in `ways`."""
    ALERTS_CHANGED = "alerts changed"
    """Whom the host tells what happens, and how: a webhook, an address or the ladder."""
    LINK_UP = "link up"
    LINK_DOWN = "link down"
    ENROLLED = "enrolled"
    KEY_REQUESTED = "key requested"
    """A key was made here, for an authority to certify."""
    KEY_INSTALLED = "key installed"
    KEY_SWITCH_SET = "key switch-over set"
    KEY_SWITCHED = "key switched to"
    KEY_EXPIRES = "key expires"
    """The end of a certificate is so many days away."""
    KEY_EXPIRED = "key expired"
    KEY_REVOKED = "key revoked"
    ENDPOINT_CHANGED = "endpoint changed"
    SEQUENCE_SET = "sequence number set"
    """A person said which number a trading agent's next submission bears."""
    CONNECTION_TESTED = "connection tested"
    """A person had an endpoint tried; no message of the market was carried."""
    REGISTER_CHANGED = "register changed"
    """The vendor's staff changed a tenant, a BM unit or, in the house's chain, whom the host
    trusts; or a tenant's person changed what the host does for a BM unit.
    """
    MEMBER_ADDED = "member added"
    MEMBER_CHANGED = "member changed"
    MEMBER_REMOVED = "member removed"
    API_KEY_MINTED = "API key minted"
    API_KEY_ROTATED = "API key rotated"
    API_KEY_CHANGED = "API key changed"
    API_KEY_REVOKED = "API key revoked"
    API_CERTIFICATE_PINNED = "API certificate pinned"
    API_CERTIFICATE_REVOKED = "API certificate revoked"
    FILE_LOGIN_ADDED = "file login added"
    FILE_LOGIN_REVOKED = "file login revoked"
    CREDENTIAL_REFUSED = "credential refused"
    """A key or certificate that is in force was shown from a network it is not meant for."""
    FORGED_HEADER = "forged header"
    """A client certificate was named by somebody who is no proxy of ours."""
    REGISTRATION = "registration"
    """A file of registrations was taken, checked, cancelled, settled, or a person decided on it."""
    CAPACITY_EASED = "capacity eased"
    """What is registered has gone below a mark of its limit; above one it is an alarm."""
    LOGIN_SET = "login set"
    LOGGED_IN = "logged in"
    BODY_VIEWED = "body viewed"
    """The vendor's staff were shown the bytes that `digest` names, for the reason in the detail."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened at `at` (UTC, microseconds). `digest` is the SHA-256 of the bytes
    concerned.
    """

    event: Event
    at: datetime
    message_id: UUID | None = None
    delivery_id: UUID | None = None
    digest: bytes | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


def written(fact: Fact) -> bytes:
    """The record: canonical JSON (sorted names, no blanks, ASCII), the bytes that are hashed and
    stored.
    """
    record: dict[str, object] = {
        "at": stamp(fact.at),
        "event": fact.event.value,
        "message_id": str(fact.message_id) if fact.message_id else None,
        "delivery_id": str(fact.delivery_id) if fact.delivery_id else None,
        "digest": fact.digest.hex() if fact.digest else None,
        "detail": {name: _bounded(value) for name, value in fact.detail.items()},
    }
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode("ascii")


def stamp(moment: datetime) -> str:
    """UTC to the microsecond, always with six decimals."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _bounded(value: object) -> str | int | None:
    """Scalars only: whole numbers and truth as they are, anything else as text of bounded
    length.
    """
    if value is None or isinstance(value, int):
        return value
    return str(value)[:TEXT_LIMIT]
