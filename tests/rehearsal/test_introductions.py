"""A tenant that was enrolled beside the demonstration's: its keys are certified by openssl as the
operator's authority, and the simulated operator is told of it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from messaging.rehearsal import introductions
from messaging.rehearsal.authority import Authority
from messaging.rehearsal.introductions import NotReady
from messaging.simulator.config import load
from tenants.models import Peer
from tests.api.clients import client
from tests.people import Cast, Person
from tests.roles import as_role
from tests.servers import TestServers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a demonstration that knows nobody yet."""
    authority, operators = Authority("demonstration"), Authority("operator")
    operators.write(tmp_path / "simulator-ca.pem", tmp_path / "simulator-ca.key")
    for name in ("tls", "signing"):
        authority.issue(name).write(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
    config = {
        "participantId": "NGESO",
        **dict.fromkeys(("waPort", "smpPort", "controlPort"), 0),
        "tls": {"certificate": "tls.pem", "key": "tls.key", "ca": "tls.pem"},
        "signing": {"certificate": "signing.pem", "key": "signing.key"},
        "hostCa": "tls.pem",
        "hostWaUrl": "https://127.0.0.1:9/wa",
        "hostSmpUrl": "https://127.0.0.1:9/smp",
        "tenants": [],
    }
    (tmp_path / "simulator.json").write_text(json.dumps(config))
    return tmp_path


def certified(person: Person, purpose: str, openssl: str, folder: Path) -> Any:
    """As docs/quick_start.md has it."""
    asker = client({"X-API-Key": person.api_key})
    body = {"purpose": purpose, "environment": "simulator"}
    asked = asker.post("/api/v1/certificates/requests", body, format="json").json()
    extensions = ("subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid")
    usage = "keyUsage=critical,digitalSignature"
    (folder / "extensions").write_text("\n".join((*extensions, usage, "")))
    done = subprocess.run(
        [
            *(openssl, "x509", "-req", "-days", "365", "-CA", "simulator-ca.pem"),
            *("-CAkey", "simulator-ca.key", "-extfile", "extensions"),
        ],
        cwd=folder,
        input=asked["request"],
        capture_output=True,
        text=True,
        check=True,
    )
    answer = {"certificate": done.stdout}
    return asker.post(f"/api/v1/certificates/{asked['id']}/answer", answer, format="json")


def test_whom_the_operator_is_told_of_it_knows_by_certificates_and_units(
    cast: Cast,
    os_tool: Callable[[str], str],
    folder: Path,
    servers: TestServers,
    database: str,
) -> None:
    alice = cast.alice
    for purpose in ("SIGNING", "SO_CLIENT"):
        told = certified(alice, purpose, os_tool("openssl"), folder)
        assert told.status_code == 200, told.json()
        assert told.json()["state"] in {"NEXT", "ACTIVE"}
    with as_role("staff", servers, database):
        introductions.introduce(folder, "alice")
        introductions.introduce(folder, "alice")
        (tenant,) = load(folder / "simulator.json").tenants.values()
        assert tenant.participant_id == alice.participant_id
        assert tenant.bm_units == {unit for units in alice.bm_units.values() for unit in units}
        assert len(tenant.tls_fingerprints) == len(tenant.verifiers) == 2
        again = introductions.introduce_again(
            folder, "https://127.0.0.1:10", Peer.objects.get(name="simulator")
        )
        assert [one["participantId"] for one in again] == [alice.participant_id]
        with pytest.raises(NotReady):
            introductions.introduce(folder, "nobody")
