"""A file's way through: checked, divided, sent, asked about, and merged into one job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from messaging.smp_models import RegisteredAsset, RegisteredUnit, SmpBatch, SmpJob, SmpPart
from tests.smp.assets import asset, listed, mpan, table
from tests.smp.rig import Rig

State = SmpJob.State


def test_a_file_of_2500_rows_goes_in_three_batches_in_order(rig: Rig) -> None:
    before = len(rig.asked("Asset/Create"))
    job = rig.run(rig.upload(table(asset(n) for n in range(2500))))
    assert (job.state, job.rows_read, job.rows_wrong) == (State.REGISTERED, 2500, 0)
    assert (job.rows_registered, job.rows_failed) == (2500, 0)
    batches = rig.batches(job.id)
    assert [(b.first_row, b.last_row, b.rows) for b in batches] == [
        (2, 1001, 1000),
        (1002, 2001, 1000),
        (2002, 2501, 500),
    ]
    sent = [row["payload"]["assets"] for row in rig.asked("Asset/Create")[before:]]
    assert [len(one) for one in sent] == [1000, 1000, 500]
    assert sent[1][0]["assetName"] == "Battery 1000"
    assert rig.within(lambda: RegisteredAsset.objects.filter(job=job).count()) == 2500
    assert rig.within(lambda: SmpPart.objects.count()) == 0


def test_one_wrong_row_keeps_the_whole_file_back_unless_the_good_ones_are_to_go(rig: Rig) -> None:
    rows = [asset(1), asset(2, importMpan="1"), asset(3, postcode="x", latitude=0)]
    job = rig.run(rig.upload(table(rows)))
    assert (job.state, job.rows_wrong, rig.batches(job.id)) == (State.REFUSED, 2, [])
    assert job.reason == "2 of 3 rows are wrong, and nothing was sent"
    assert rig.findings(job.id) == [
        (3, "importMpan", "HOST"),
        (4, "latitude", "HOST"),
        (4, "postcode", "HOST"),
    ]
    job = rig.run(rig.upload(table(rows), send_good=True))
    assert (job.state, job.rows_registered, job.rows_wrong) == (State.PARTLY, 1, 2)


def test_a_file_that_is_only_to_be_checked_is_not_sent(rig: Rig) -> None:
    job = rig.run(rig.upload(table([asset(1)]), check_only=True))
    assert (job.state, job.reason, rig.batches(job.id)) == (State.CHECKED, "", [])


def test_findings_name_the_columns_as_they_were_uploaded(rig: Rig) -> None:
    content = table([asset(1, importMpan="1")]).replace(b"importMpan", b"Import MPAN")
    job = rig.run(rig.upload(content))
    assert rig.findings(job.id) == [(2, "Import MPAN", "HOST")]


def test_what_is_there_twice_is_told_with_the_row_it_is_the_same_as(rig: Rig) -> None:
    rows = [
        asset(1),
        asset(2, assetName="battery  1"),
        asset(3, importMpan=mpan(1)),
        asset(4, exportMpan=mpan(2)),
    ]
    job = rig.run(rig.upload(table(rows)))
    assert job.rows_wrong == 3
    assert rig.findings(job.id) == [
        (3, "assetName", "HOST"),
        (4, "importMpan", "HOST"),
        (5, "exportMpan", "HOST"),
    ]


def test_what_is_registered_already_is_refused_by_name_and_by_mpan(rig: Rig) -> None:
    assert rig.run(rig.upload(table([asset(1), asset(2)]))).state == State.REGISTERED
    rows = [asset(3, assetName="BATTERY 1"), asset(4, exportMpan=mpan(2)), asset(5)]
    job = rig.run(rig.upload(table(rows)))
    assert rig.findings(job.id) == [(2, "assetName", "HOST"), (3, "exportMpan", "HOST")]
    assert job.rows_wrong == 2


def test_what_another_job_is_registering_is_refused(rig: Rig) -> None:
    first, second = rig.upload(table([asset(1)])), rig.upload(table([asset(1)]))
    rig.set(address="https://127.0.0.1:9")
    rig.work(first)
    rig.work(second)
    assert rig.job(second).state == State.REFUSED
    assert [row for row, _, _ in rig.findings(second)] == [2, 2]


def test_what_the_platform_finds_names_the_uploaded_row_and_column(rig: Rig) -> None:
    """The simulator wants text where the host, this once, is told to send what it finds wrong."""
    content = table([asset(n) for n in range(5)]).replace(b"assetName", b"Asset Name")
    rig.fault(
        "refuse", "Asset/Create", code="R003", text="no such place", errorPath="/assets/3/assetName"
    )
    job = rig.run(rig.upload(content))
    assert (job.state, job.rows_failed) == (State.FAILED, 5)
    assert rig.findings(job.id) == [(5, "Asset Name", "OPERATOR")]


def test_a_failed_transaction_fails_its_batch_and_the_others_go_on(rig: Rig) -> None:
    rig.times(pending=60)
    job_id = rig.upload(listed(asset(n) for n in range(1500)))
    rig.run(job_id, State.SENDING)
    while sum(batch.state == SmpBatch.State.OPEN for batch in rig.batches(job_id)) < 2:
        rig.step()
    first, second = rig.batches(job_id)
    errors: list[dict[str, Any]] = [
        {"index": 7, "field": "postcode", "code": "R003", "text": "unknown"}
    ]
    assert rig.give_back(first.transaction_id, "FAILED", errors).status == 200
    assert rig.give_back(second.transaction_id).status == 200
    job = rig.job(job_id)
    assert (job.state, job.rows_registered, job.rows_failed) == (State.PARTLY, 500, 1000)
    assert rig.findings(job_id) == [(8, "postcode", "OPERATOR")]


UNIT = {"unitName": "Unit 1", "services": ["BM"]}


def test_a_unit_goes_with_its_assets_in_one_request(rig: Rig) -> None:
    content = listed([asset(n) for n in range(3)], UNIT)
    job = rig.run(rig.upload(content, kind=SmpJob.Kind.UNIT))
    assert (job.state, job.rows_registered) == (State.REGISTERED, 3)
    sent = rig.asked("Unit/Create")[-1]["payload"]
    assert (sent["unit"], len(sent["assets"])) == (UNIT, 3)
    unit = rig.within(lambda: RegisteredUnit.objects.get(valid_to=None))
    assets = rig.within(lambda: list(RegisteredAsset.objects.filter(valid_to=None)))
    assert (unit.name, {one.unit_id for one in assets}) == ("Unit 1", {unit.id})


def test_a_unit_may_stand_beside_a_table_and_have_no_assets_in_a_list(rig: Rig) -> None:
    job = rig.run(rig.upload(table([asset(1)]), kind=SmpJob.Kind.UNIT, unit=UNIT))
    assert job.state == State.REGISTERED
    alone = listed([], {**UNIT, "unitName": "Unit 2"})
    assert rig.run(rig.upload(alone, kind=SmpJob.Kind.UNIT)).state == State.REGISTERED


def test_a_registered_asset_may_be_aligned_with_a_unit_and_keeps_its_history(rig: Rig) -> None:
    assert rig.run(rig.upload(table([asset(1)]))).state == State.REGISTERED
    job = rig.run(rig.upload(listed([asset(1)], UNIT), kind=SmpJob.Kind.UNIT))
    assert job.state == State.REGISTERED
    rows = rig.within(lambda: list(RegisteredAsset.objects.filter(key="battery 1").order_by("id")))
    before, after = rows[-2:]
    assert before.unit_id is None
    assert before.valid_to == after.valid_from
    assert (after.unit_id is not None, after.valid_to) == (True, None)


def test_more_than_a_thousand_assets_on_a_unit_are_refused_and_not_split(rig: Rig) -> None:
    before = len(rig.asked("Unit/Create"))
    content = listed((asset(n) for n in range(1001)), UNIT)
    job = rig.run(rig.upload(content, kind=SmpJob.Kind.UNIT))
    assert job.state == State.REFUSED
    assert "1001 assets on one unit: the platform takes at most 1000" in job.reason
    assert len(rig.asked("Unit/Create")) == before


def test_a_unit_that_is_wrong_or_registered_is_refused(rig: Rig) -> None:
    wrong = listed([asset(1)], {"services": ["BM"]})
    job = rig.run(rig.upload(wrong, kind=SmpJob.Kind.UNIT))
    assert (job.state, rig.findings(job.id)) == (State.REFUSED, [(0, "unitName", "HOST")])
    assert rig.run(rig.upload(listed([], UNIT), kind=SmpJob.Kind.UNIT)).state == State.REGISTERED
    again = rig.run(rig.upload(listed([], UNIT), kind=SmpJob.Kind.UNIT))
    assert (again.state, rig.findings(again.id)) == (State.REFUSED, [(0, "unitName", "HOST")])


@pytest.mark.parametrize("name", ["U\0", "\ud800"])
def test_a_unit_that_cannot_be_stored_is_refused(rig: Rig, name: str) -> None:
    content = listed([asset(1)], {**UNIT, "controlPointContact": {"name": name}})
    job = rig.run(rig.upload(content, kind=SmpJob.Kind.UNIT))
    assert job.state == State.REFUSED
    assert (0, "unit", "HOST") in rig.findings(job.id)


def test_a_unit_is_sent_as_it_was_read(rig: Rig) -> None:
    unit = {"unitName": " Unit 7 ", "services": "BM;DC", "eic": ""}
    job = rig.run(rig.upload(table([asset(1)]), kind=SmpJob.Kind.UNIT, unit=unit))
    assert job.state == State.REGISTERED
    sent = rig.asked("Unit/Create")[-1]["payload"]["unit"]
    assert sent == {"unitName": "Unit 7", "services": ["BM", "DC"]}


def test_a_unit_in_a_job_of_assets_is_refused(rig: Rig) -> None:
    job = rig.run(rig.upload(listed([asset(1)], UNIT)))
    assert (job.state, job.reason) == (State.REFUSED, "a unit is uploaded as a job of kind UNIT")


def test_a_file_that_cannot_be_read_to_its_end_is_refused_with_the_row(rig: Rig) -> None:
    job = rig.run(rig.upload(table([asset(1), asset(2)]) + b'"open'))
    assert job.state == State.REFUSED
    assert rig.findings(job.id) == [(4, "", "HOST")]
    assert "row 4" in job.reason


def test_a_heading_that_will_not_do_is_told_by_its_columns(rig: Rig) -> None:
    job = rig.run(rig.upload(b"colour,importMpan\nred,1\n"))
    assert (job.state, job.rows_read) == (State.REFUSED, 0)
    assert rig.findings(job.id) == [(1, "colour", "HOST"), (1, "assetName", "HOST")]


MAPPING = """
name = "simulator"
[asset]
fuelType = "what.fuel"
"""


def test_names_are_those_of_the_environments_mapping_there_and_back(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "neso-smp" / "mappings").mkdir(parents=True)
    (tmp_path / "neso-smp" / "mappings" / "simulator.toml").write_text(MAPPING)
    monkeypatch.setattr(settings, "PROFILE_DIR", tmp_path)
    rig.fault("refuse", "Asset/Create", code="R003", text="no", errorPath="/assets/0/what/fuel")
    job = rig.run(rig.upload(table([asset(1)])))
    assert rig.findings(job.id) == [(2, "fuelType", "OPERATOR")]
    (sent,) = rig.asked("Asset/Create")[-1]["payload"]["assets"]
    assert sent["what"] == {"fuel": "battery"}


def test_a_batch_is_no_longer_than_a_request_may_be(rig: Rig) -> None:
    rig.set(address="https://127.0.0.1:9")
    long = dict.fromkeys(("fuelType", "connectionVoltage", "meteringAccuracy"), "x" * 200)
    rows = (asset(n, assetName=f"{n} " + "é" * 190, **long) for n in range(1000))
    job_id = rig.upload(listed(rows))
    rig.work(job_id)
    first, second = rig.batches(job_id)
    assert first.rows + second.rows == 1000
    assert (first.first_row, second.last_row) == (1, 1000)
