"""Gives a tenant one of everything its people can have: a member, a key, a client certificate for
the API, a login for files, and an endpoint with a breaker.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from messaging.events import alerts, webhooks
from messaging.events.alerts import Step
from messaging.events.types import Way
from messaging.models import Breaker
from messaging.rehearsal.authority import Authority, Issued
from messaging.relay.smp import logins
from messaging.smp_models import (
    RegisteredAsset,
    RegisteredUnit,
    SmpBatch,
    SmpFinding,
    SmpJob,
    SmpRow,
)
from tenants import api_certificates, api_keys, endpoints, file_logins, members
from tenants.clock import now
from tenants.credentials import THE_HOST
from tenants.endpoints import Draft
from tenants.models import Environment, Peer
from tenants.permissions import Role
from tenants.scope import tenant_scope
from tests.people import Person


def equip(person: Person) -> Issued:
    """The pinned certificate, with its key."""
    issued = Authority(f"clients of {person.name}").issue("api client")
    with tenant_scope(person.tenant_id):
        colleague = members.add("A colleague", f"c@{person.name}.example", Role.OBSERVER)
        api_keys.mint("spare", member=colleague)
        proof = prove(issued, api_certificates.proof_text(person.tenant_id))
        api_certificates.pin("robot", issued.pem, proof)
        point = endpoints.add(Draft("logged in at", "edt", "sftp", Environment.SIMULATOR))
        file_logins.make(point, "robot", by=THE_HOST)
        Breaker.objects.create(tenant_id=person.tenant_id, endpoint=point, detail=person.name)
        _register(person)
        made = webhooks.add("https://127.0.0.1:9/hook", person.name, [], THE_HOST)
        webhooks.try_out(made.row)
        alerts.change([], [Step(len(person.name), (Way.WEBHOOK,))], THE_HOST)
    return issued


def _register(person: Person) -> None:
    """A job that has come to its end, with what each table of registrations can hold of it."""
    endpoint = endpoints.add(
        endpoints.Draft(
            *("platform", "neso-smp", "https", "simulator", "https://127.0.0.1:9"),
            peer=Peer.objects.get(name="simulator"),
        )
    )
    logins.set_login(endpoint.id, person.name, "secret", "test")
    common: dict[str, Any] = {"tenant_id": person.tenant_id}
    job = SmpJob.objects.create(
        **common,
        endpoint=endpoint,
        kind="ASSETS",
        format="CSV",
        state="PARTLY",
        created_by="test",
        created_at=now(),
    )
    SmpBatch.objects.create(
        **common,
        job=job,
        endpoint=endpoint,
        position=1,
        first_row=2,
        last_row=2,
        rows=1,
        state="REGISTERED",
    )
    SmpRow.objects.create(**common, job=job, row=2, name="a", asset="{}")
    SmpFinding.objects.create(
        **common, job=job, row=3, column="postcode", source="HOST", code="R003", text="no"
    )
    known = {**common, "environment": "simulator", "valid_from": now(), "job": job}
    unit = RegisteredUnit.objects.create(**known, name="U", key="u", unit={"unitName": "U"})
    RegisteredAsset.objects.create(
        **known,
        name="A",
        key="a",
        unit=unit,
        site=f"asset of {person.name}",
        capacity_mw=1,
        asset={},
    )


def prove(issued: Issued, text: bytes) -> bytes:
    return issued.key.sign(text, ec.ECDSA(hashes.SHA256()))
