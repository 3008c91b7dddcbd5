"""The number of the next submission: who may set it, to what, and where that is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from messaging.models import AgentSequence
from tenants import endpoints
from tenants.audit.models import Entry
from tenants.endpoints import Draft
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.api.conftest import Ask
from tests.people import Person

REASON = "their system was set up anew"


@pytest.fixture(scope="module")
def files(alice: Person) -> Endpoint:
    with tenant_scope(alice.tenant_id):
        return endpoints.add(
            Draft("files", "edt", "sftp", "simulator", settings={"first_sequence": 5})
        )


def place(endpoint: Endpoint) -> str:
    return f"/api/v1/endpoints/{endpoint.id}/next-sequence"


def test_a_person_sets_it_with_a_reason_and_the_log_has_both_numbers(
    alice: Person, files: Endpoint, asking: Ask
) -> None:
    body = {"agent": "ALITA", "next": 42, "reason": REASON}
    told = asking(alice).post(place(files), body, format="json")
    assert told.status_code == 200
    assert told.json() == {"agent": "ALITA", "previous": 5, "next": 42}
    assert asking(alice).get(place(files)).json() == [{"agent": "ALITA", "next": 42}]
    with tenant_scope(alice.tenant_id):
        entry = Entry.objects.filter(event="sequence number set").latest("seq")
    detail = json.loads(bytes(entry.record))["detail"]
    assert (detail["previous"], detail["next"]) == ("000005", "000042")
    assert (detail["agent"], detail["reason"]) == ("ALITA", REASON)
    assert "alice the owner" in detail["by"]


@pytest.mark.parametrize(
    ("wrong", "member"),
    [
        ({"agent": "BOBTA"}, "/agent"),
        ({"agent": "no agent"}, "/agent"),
        ({"next": 0}, "/next"),
        ({"next": 1_000_000}, "/next"),
        ({"next": "x"}, "/next"),
        ({"reason": "short"}, "/reason"),
        ({"reason": None}, "/reason"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    alice: Person, files: Endpoint, asking: Ask, wrong: dict[str, Any], member: str
) -> None:
    before = asking(alice).get(place(files)).json()
    body = {"agent": "ALITA", "next": 43, "reason": REASON, **wrong}
    told = asking(alice).post(place(files), body, format="json")
    assert told.status_code == 400
    assert [one["field"] for one in told.json()["errors"]] == [member]
    assert asking(alice).get(place(files)).json() == before


def test_an_endpoint_that_is_not_for_files_has_no_numbers(alice: Person, asking: Ask) -> None:
    with tenant_scope(alice.tenant_id):
        link = Endpoint.objects.filter(protocol="edl")[0]
        assert not AgentSequence.objects.filter(endpoint=link).exists()
    body = {"agent": "ALITA", "next": 42, "reason": REASON}
    assert asking(alice).post(place(link), body, format="json").status_code == 400
    assert asking(alice).get(place(link)).json() == []
