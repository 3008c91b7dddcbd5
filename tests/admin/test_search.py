"""Whoever telephones names a message as their own system does: the admin finds it by that."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse

from messaging.models import Delivery, Instruction, Message
from tenants.scope import tenant_scope
from tests.api.carried import Carried
from tests.people import Person


def found(staff: Client, page: str, term: str) -> set[UUID]:
    answer: Any = staff.get(reverse(f"admin:messaging_{page}_changelist"), {"q": term})
    assert answer.status_code == 200
    return {row.id for row in answer.context_data["cl"].result_list}


@pytest.fixture
def sent(alice: Person, carried: Carried, staff: Client) -> Delivery:
    """Under a number of a link's that no other has."""
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(message_id=carried.acceptance)
        Delivery.objects.filter(id=row.id).update(reference="00047110")
    return row


@pytest.mark.parametrize("typed", ["00047110", "47110", " 47110 "])
def test_by_the_log_number_on_a_link_with_or_without_its_noughts(
    staff: Client, sent: Delivery, typed: str
) -> None:
    assert sent.message_id in found(staff, "message", typed)
    assert found(staff, "delivery", typed) == {sent.id}


def test_by_the_message_id_it_was_sent_under(
    alice: Person, carried: Carried, staff: Client
) -> None:
    ours = str(uuid4())
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(message_id=carried.redeclaration)
        Delivery.objects.filter(id=row.id).update(reference=ours)
    assert found(staff, "message", ours.upper()) == {carried.redeclaration}
    assert found(staff, "delivery", ours) == {row.id}
    assert found(staff, "message", str(carried.redeclaration)) == {carried.redeclaration}


def test_by_an_instructions_number(alice: Person, carried: Carried, staff: Client) -> None:
    row = Instruction.objects.get(message_id=carried.acceptance)
    assert carried.acceptance in found(staff, "message", str(row.number))


def test_a_bm_units_name_finds_its_messages_and_nothing_else(
    alice: Person, carried: Carried, staff: Client
) -> None:
    unit = Message.objects.get(id=carried.acceptance).bm_unit
    rows = Message.objects.filter(id__in=found(staff, "message", unit.lower()))
    assert {row.bm_unit for row in rows} == {unit}


@pytest.mark.parametrize("page", ["message", "delivery"])
@pytest.mark.parametrize("typed", ["nothing of ours", "99999999999999999999", "x" * 5_000])
def test_what_nobody_calls_anything_finds_nothing(staff: Client, page: str, typed: str) -> None:
    assert found(staff, page, typed) == set()
