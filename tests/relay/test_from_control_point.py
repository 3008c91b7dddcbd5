"""What a control point sends is taken once, stored with its bytes and its entries, and refused with
the code that says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from messaging.domain.acknowledgements import FreeText
from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.domain.messages import BmMessage
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    RateStep,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.units import RefusalCode
from messaging.models import Delivery, Due, Link, Message, Receipt
from messaging.relay import from_control_point
from messaging.relay.hold import LinkReplaced
from messaging.states import DeliveryState, Lane
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tests.minutes import minute
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.roles import as_role
from tests.servers import TestServers

UNIT, POINT = "ALICP1-1", "ALICP1"


def mel(unit: str = UNIT, level: int = 100, *, start_in: int = 0) -> LevelRedeclaration:
    start = minute(start_in)
    segment = Segment(start, level, start + timedelta(minutes=30), level)
    return LevelRedeclaration(POINT, unit, LevelParameter.MEL, (segment,))


def entries_of(message: Message) -> list[str]:
    rows = Entry.objects.filter(message_id=message.id).order_by("seq")
    return [row.event for row in rows]


def test_a_redeclaration_is_stored_with_its_bytes_its_delivery_and_its_entries(
    alice: Person, link: OpenLink
) -> None:
    arrival = link.arrival(mel())
    answer = link.deliver(arrival)
    assert answer.code is RefusalCode.OK
    with tenant_scope(alice.tenant_id):
        message = Message.objects.get(reference=arrival.reference, kind="MEL")
        assert bodies.read(bytes(message.body_digest), message.received_at) == arrival.content
        assert (message.bm_unit, message.refusal_code) == (UNIT, "")
        delivery = Delivery.objects.get(message=message)
        assert (delivery.state, delivery.lane) == (DeliveryState.PENDING, Lane.OPERATOR)
        assert delivery.endpoint is not None
        assert delivery.endpoint.protocol == "neso-wa"
        assert entries_of(message) == ["received", "decoded", "stored"]
        assert Due.objects.filter(delivery_id=delivery.id, tenant_id=alice.tenant_id).exists()


def test_an_entry_names_the_digest_of_the_bytes_and_the_time_in_microseconds(
    alice: Person, link: OpenLink
) -> None:
    arrival = link.arrival(mel())
    link.deliver(arrival)
    with tenant_scope(alice.tenant_id):
        message = Message.objects.get(reference=arrival.reference, kind="MEL")
        entry = Entry.objects.filter(message_id=message.id).order_by("seq").first()
        assert entry is not None
        record = json.loads(bytes(entry.record))
        assert record["digest"] == bytes(message.body_digest).hex()
        assert record["at"] == arrival.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        assert record["detail"]["number"] == arrival.reference


def scalar(parameter: ScalarParameter, value: int) -> ScalarRedeclaration:
    return ScalarRedeclaration(POINT, UNIT, parameter, value)


def rates(*steps: tuple[str, int | None]) -> RateRedeclaration:
    made = tuple(RateStep(Decimal(rate), elbow) for rate, elbow in steps)
    return RateRedeclaration(POINT, UNIT, RateParameter.RURE, made)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: mel(unit="NOSUCH-1"), RefusalCode.UNKNOWN_UNIT),
        (lambda: mel(unit="BOBCP1-1"), RefusalCode.UNKNOWN_UNIT),
        (lambda: mel(unit="ALICP2-1"), RefusalCode.UNKNOWN_UNIT),
        (lambda: mel(level=10_000), RefusalCode.OUT_OF_RANGE),
        (lambda: mel(level=-1), RefusalCode.OUT_OF_RANGE),
        (lambda: mel(start_in=-10), RefusalCode.OUT_OF_RANGE),
        (lambda: scalar(ScalarParameter.NDZ, 1000), RefusalCode.OUT_OF_RANGE),
        (lambda: scalar(ScalarParameter.SEL, -1), RefusalCode.OUT_OF_RANGE),
        (lambda: rates(("0", None)), RefusalCode.OUT_OF_RANGE),
        (lambda: rates(("5", None), ("6", 20), ("7", 10)), RefusalCode.OUT_OF_RANGE),
    ],
)
def test_a_refused_message_is_stored_and_audited_uses_its_number_and_is_not_relayed(
    alice: Person, link: OpenLink, make: Callable[[], BmMessage], code: RefusalCode
) -> None:
    arrival = link.arrival(make())
    assert link.deliver(arrival).code is code
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference=arrival.reference, refusal_code=code.value)
        assert entries_of(row) == ["received", "refused"]
        assert not Delivery.objects.filter(message=row, lane=Lane.OPERATOR).exists()
        assert Link.objects.get(endpoint_id=link.hold.endpoint_id).last_taken == arrival.number


def test_another_tenants_unit_is_answered_exactly_as_one_that_does_not_exist(
    link: OpenLink, bob: Person
) -> None:
    unknown, foreign = link.say(mel(unit="NOSUCH-1")), link.say(mel(unit="BOBCP1-1"))
    assert (unknown.code, unknown.text) == (foreign.code, foreign.text)


def test_a_suspended_tenant_is_refused_before_type_and_data_are_looked_at(
    mallory: Person, servers: TestServers, database: str
) -> None:
    def set_state(state: Tenant.State) -> None:
        with as_role("staff", servers, database), tenant_scope(mallory.tenant_id):
            Tenant.objects.update(state=state)

    link = open_link(mallory, "MALCP1")
    set_state(Tenant.State.SUSPENDED)
    answer = link.say(ScalarRedeclaration("MALCP1", "NOSUCH-1", ScalarParameter.NDZ, 9999))
    set_state(Tenant.State.ACTIVE)
    assert answer.code is RefusalCode.SUSPENDED


def test_text_that_a_refusal_has_no_room_for_follows_in_messages_of_its_own(
    alice: Person, link: OpenLink
) -> None:
    answer = link.say(mel(start_in=-10))
    assert len(answer.text) <= 80
    with tenant_scope(alice.tenant_id):
        rest = [Message.objects.get(deliveries__id=made.id) for made in answer.deliveries]
    assert [row.kind for row in rest] == ["TEXT"] * len(rest)


def test_the_same_bytes_under_a_taken_number_get_the_same_answer_and_are_not_relayed_again(
    alice: Person, link: OpenLink
) -> None:
    arrival = link.arrival(mel())
    first = link.deliver(arrival)
    again = from_control_point.take_again(link.hold, replace(arrival, at=now()))
    assert (again.code, again.text) == (first.code, first.text)
    with tenant_scope(alice.tenant_id):
        message = Message.objects.get(reference=arrival.reference, kind="MEL")
        assert message.deliveries.count() == 1
        assert entries_of(message)[-1] == "repeated"


def test_a_refusal_is_repeated_as_it_was(link: OpenLink) -> None:
    arrival = link.arrival(mel(unit="NOSUCH-1"))
    first = link.deliver(arrival)
    again = from_control_point.take_again(link.hold, arrival)
    assert (again.code, again.text) == (first.code, first.text)


def test_other_bytes_under_a_taken_number_are_refused(link: OpenLink) -> None:
    link.deliver(link.arrival(mel()))
    other = link.arrival(mel(level=7), number=link.last)
    assert from_control_point.take_again(link.hold, other).code is RefusalCode.NUMBER_REUSED


def test_a_number_that_was_never_taken_is_a_gap(link: OpenLink) -> None:
    other = link.arrival(mel(), number=99_999_000)
    assert from_control_point.take_again(link.hold, other).code is RefusalCode.NUMBER_GAP


def test_free_text_ends_at_the_host(alice: Person, link: OpenLink) -> None:
    arrival = link.arrival(FreeText(POINT, "all well"))
    assert link.deliver(arrival).code is RefusalCode.OK
    with tenant_scope(alice.tenant_id):
        assert Message.objects.get(reference=arrival.reference, kind="TEXT").deliveries.count() == 0


def test_an_answer_to_no_instruction_is_refused(link: OpenLink) -> None:
    answer = InstructionAnswer(POINT, UNIT, 4711, Verdict.ACCEPTED)
    assert link.say(answer, reply_to="00000001").code is RefusalCode.UNKNOWN_INSTRUCTION


def test_bytes_that_cannot_be_read_are_malformed_and_kept(alice: Person, link: OpenLink) -> None:
    arrival = link.arrival(mel())
    rubbish = replace(arrival, content=arrival.content.replace(b"   100", b"   x00", 1))
    assert link.deliver(rubbish).code is RefusalCode.MALFORMED
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference=rubbish.reference, refusal_code="R001")
        assert bodies.read(bytes(row.body_digest), row.received_at) == rubbish.content


def test_a_link_that_was_replaced_can_take_nothing(alice: Person, link: OpenLink) -> None:
    arrival = link.arrival(mel())
    open_link(alice, POINT)
    with pytest.raises(LinkReplaced):
        link.deliver(arrival)
    with tenant_scope(alice.tenant_id):
        assert not Receipt.objects.filter(reference=arrival.reference, message__kind="MEL").exists()


def test_two_that_take_the_same_number_at_once_cannot_both(link: OpenLink) -> None:
    """The number is advanced by a conditional update: whoever is second finds it gone."""
    first, second = link.arrival(mel()), link.arrival(mel(level=5))
    previous = link.last
    link.deliver(first)
    with pytest.raises(LinkReplaced):
        from_control_point.take(link.hold, second, previous)
