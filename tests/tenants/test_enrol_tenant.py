"""A production tenant is enrolled from a file, all of it or nothing."""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tenants import api_keys, directory
from tenants.credentials import Shown
from tenants.directory import Known
from tenants.models import BmUnit, Certificate, Endpoint, Tenant
from tenants.permissions import Permission
from tenants.scope import tenant_scope
from tests.keys.papers import DAY, MIDDLE, ROOT, Wish, issue
from tests.people import Cast
from tests.roles import as_role
from tests.servers import TestServers

PLAN = """
name = "Alder Energy"
participant_id = "ALDERENERGY"
trading_agent = "ALDRTA"
environment = "simulator"

[[operators]]
peer = "simulator"
address = "https://so.example/wa"

[[control_points]]
name = "ALDR1"
bm_units = ["aldr-001", "ALDR-002"]
certificate = "aldr1.pem"

[[control_points]]
name = "ALDR2"
bm_units = []
certificate = "aldr2.pem"
settings = { profile = "host-1" }
"""


@pytest.fixture(autouse=True)
def staff(cast: Cast, servers: TestServers, database: str) -> Iterator[None]:
    with as_role("staff", servers, database):
        yield


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    (tmp_path / "aldr1.pem").write_text(MIDDLE.pem + issue(MIDDLE).pem)
    (tmp_path / "aldr2.pem").write_text(issue(ROOT).pem)
    file = tmp_path / "alder.toml"
    file.write_text(PLAN)
    return file


def enrol(file: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("enrol_tenant", str(file), *options, stdout=out)
    return out.getvalue()


def refusal(file: Path) -> str:
    before = Tenant.objects.count(), Endpoint.objects.count(), Certificate.objects.count()
    with pytest.raises(CommandError, match="Nothing was enrolled") as caught:
        enrol(file)
    assert before == (
        Tenant.objects.count(),
        Endpoint.objects.count(),
        Certificate.objects.count(),
    )
    return str(caught.value)


def test_a_plan_is_enrolled_whole_and_a_second_time_refused_whole(plan: Path) -> None:
    assert "Nothing is wrong" in enrol(plan, "--check")
    assert not Tenant.objects.filter(name="Alder Energy")
    assert "Alder Energy is enrolled" in enrol(plan)
    tenant_id = directory.find_tenant(Known.PARTICIPANT, b"ALDERENERGY")
    assert tenant_id is not None
    with tenant_scope(tenant_id):
        assert sorted(Endpoint.objects.values_list("protocol", "name")) == [
            ("edl", "ALDR1"),
            ("edl", "ALDR2"),
            ("neso-wa", "simulator"),
        ]
        assert sorted(BmUnit.objects.values_list("name", flat=True)) == ["ALDR-001", "ALDR-002"]
        shown = Certificate.objects.values_list("purpose", "state", "private_key")
        assert list(shown) == [("CONTROL_POINT", "ACTIVE", None)] * 2
    assert "another tenant" in refusal(plan)


def test_a_plan_can_be_json(plan: Path) -> None:
    file = plan.with_suffix(".json")
    told = json.dumps(tomllib.loads(PLAN.replace("aldr-", "ALDR-")))
    file.write_text(told.replace("Alder", "Birch").replace("ALD", "BRC"))
    assert "Birch Energy is enrolled" in enrol(file)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "Alder Energy"', "", "name: must be a text"),
        ('"simulator"\n\n', '"moon"\n\n', "environment: must be one of"),
        ('peer = "simulator"', 'peer = "nobody"', "operators[0].peer: no peer"),
        ("https://so", "http://so", "operators[0].address: must be an https://"),
        ('"aldr2.pem"', '"missing.pem"', "control_points[1].certificate: cannot be read"),
        ('"aldr2.pem"', '"alder.toml"', "control_points[1].certificate: This is not"),
        ('"aldr2.pem"', '"old.pem"', "control_points[1].certificate: The certificate expired"),
        ('["aldr-001", "ALDR-002"]', "7", "control_points[0].bm_units: must be a list"),
        ('{ profile = "host-1" }', "7", "control_points[1].settings: must be a table"),
        ("[[operators]]", "colour = 1\n[[operators]]", "'colour' is not known"),
        ("bm_units = []", "bm_unit = []", "control_points[1]: 'bm_unit' is not known"),
        ("[[operators]]", "[operators]", "operators: must be a list of tables"),
        ("[[operators]]", "[[", "cannot be read"),
    ],
)
def test_a_bad_plan_is_refused_with_where_and_why(
    plan: Path, old: str, new: str, told: str
) -> None:
    expired = issue(ROOT, Wish(starts=-9 * DAY, ends=-DAY))
    plan.with_name("old.pem").write_text(expired.pem)
    assert old in PLAN
    plan.write_text(PLAN.replace(old, new))
    assert told in refusal(plan)


def test_all_that_is_wrong_is_said_at_once(plan: Path) -> None:
    plan.write_text(PLAN.replace("https://", "ftp://").replace(".pem", ".gone"))
    assert len(refusal(plan).splitlines()) == 4


def test_a_unit_of_anothers_takes_the_whole_plan_down(plan: Path, cast: Cast) -> None:
    unit = cast.alice.bm_units[cast.alice.control_points[0]][0]
    text = PLAN.replace("Alder Energy", "Cedar").replace("ALDERENERGY", "CEDAR")
    plan.write_text(text.replace("bm_units = []", f'bm_units = ["{unit}"]'))
    assert "another tenant" in refusal(plan)
    assert directory.find_tenant(Known.PARTICIPANT, b"CEDAR") is None


def test_the_first_owner_comes_with_a_key(plan: Path) -> None:
    plan.write_text(plan.read_text().replace("Alder", "Hazel").replace("ALDER", "HAZEL"))
    plan.write_text(plan.read_text().replace("ALDR", "HAZL").replace("aldr-001", "hazl-001"))
    plan.write_text(re.sub(r'certificate = ".*"\n', "", plan.read_text()))
    with pytest.raises(CommandError, match="no e-mail address"):
        enrol(plan, "--owner", "Ada", "nowhere")
    assert directory.find_tenant(Known.TENANT_NAME, b"Hazel Energy") is None
    told = enrol(plan, "--owner", "Ada", "ada@hazel.example")
    tenant_id = directory.find_tenant(Known.TENANT_NAME, b"Hazel Energy")
    assert tenant_id is not None
    shown = api_keys.find(told.split()[-1], None)
    assert isinstance(shown, Shown)
    assert shown.tenant_id == tenant_id
    assert shown.permissions == frozenset(Permission)
    with tenant_scope(tenant_id):
        assert Endpoint.objects.filter(protocol="edl").count() == 2
        assert not Certificate.objects.filter(purpose="CONTROL_POINT").exists()
