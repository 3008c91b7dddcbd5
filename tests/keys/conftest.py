"""A tenant's certificates by short names, and its API."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from tenants.audit.models import Entry
from tenants.keys.life import CertificatePurpose, CertificateState
from tenants.models import Certificate, Endpoint
from tenants.scope import tenant_scope
from tests.api.clients import client
from tests.people import Person

SIGNING = CertificatePurpose.SIGNING


@dataclass(frozen=True, slots=True)
class Desk:
    """A tenant's API, as far as certificates go."""

    person: Person
    api: APIClient

    def post(self, place: str, **body: Any) -> Any:
        return self.api.post(f"/api/v1/certificates/{place}", body, format="json")

    def done(self, place: str, **body: Any) -> dict[str, Any]:
        """What was answered to a request that was granted."""
        answer = self.post(place, **body)
        assert answer.status_code in (200, 201), answer.content
        told: dict[str, Any] = answer.json()
        return told

    def refused(self, place: str, **body: Any) -> dict[str, str]:
        """The texts of a refusal by field."""
        answer = self.post(place, **body)
        assert answer.status_code == 400, answer.content
        return {item["field"].split("/")[1]: item["text"] for item in answer.json()["errors"]}

    def get(self, row_id: str) -> dict[str, Any]:
        told: dict[str, Any] = self.api.get(f"/api/v1/certificates/{row_id}").json()
        return told

    def rows(self, **where: Any) -> list[Certificate]:
        with tenant_scope(self.person.tenant_id):
            return list(Certificate.objects.filter(**where).order_by("id"))

    def active(self, purpose: CertificatePurpose = SIGNING) -> Certificate:
        (row,) = self.rows(purpose=purpose, environment="simulator", state=CertificateState.ACTIVE)
        return row

    def endpoint(self, index: int = 0) -> str:
        with tenant_scope(self.person.tenant_id):
            return str(Endpoint.objects.get(name=self.person.control_points[index]).id)

    def told(self, *events: str) -> list[dict[str, Any]]:
        """What the audit log says of certificates, in order."""
        with tenant_scope(self.person.tenant_id):
            rows = Entry.objects.filter(event__in=events).order_by("seq")
            return [json.loads(bytes(row.record)) for row in rows]


@pytest.fixture
def desk_of() -> Callable[[Person], Desk]:
    return lambda person: Desk(person, client({"Authorization": f"Bearer {person.api_key}"}))


@pytest.fixture
def desk(alice: Person, desk_of: Callable[[Person], Desk]) -> Desk:
    return desk_of(alice)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
