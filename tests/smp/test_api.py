"""Registrations by the API: files of any form taken, told of, bounded, and nobody else's."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from messaging.smp_models import SmpBatch, SmpJob, SmpPart
from tenants.api import idempotency
from tenants.clock import now
from tenants.models import IdempotentAnswer
from tenants.scope import tenant_scope
from tests.api.clients import client
from tests.people import Person
from tests.smp.assets import asset, listed, table
from tests.smp.rig import PASSWORD, Rig

UPLOADS, JOBS = "/api/v1/smp/uploads", "/api/v1/smp/jobs"


@pytest.fixture
def asker(rig: Rig) -> APIClient:
    return client({"X-API-Key": rig.person.api_key})


def send(
    asker: APIClient, content: bytes, query: str = "", media: str = "text/csv", status: int = 202
) -> Any:
    body: Any = content
    answer = asker.generic("POST", f"{UPLOADS}?{query}", body, content_type=media)
    assert answer.status_code == status, answer.content
    return answer.json()


def test_a_table_is_taken_and_its_job_told_from_beginning_to_end(
    rig: Rig, asker: APIClient
) -> None:
    told = send(asker, table(asset(n) for n in range(3)), "file_name=mine.csv")
    assert (told["state"], told["format"], told["file_name"]) == ("CHECKING", "CSV", "mine.csv")
    rig.run(UUID(told["id"]))
    job = asker.get(f"{JOBS}/{told['id']}").json()
    assert (job["state"], job["rows_read"], job["rows_registered"]) == ("REGISTERED", 3, 3)
    (batch,) = asker.get(f"{JOBS}/{job['id']}/batches").json()["results"]
    assert (batch["state"], batch["rows"]) == ("REGISTERED", 3)
    rows = asker.get(f"{JOBS}/{job['id']}/rows").json()["results"]
    assert [(row["row"], row["outcome"]) for row in rows] == [
        (2, "REGISTERED"),
        (3, "REGISTERED"),
        (4, "REGISTERED"),
    ]
    assets = asker.get("/api/v1/smp/assets?current=true&name=BATTERY 1").json()["results"]
    assert [(one["name"], one["job_id"]) for one in assets] == [("Battery 1", job["id"])]
    history = asker.get(f"/api/v1/smp/assets/{assets[0]['id']}").json()["history"]
    assert history[-1]["id"] == assets[0]["id"]


@pytest.mark.parametrize("is_whole", [True, False], ids=["handed over", "broken off"])
def test_an_upload_whose_process_died_before_its_answer_is_one_job_under_its_key(
    rig: Rig, asker: APIClient, is_whole: bool
) -> None:
    """The key is the client's way to ask again; a job that a worker has is the answer to it."""
    content: Any = table([asset(1)])
    headers: Any = {"HTTP_IDEMPOTENCY_KEY": f"whole-{is_whole}"}

    def upload() -> UUID:
        answer = asker.generic("POST", UPLOADS, content, content_type="text/csv", **headers)
        assert answer.status_code == 202, answer.content
        return UUID(answer.json()["id"])

    first = upload()
    with tenant_scope(rig.person.tenant_id):
        died = now() - idempotency.GIVEN_UP_AFTER
        IdempotentAnswer.objects.filter(key=f"whole-{is_whole}").update(
            status=None, created_at=died
        )
        if not is_whole:
            SmpJob.objects.filter(id=first).update(state=SmpJob.State.UPLOADING, digest=None)
    again = upload()
    with tenant_scope(rig.person.tenant_id):
        states = [SmpJob.objects.get(id=one).state for one in dict.fromkeys([first, again])]
    assert states == (["CHECKING"] if is_whole else ["CANCELLED", "CHECKING"])


