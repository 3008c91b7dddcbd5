"""Types of events, the page that lists them, and the signature of webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from messaging.events import signing
from messaging.events.types import MEANINGS, EventType, Told, happening_of, table
from tenants.audit.events import Event

DOCS = Path(__file__).resolve().parents[2] / "docs"
INSTRUCTION = {"kind": "BOA", "number": 7}


def told(event: Event, *, detail: dict[str, Any] | None = None, **more: Any) -> Told:
    record = json.dumps({"detail": detail or {}}).encode()
    values = {"message_id": "m", "delivery_id": None, **more}
    return Told(1, event, datetime(2026, 1, 1, tzinfo=UTC), record=record, **values)


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (told(Event.DECODED, instruction=INSTRUCTION), EventType.INSTRUCTION_RECEIVED),
        (
            told(Event.DECODED, instruction=INSTRUCTION, answer={"verdict": "ACCEPTED"}),
            EventType.INSTRUCTION_ANSWERED,
        ),
        (told(Event.DECODED), None),
        (told(Event.EXPIRED, instruction=INSTRUCTION), EventType.INSTRUCTION_EXPIRED),
        (told(Event.EXPIRED), EventType.DELIVERY_EXPIRED),
        (told(Event.REFUSED), EventType.MESSAGE_REFUSED),
        (told(Event.REFUSED, delivery_id="d"), EventType.DELIVERY_REFUSED),
        (told(Event.REFUSED, message_id=None), None),
        (told(Event.ALARMED), EventType.ALARM),
        (told(Event.LINK_DOWN), EventType.LINK_DOWN),
        (told(Event.KEY_EXPIRES), EventType.CERTIFICATE_EXPIRING),
        (told(Event.SIGNED), None),
    ],
)
def test_which_entries_are_which_events(entry: Told, kind: EventType | None) -> None:
    found = happening_of(entry)
    assert (found.type if found else None) is kind


def test_the_detail_of_an_entry_is_the_data_of_its_event() -> None:
    found = happening_of(told(Event.ALARMED, detail={"alarm": "link lost"}))
    assert found is not None
    assert found.payload == {
        "type": "alarm",
        "timestamp": "2026-01-01T00:00:00.000000Z",
        "data": {"event_id": 1, "message_id": "m", "alarm": "link lost"},
    }


def test_every_type_has_a_meaning_and_stands_in_the_page() -> None:
    assert set(MEANINGS) == set(EventType)
    assert table() in (DOCS / "events.md").read_text(encoding="utf-8")


def test_the_signature_is_that_of_the_specifications_own_example() -> None:
    """Standard Webhooks: id, timestamp and body with full stops between them, HMAC-SHA256 under the
    decoded secret, base64, `v1,`.
    """
    secret, body = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), b'{"test": 2432232314}'
    told = signing.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, [secret])
    assert told["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signing.shown(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_during_a_rotation_each_secret_signs() -> None:
    told = signing.headers("id", 5, b"{}", [b"new", b"old"])
    by_hand = [
        base64.b64encode(hmac.new(key, b"id.5.{}", hashlib.sha256).digest()).decode()
        for key in (b"new", b"old")
    ]
    assert told["webhook-signature"] == f"v1,{by_hand[0]} v1,{by_hand[1]}"
