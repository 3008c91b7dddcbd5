"""The vendor's pages on registrations: a batch of which nobody knows, resolved with a reason."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from messaging.smp_models import RegisteredAsset, SmpBatch, SmpJob, SmpRow
from tenants import endpoints
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import Peer
from tenants.scope import tenant_scope
from tests.people import Person

PAGES = ("smpjob", "smpbatch", "registeredasset", "registeredunit")


@pytest.fixture(scope="module")
def batch(alice: Person) -> SmpBatch:
    """Alice's, sent and not answered; made by the running service, which is not the admin."""
    with tenant_scope(alice.tenant_id):
        endpoint = endpoints.add(
            endpoints.Draft(
                *("platform", "neso-smp", "https", "simulator", "https://127.0.0.1:9"),
                peer=Peer.objects.get(name="simulator"),
            )
        )
        job = SmpJob.objects.create(
            tenant_id=alice.tenant_id,
            endpoint=endpoint,
            kind="ASSETS",
            format="CSV",
            state="SENDING",
            created_by="test",
            created_at=now(),
        )
        asset = json.dumps({"assetName": "A", "generationCapacity": 85})
        SmpRow.objects.create(tenant_id=alice.tenant_id, job=job, row=2, name="a", asset=asset)
        return SmpBatch.objects.create(
            tenant_id=alice.tenant_id,
            job=job,
            endpoint=endpoint,
            position=1,
            first_row=2,
            last_row=2,
            rows=1,
            state="UNKNOWN",
            sent_at=now(),
        )


def page(batch: SmpBatch) -> str:
    return reverse("admin:messaging_smpbatch_resolve", args=(batch.id,))


def test_lists_and_rows_are_shown(batch: SmpBatch, staff: Client) -> None:
    for name in PAGES:
        assert staff.get(reverse(f"admin:messaging_{name}_changelist")).status_code == 200
    for name, row_id in (("smpbatch", batch.id), ("smpjob", batch.job_id)):
        shown = staff.get(reverse(f"admin:messaging_{name}_change", args=(row_id,)))
        assert shown.status_code == 200


def test_to_resolve_takes_a_reason_and_is_done_once(
    alice: Person, batch: SmpBatch, staff: Client, stranger: Client
) -> None:
    assert stranger.get(page(batch)).status_code == 302
    assert b"What became of a batch" in staff.get(page(batch)).content
    told = {"verdict": "taken", "transaction": "", "reason": ""}
    assert staff.post(page(batch), told).status_code == 200
    assert SmpBatch.objects.get(id=batch.id).state == "UNKNOWN"
    for _ in range(2):
        assert staff.post(page(batch), {**told, "reason": "they said so"}).status_code == 302
    row = SmpBatch.objects.get(id=batch.id)
    assert (row.state, row.settled_by) == ("REGISTERED", "PERSON")
    assert SmpJob.objects.get(id=batch.job_id).state == "REGISTERED"
    assert RegisteredAsset.objects.filter(tenant_id=alice.tenant_id, job_id=batch.job_id).exists()
    entries = Entry.objects.filter(tenant_id=alice.tenant_id, message_id=batch.job_id)
    records = [json.loads(bytes(entry.record)) for entry in entries]
    told_by = [one["detail"].get("by") for one in records if one["event"] == "registration"]
    assert "ada of the vendor" in told_by
    assert any(one["detail"].get("reason") == "they said so" for one in records)