def test_a_file_is_taken_as_json_and_as_a_form_as_well(rig: Rig, asker: APIClient) -> None:
    told = send(asker, listed([asset(1)]), "check_only=true", "application/json")
    assert told["format"] == "JSON"
    assert rig.run(UUID(told["id"])).state == "CHECKED"
    for name, content, wanted in (
        ("a.csv", table([asset(1)]), "CSV"),
        ("b.json", listed([asset(1)]), "JSON"),
    ):
        form = {
            "file": SimpleUploadedFile(name, content),
            "kind": "UNIT",
            "unit": json.dumps({"unitName": name}),
            "check_only": "true",
        }
        answer = asker.post(UPLOADS, form, format="multipart")
        assert answer.status_code == 202, answer.content
        assert (answer.json()["format"], answer.json()["file_name"]) == (wanted, name)
        assert rig.run(UUID(answer.json()["id"])).state == "CHECKED"


def test_what_is_wrong_is_told_in_pages_and_as_a_table(rig: Rig, asker: APIClient) -> None:
    rows = [asset(n, postcode="=cmd()") for n in range(5)]
    told = send(asker, table(rows).replace(b"postcode", b"Post code"))
    rig.run(UUID(told["id"]))
    page = asker.get(f"{JOBS}/{told['id']}/errors?limit=2").json()
    assert [(one["row"], one["column"]) for one in page["results"]] == [
        (2, "Post code"),
        (3, "Post code"),
    ]
    rest = asker.get(page["next"]).json()["results"]
    assert [one["row"] for one in rest] == [4, 5]
    answer = asker.get(f"{JOBS}/{told['id']}/errors?as=csv")
    assert answer["Content-Type"] == "text/csv"
    asked = asker.get(f"{JOBS}/{told['id']}/errors", headers={"Accept": "text/csv"})
    assert asked["Content-Type"] == "text/csv"
    read = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    assert [one["row"] for one in read] == ["2", "3", "4", "5", "6"]
    assert read[0]["value"] == "'=cmd()"


@pytest.mark.parametrize(
    ("query", "media", "content", "status"),
    [
        ("kind=ROCKET", "text/csv", b"x", 400),
        ("colour=red", "text/csv", b"x", 400),
        ("environment=production", "text/csv", b"x", 400),
        ("check_only=perhaps", "text/csv", b"x", 400),
        ("", "text/csv", b"", 400),
        ("", "application/xml", b"<x/>", 415),
        ("", "multipart/form-data; boundary=b", b"--b--\r\n", 400),
        ("", "multipart/form-data; boundary=b", b"nonsense", 400),
    ],
)
def test_an_upload_that_makes_no_sense_is_refused_and_leaves_nothing(
    rig: Rig, asker: APIClient, query: str, media: str, content: bytes, status: int
) -> None:
    before = rig.within(lambda: SmpPart.objects.count())
    told = send(asker, content, query, media, status)
    assert told["code"]
    assert rig.within(lambda: SmpPart.objects.count()) == before


