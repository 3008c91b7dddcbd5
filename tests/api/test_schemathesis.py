"""The description of the API, played against the API's process by schemathesis: whatever is asked,
the answer is one that the description tells of, and never a fault of the host's.

Always the same and short; `make fuzz-api` plays longer, with other data and sequences of requests.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hostsvc import openapi
from tenants import api_keys, members
from tenants.models import Endpoint
from tenants.permissions import Role
from tenants.scope import tenant_scope
from tests.api.addresses import ROWS
from tests.api.carried import carry
from tests.api.equipped import equip
from tests.api.test_web_process import running
from tests.people import Person
from tests.servers import ROOT, TestServers

SHORT = "--seed 1 --generation-deterministic --phases examples,coverage"
SHORT_SECONDS = 600
LONG_SECONDS = 4 * 3600
LONGER = os.environ.get("HOSTSVC_FUZZ_API")
SECONDS = LONG_SECONDS if LONGER else SHORT_SECONDS


@pytest.mark.timeout(SECONDS + 60)  # What pytest allows any other test is too little.
def test_every_answer_is_one_that_the_description_tells_of(
    servers: TestServers, database: str, alice: Person, tmp_path: Path
) -> None:
    equip(alice)
    carry(alice)
    with tenant_scope(alice.tenant_id):
        owner = members.add("schemathesis", "s@alice.example", Role.OWNER)
        minted = api_keys.mint("schemathesis", member=owner)
        rows = {name: str(find()) for name, find in ROWS.items()}
        rows["endpoint_id"] = str(Endpoint.objects.get(protocol="neso-wa").id)
    told = tmp_path / "openapi.json"
    told.write_text(json.dumps(openapi.description()))
    environment = {
        **os.environ,
        "HOSTSVC_FUZZ_OWN": f"{owner.id} {minted.row.id}",
        "HOSTSVC_FUZZ_ROWS": json.dumps(rows),
    }
    with running(servers, database, tmp_path / "log", {}) as port:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", "tests/fuzz/schemathesis.toml", "--no-color"),
                *("run", str(told), "--url", f"http://127.0.0.1:{port}"),
                *("--header", f"Authorization: Bearer {minted.text}"),
                *shlex.split(LONGER or SHORT),
            ],
            cwd=ROOT,
            env=environment,
            stdout=None if LONGER else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout}\n{(tmp_path / 'log').read_text()[-5000:]}"
