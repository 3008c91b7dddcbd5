"""What the operator signed is kept as it came, so that the tenant can show it without the host."""

from __future__ import annotations

import json

import pytest
from cryptography.exceptions import InvalidSignature

from messaging.models import Message
from messaging.protocols.neso.seals import SEALS, Sealed
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.scope import tenant_scope
from tests.people import Person
from tests.protocols.neso.plain import open_plain
from tests.relay.conftest import OpenLink
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.speaking import closed, dispatch, each_seal, health, post


@each_seal
def test_an_instruction_is_kept_in_the_form_it_was_signed_in_and_its_entry_names_that(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    message_id = dispatch(ends)["messageId"]
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference=message_id)
        kept = bodies.read(bytes(row.sealed_digest or b""), row.received_at)
        content = bodies.read(bytes(row.body_digest), row.received_at)
        first = Entry.objects.filter(message_id=row.id).order_by("seq")[0]
    record = json.loads(bytes(first.record))
    assert record["event"] == "received"
    assert record["digest"] == bytes(row.body_digest).hex()
    assert record["detail"]["sealed"] == bytes(row.sealed_digest or b"").hex()
    verb, url = record["detail"]["to"].split(" ")
    assert (verb, url.rpartition("/")[2]) == ("POST", "NESO_Instruction")
    sealed = Sealed.from_record(kept)
    assert {name.lower() for name in sealed.headers} == SEALS[seal].headers
    payload, _ = open_plain(seal, sealed, ends.keys.signing.certificate, verb, url)
    assert payload == content
    with pytest.raises((InvalidSignature, AssertionError)):
        open_plain(seal, sealed, ends.keys.tenant_signing.certificate, verb, url)


def test_what_is_refused_for_what_it_says_is_kept_signed_as_well(
    ends: BothEnds, alice: Person
) -> None:
    payload = health(type="greeting")
    sealed = closed(ends, "jws-detached", payload)
    assert post(ends, sealed).status == 422
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference=payload["messageId"])
        kept = bodies.read(bytes(row.sealed_digest or b""), row.received_at)
    assert Sealed.from_record(kept).body == sealed.body
    assert row.refusal_code == "R005"