def test_what_is_over_the_limits_is_refused(
    rig: Rig, asker: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SMP_UPLOAD_MB", 1)
    assert send(asker, b"x" * (3 << 20), status=413)["code"] == "too-large"
    assert send(asker, b"x" * ((1 << 20) + 1), status=413)["code"] == "too-large"
    monkeypatch.setattr(settings, "SMP_OPEN_JOBS", 1)
    send(asker, table([asset(1)]))
    assert send(asker, table([asset(2)]), status=409)["code"] == "too-many-jobs"


def test_a_large_file_is_taken_once_under_its_idempotency_key(
    rig: Rig, asker: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Larger than any body that is held in memory."""
    monkeypatch.setattr(settings, "SMP_UPLOAD_MB", 4)
    content = table(asset(n) for n in range(40_000))
    assert len(content) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    def keyed(content: bytes, query: str = "check_only=true") -> Any:
        return asker.generic(
            *("POST", f"{UPLOADS}?{query}", content),  # type: ignore[arg-type]
            content_type="text/csv",
            headers={"Idempotency-Key": "one"},
        )

    first = keyed(content)
    assert first.status_code == 202, first.content
    assert first.json()["size"] == len(content)
    again = keyed(content)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again["Idempotent-Replayed"] == "true"
    assert keyed(content + b"x").json()["code"] == "idempotency-key-reused"
    assert keyed(content * 3).json()["code"] == "too-large"
    assert rig.within(lambda: SmpJob.objects.filter(size=len(content)).count()) == 1


def test_a_job_is_cancelled_once(rig: Rig, asker: APIClient) -> None:
    told = send(asker, table([asset(1)]))
    place = f"{JOBS}/{told['id']}/cancel"
    assert asker.post(place, {}, format="json").status_code == 400
    answer = asker.post(place, {"reason": "not yet"}, format="json")
    assert (answer.status_code, answer.json()["state"]) == (200, "CANCELLED")
    answer = asker.post(place, {"reason": "again"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "job-finished")


def test_a_batch_is_resolved_only_while_nobody_knows(rig: Rig, asker: APIClient) -> None:
    told = send(asker, table([asset(1)]))
    rig.run(UUID(told["id"]))
    (batch,) = rig.batches(UUID(told["id"]))
    place, body = f"/api/v1/smp/batches/{batch.id}/resolve", {"taken": True, "reason": "asked"}
    answer = asker.post(place, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "batch-known")
    rig.within(lambda: SmpBatch.objects.filter(id=batch.id).update(state="UNKNOWN"))
    rig.within(lambda: SmpJob.objects.filter(id=batch.job_id).update(state="SENDING"))
    answer = asker.post(place, body, format="json")
    assert (answer.status_code, answer.json()["state"]) == (200, "REGISTERED")


def test_what_is_registered_can_be_withdrawn_once_and_stays_in_the_history(
    rig: Rig, asker: APIClient
) -> None:
    told = send(asker, listed([asset(1)], {"unitName": "U9"}), "kind=UNIT", "application/json")
    rig.run(UUID(told["id"]))
    for kind in ("assets", "units"):
        (row,) = asker.get(f"/api/v1/smp/{kind}?current=true").json()["results"]
        place = f"/api/v1/smp/{kind}/{row['id']}/withdraw"
        answer = asker.post(place, {"reason": "sold"}, format="json")
        assert (answer.status_code, answer.json()["end_reason"]) == (200, "sold")
        assert asker.post(place, {"reason": "sold"}, format="json").status_code == 409
        assert asker.get(f"/api/v1/smp/{kind}?current=true").json()["results"] == []


def test_a_login_is_set_and_its_password_never_shown(rig: Rig, asker: APIClient) -> None:
    body = {"environment": "simulator", "username": "alice", "password": PASSWORD}
    answer = asker.put("/api/v1/smp/login", body, format="json")
    assert answer.status_code == 200
    shown = answer.content + asker.get("/api/v1/smp/login").content
    assert b"alice" in shown
    assert PASSWORD.encode() not in shown
    nowhere = asker.put("/api/v1/smp/login", {**body, "environment": "test"}, format="json")
    assert nowhere.status_code == 400


def test_capacity_is_told_by_site_and_in_all(rig: Rig, asker: APIClient) -> None:
    rows = [
        asset(1, generationCapacity=20, demandCapacity=90),
        asset(2, generationCapacity=5, postcode="M1 1AE"),
    ]
    told = send(asker, table(rows))
    rig.run(UUID(told["id"]))
    found = asker.get("/api/v1/smp/capacity").json()["environments"]
    (here,) = [one for one in found if one["environment"] == "simulator"]
    assert here["portfolio"]["capacity_mw"] == "95.000000"
    assert [(one["site"], one["percent"], one["mark"]) for one in here["sites"]] == [
        ("SW1A1AA", "90.00", 90),
        ("M11AE", "5.00", 0),
    ]


def test_nothing_of_alices_is_there_for_mallory(
    rig: Rig, asker: APIClient, mallory: Person
) -> None:
    told = send(asker, table([asset(1)]))
    rig.run(UUID(told["id"]))
    other = client({"X-API-Key": mallory.api_key})
    for part in ("", "/errors", "/rows", "/batches"):
        assert other.get(f"{JOBS}/{told['id']}{part}").status_code == 404
    assert other.get(JOBS).json()["results"] == []
    assert send(other, table([asset(1)]), status=400)["errors"][0]["field"] == "/environment"
