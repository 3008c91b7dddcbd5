"""Registrations by the API: files of any form taken, told of, bounded, and nobody else's."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.test import RequestFactory
from rest_framework.response import Response
from rest_framework.test import APIClient

from messaging.relay.smp import jobs
from messaging.relay.smp.jobs import Wish
from messaging.relay.smp.places import platform_for
from messaging.smp_models import SmpBatch, SmpJob, SmpPart
from tenants.api import idempotency
from tenants.models import IdempotentAnswer
from tenants.running import Overtaken, Running
from tenants.scope import tenant_scope
from tests.api.clients import client
from tests.people import Person
from tests.smp.assets import asset, listed, table
from tests.smp.rig import PASSWORD, Rig

UPLOADS, JOBS = "/api/v1/smp/uploads", "/api/v1/smp/jobs"
WISH = Wish("ASSETS", "CSV", "assets.csv", False, False, None, "test")


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


NOBODY = 4_711_004_713
"""A process that is gone: nobody holds the lock of this number."""


@pytest.mark.parametrize(
    "deaths",
    [["handed over"], ["broken off"], ["broken off", "handed over"], ["broken off"] * 2],
    ids=", ".join,
)
def test_an_upload_whose_processes_died_before_they_answered_is_one_job_under_its_key(
    rig: Rig, asker: APIClient, deaths: list[str]
) -> None:
    """The key is the client's way to ask again; a job that a worker has is the answer to it."""
    key = " ".join(deaths)
    content: Any = table([asset(1)])
    headers: Any = {"HTTP_IDEMPOTENCY_KEY": f'"{key}"'}

    def upload() -> UUID:
        answer = asker.generic("POST", UPLOADS, content, content_type="text/csv", **headers)
        assert answer.status_code == 202, answer.content
        return UUID(answer.json()["id"])

    made = []
    for death in deaths:
        made.append(upload())
        with tenant_scope(rig.person.tenant_id):
            IdempotentAnswer.objects.filter(key=key).update(status=None, owner=NOBODY)
            if death == "broken off":
                SmpJob.objects.filter(id=made[-1]).update(state=SmpJob.State.UPLOADING, digest=None)
    made += [upload(), upload()]
    distinct = list(dict.fromkeys(made))
    states = [rig.job(one).state for one in distinct]
    assert states == [*["CANCELLED"] * deaths.count("broken off"), "CHECKING"]
    parts = rig.within(lambda: set(SmpPart.objects.values_list("job_id", flat=True)))
    assert parts & set(distinct) == {distinct[-1]}


def test_an_upload_that_thaws_once_another_has_its_key_is_never_handed_over(rig: Rig) -> None:
    """Frozen between two pieces of the file, for as long as another does the whole of it."""
    tenant_id = rig.person.tenant_id
    asked = idempotency.Asked(tenant_id, "thawed", b"f" * 32)
    content = table([asset(1)])

    def upload(pieces: Iterable[bytes]) -> Response:
        job = jobs.take(tenant_id, platform, WISH, pieces, idempotency.running())
        return Response({"id": str(job.id)})

    def again() -> Any:
        return idempotency.once_outside(tenant_id, asked, lambda: upload([content])).data["id"]

    def frozen() -> Iterator[bytes]:
        yield b"x" * jobs.PART_BYTES * jobs.PARTS_AT_ONCE
        with tenant_scope(tenant_id):
            IdempotentAnswer.objects.filter(key="thawed").update(owner=NOBODY)
        done.append(again())
        yield content

    platform = rig.within(lambda: platform_for("simulator"))
    done: list[str] = []
    with pytest.raises(idempotency.StillRunning):
        idempotency.once_outside(tenant_id, asked, lambda: upload(frozen()))
    assert again() == done[0]
    same = rig.within(lambda: list(SmpJob.objects.order_by("-created_at")[:2]))
    assert [job.state for job in same] == ["CHECKING", "CANCELLED"]
    assert str(same[0].id) == done[0]
    parts = rig.within(lambda: set(SmpPart.objects.values_list("job_id", flat=True)))
    assert parts & {job.id for job in same} == {same[0].id}


def test_one_that_thaws_before_its_job_has_begun_ends_nobody_elses(rig: Rig) -> None:
    """The other is in the middle of its own upload just then."""
    tenant_id = rig.person.tenant_id
    asked = idempotency.Asked(tenant_id, "thawed early", b"f" * 32)
    platform = rig.within(lambda: platform_for("simulator"))
    done: list[str] = []

    def upload(pieces: Iterable[bytes], under: Running | None) -> Response:
        job = jobs.take(tenant_id, platform, WISH, pieces, under)
        return Response({"id": str(job.id), "state": job.state})

    def live(former: Running | None) -> Iterator[bytes]:
        yield b"x" * jobs.PART_BYTES * jobs.PARTS_AT_ONCE
        with pytest.raises(Overtaken):
            upload([b"y"], former)
        yield b"x"

    def frozen() -> Response:
        former = idempotency.running()
        with tenant_scope(tenant_id):
            IdempotentAnswer.objects.filter(key="thawed early").update(owner=NOBODY)
        told = idempotency.once_outside(
            tenant_id, asked, lambda: upload(live(former), idempotency.running())
        )
        assert told.data["state"] == "CHECKING"
        done.append(told.data["id"])
        return Response({})

    before = rig.within(lambda: SmpJob.objects.count())
    with pytest.raises(idempotency.StillRunning):
        idempotency.once_outside(tenant_id, asked, frozen)
    assert len(done) == 1
    assert rig.within(lambda: SmpJob.objects.count()) == before + 1


def test_a_job_whose_hand_over_was_committed_and_not_said_keeps_its_file(rig: Rig) -> None:
    """The lost commit's second run finds what the first did."""
    job = rig.job(rig.upload(table([asset(1)])))
    assert job.digest is not None
    again = rig.within(lambda: jobs._hand_over(job.id, bytes(job.digest or b""), job.size, None))
    assert again.state == "CHECKING"
    assert rig.within(lambda: SmpPart.objects.filter(job_id=job.id).exists())
    assert rig.run(job.id).state == "REGISTERED"


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


def test_a_large_file_of_a_form_has_no_name_that_a_killed_process_would_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = b"x" * (settings.FILE_UPLOAD_MAX_MEMORY_SIZE + 1)
    asked = RequestFactory().post("/", {"file": SimpleUploadedFile("a.csv", content)})
    file = asked.FILES["file"]
    assert isinstance(file, UploadedFile)
    assert (file.name, file.size) == ("a.csv", len(content))
    assert list(tmp_path.iterdir()) == []
    assert file.read() == content


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
