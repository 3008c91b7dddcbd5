"""Each seal between the host and the simulated operator, which share no code for it: what goes up,
its receipt, and its resends.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from messaging.models import Delivery
from messaging.protocols.neso.seals import SEALS
from messaging.relay.claim import Claimed
from messaging.relay.deliver import deliver
from messaging.states import DeliveryState
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.scope import tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.speaking import WRONG, claim, each_seal, heard, say, state_of, until
from tests.relay.test_claim import release
from tests.relay.test_from_control_point import UNIT


@each_seal
def test_a_redeclaration_is_believed_and_so_is_its_receipt(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    (got,) = heard(ends, delivery_id)
    assert got["verified"] is True
    assert got["payload"]["bmUnit"] == UNIT


@each_seal
@pytest.mark.parametrize("fault", WRONG)
def test_a_receipt_whose_seal_does_not_hold_is_no_answer_and_the_same_bytes_go_again(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str, fault: str
) -> None:
    ends.use(seal)
    ends.fault(fault, times=1, **WRONG[fault])
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.PENDING
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=delivery_id).update(wait_until=None)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    assert [got["verified"] for got in heard(ends, delivery_id)] == [True, True]


@each_seal
def test_a_receipt_that_comes_later_settles_what_was_only_received(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    ends.fault("receipt_later", times=1, seconds=0.0)
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    until(lambda: state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED)


@each_seal
def test_an_operator_that_expects_another_seal_takes_nothing(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    other = next(name for name in SEALS if name != seal)
    ends.use(seal, operator=other)
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) in (DeliveryState.PENDING, DeliveryState.REFUSED)
    assert not [got for got in heard(ends, delivery_id) if got["verified"]]


@each_seal
def test_a_resend_repeats_headers_and_body_and_its_entries_name_both(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    delivery_id = say(link)
    first = claim(alice, delivery_id)
    release(alice, delivery_id)
    again = claim(alice, delivery_id, 2)
    assert isinstance(first, Claimed)
    assert isinstance(again, Claimed)
    assert again.sealed == first.sealed
    assert bool(first.sealed.headers) is bool(SEALS[seal].headers)
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(id=delivery_id)
        assert row.sealed_at is not None
        digest = bytes(row.sealed_digest or b"")
        assert bodies.read(digest, row.sealed_at) == first.sealed.record
        records = Entry.objects.filter(delivery_id=delivery_id, event__in=["signed", "sending"])
        named = [json.loads(bytes(entry.record))["digest"] for entry in records]
    assert named == [digest.hex()] * 3


def test_a_resend_goes_as_it_was_sealed_though_the_endpoint_has_another_seal_by_now(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    ends.use("jws-detached")
    delivery_id = say(link)
    first = claim(alice, delivery_id)
    release(alice, delivery_id)
    ends.set_endpoint(seal="jws-compact")
    deliver(alice.tenant_id, delivery_id)
    assert isinstance(first, Claimed)
    assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


@each_seal
def test_once_aged_the_same_payload_is_sealed_anew(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    delivery_id = say(link)
    first = claim(alice, delivery_id)
    with tenant_scope(alice.tenant_id):
        aged = now() - timedelta(seconds=241)
        Delivery.objects.filter(id=delivery_id).update(sealed_at=aged)
    release(alice, delivery_id)
    again = claim(alice, delivery_id, 2)
    assert isinstance(first, Claimed)
    assert isinstance(again, Claimed)
    with tenant_scope(alice.tenant_id):
        signed = Entry.objects.filter(delivery_id=delivery_id, event="signed").order_by("seq")
        assert [json.loads(bytes(e.record))["detail"]["again"] for e in signed] == [False, True]
    if SEALS[seal].headers:
        assert again.sealed.body == first.sealed.body


@pytest.mark.parametrize(
    "settings",
    [
        {"seal": "content-hash", "algorithm": "PS256"},
        {"seal": "jws-compact", "algorithm": "ES256"},
        {"seal": "smoke-signal"},
    ],
)
def test_a_seal_that_the_key_cannot_sign_is_an_alarm_and_nothing_leaves(
    ends: BothEnds, alice: Person, link: OpenLink, settings: dict[str, str]
) -> None:
    ends.set_endpoint(**settings)
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == DeliveryState.PENDING
    with tenant_scope(alice.tenant_id):
        events = [entry.event for entry in Entry.objects.filter(delivery_id=delivery_id)]
    assert events == ["alarmed"]


def test_an_algorithm_that_is_not_allowed_is_no_answer_whatever_the_seal(
    ends: BothEnds, alice: Person, link: OpenLink
) -> None:
    for seal in SEALS:
        ends.use(seal)
        ends.set_endpoint(seal=seal, algorithms=["ES256", "PS256", "EdDSA"])
        delivery_id = say(link)
        deliver(alice.tenant_id, delivery_id)
        assert state_of(alice, delivery_id) == DeliveryState.PENDING
        with tenant_scope(alice.tenant_id):
            Delivery.objects.update(state=DeliveryState.ABANDONED)
