"""What the vendor's staff do to what stands still: notices for everybody, holds, maintenance."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.test import Client
from django.urls import reverse

from messaging.models import Connection, Maintenance, StandingHold, SystemNotice
from messaging.relay import lamps
from tenants.audit.models import Entry
from tenants.ids import HOUSE
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.people import Person

TEXT = "Planned outage\\nNESO_Submission\r\nStart: 12/03/2031 09:00 GMT\\nEnd: 12/03/2031 23:00 GMT"


def told(tenant_id: UUID, event: str) -> list[dict[str, Any]]:
    with tenant_scope(tenant_id):
        rows = Entry.objects.filter(tenant_id=tenant_id, event=event).order_by("seq")
        return [json.loads(bytes(row.record))["detail"] for row in rows]


def post(staff: Client, page: str, *args: object, **values: object) -> Any:
    return staff.post(reverse(f"admin:messaging_{page}", args=args), values)


def test_a_notice_that_is_pasted_is_read_and_is_to_be_spread_with_each_change(
    staff: Client,
) -> None:
    answer = post(staff, "systemnotice_add", text=TEXT, environment="simulator")
    assert answer.status_code == 302
    row = SystemNotice.objects.latest("id")
    assert row.services == ["Submission"]
    assert row.starts_at == datetime(2031, 3, 12, 9, tzinfo=UTC)
    assert row.ends_at == datetime(2031, 3, 12, 23, tzinfo=UTC)
    assert told(HOUSE, "outage notice changed")[-1]["by"] == "ada"
    assert row.spread_at is None, "the running service has yet to give it to every tenant"
    SystemNotice.objects.filter(id=row.id).update(spread_at=datetime.now(UTC))
    values = {"text": TEXT, "environment": "simulator", "services": ["Submission"]}
    values |= {"starts_at_0": "2031-03-12", "starts_at_1": "09:00:00", "is_cancelled": "on"}
    answer = post(staff, "systemnotice_change", row.id, **values, until_further_notice="on")
    assert answer.status_code == 302
    row = SystemNotice.objects.get(id=row.id)
    assert (row.is_cancelled, row.spread_at) == (True, None)


def test_a_notice_that_can_not_be_read_is_kept_and_says_what_is_missing(staff: Client) -> None:
    answer = staff.post(
        reverse("admin:messaging_systemnotice_add"),
        {"text": "Something is out, soon", "environment": "simulator"},
        follow=True,
    )
    assert "services, start, end" in answer.content.decode()
    row = SystemNotice.objects.latest("id")
    assert (row.text, row.services, row.starts_at) == ("Something is out, soon", [], None)


def test_a_notice_that_ends_before_it_starts_is_refused(staff: Client) -> None:
    values = {"text": "x", "environment": "simulator", "services": ["Health"]}
    values |= {"starts_at_0": "2031-03-12", "starts_at_1": "09:00:00"}
    values |= {"ends_at_0": "2031-03-12", "ends_at_1": "08:00:00"}
    answer = post(staff, "systemnotice_add", **values)
    assert answer.status_code == 200
    assert "ends_at" in answer.context_data["adminform"].form.errors


def test_staff_hold_and_release_with_a_reason(alice: Person, bob: Person, staff: Client) -> None:
    point = Endpoint.objects.get(tenant_id=alice.tenant_id, name=alice.control_points[0])
    wrong = {"tenant": bob.tenant_id, "endpoint": point.id, "reason": "r"}
    answer = post(staff, "standinghold_add", **wrong)
    assert "endpoint" in answer.context_data["adminform"].form.errors
    wrong = {"tenant": bob.tenant_id, "bm_unit": "ALICP1-1", "reason": "r"}
    answer = post(staff, "standinghold_add", **wrong)
    assert "bm_unit" in answer.context_data["adminform"].form.errors
    right = {"tenant": alice.tenant_id, "endpoint": point.id, "reason": "it floods"}
    assert post(staff, "standinghold_add", **right).status_code == 302
    row = StandingHold.objects.latest("id")
    assert (row.endpoint_id, row.placed_by, row.released_at) == (point.id, "ada", None)
    action = {"action": "release", "_selected_action": [row.id]}
    post(staff, "standinghold_changelist", **action)
    assert StandingHold.objects.get(id=row.id).released_at is None, "a reason is wanted"
    post(staff, "standinghold_changelist", **action, reason="it is over")
    row = StandingHold.objects.get(id=row.id)
    assert (row.released_by, row.release_reason) == ("ada", "it is over")
    assert told(alice.tenant_id, "hold placed")[-1]["reason"] == "it floods"
    assert told(alice.tenant_id, "hold released")[-1]["by"] == "ada"


def test_staff_end_the_asking_of_an_operator_that_is_asked_in_vain(
    alice: Person, staff: Client
) -> None:
    operator = Endpoint.objects.get(tenant_id=alice.tenant_id, protocol="neso-wa")
    with tenant_scope(alice.tenant_id):
        row = lamps.locked(operator.id)
        Connection.objects.filter(id=row.id).update(normalize_from=datetime.now(UTC))
    action = {"action": "ask_no_more", "_selected_action": [row.id]}
    post(staff, "connection_changelist", **action, reason="told by telephone")
    assert Connection.objects.get(id=row.id).normalize_from is not None, "it is not in vain"
    with tenant_scope(alice.tenant_id):
        Connection.objects.filter(id=row.id).update(unasked_since=datetime.now(UTC))
    post(staff, "connection_changelist", **action)
    assert Connection.objects.get(id=row.id).normalize_from is not None, "a reason is wanted"
    post(staff, "connection_changelist", **action, reason="told by telephone")
    assert Connection.objects.get(id=row.id).normalize_from is None
    assert told(alice.tenant_id, "asking ended")[-1]["by"] == "ada"


def test_maintenance_is_switched_on_once_and_off(staff: Client) -> None:
    assert post(staff, "maintenance_add", reason="new disks").status_code == 302
    row = Maintenance.objects.get(ended_at__isnull=True)
    assert (row.reason, row.began_by) == ("new disks", "ada")
    assert post(staff, "maintenance_add", reason="again").status_code == 200
    action = {"action": "end_it", "_selected_action": [row.id]}
    post(staff, "maintenance_changelist", **action)
    assert not Maintenance.objects.filter(ended_at__isnull=True).exists()
    assert told(HOUSE, "maintenance began")[-1]["reason"] == "new disks"
    assert told(HOUSE, "maintenance ended")[-1]["by"] == "ada"
