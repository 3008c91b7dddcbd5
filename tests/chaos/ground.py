"""What a chaos run happens on: a running stack of its own, with a cable in each of its links to the
outside, and control points of two profiles.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from hostsvc.stack.layout import write_private
from hostsvc.supervisor.ports import recall
from tests.cable import Cable
from tests.chaos.stack import SECOND_GATEWAY
from tests.e2e import rig as rigs
from tests.e2e.rig import Rig
from tests.servers import ROOT

PREFIX = "chaos-"
NOTICED_AFTER = 1.5
"""Seconds after which every process knows of a change of the register."""

PROFILES = {"ALDR2": "delimited-1", "BRCH1": "delimited-1"}
"""Of the control points that do not speak host-1."""

_SCOPE = "SELECT set_config('app.tenant_id', %s, true)"
_ENDPOINTS = "SELECT id, tenant_id::text, name, protocol FROM tenants_endpoint"
_LEAD = """
UPDATE tenants_endpoint SET address = coalesce(%s, address), settings = settings || %s::jsonb
WHERE id = %s
"""
_TENANTS = "SELECT id::text, name FROM tenants_tenant"


@dataclass(frozen=True, slots=True)
class Ground:
    """`cables` by what they lead to, as the plan names them."""

    rig: Rig
    cables: Mapping[str, Cable]

    @property
    def gateways(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Where control points connect to."""
        first, second = (self.cables[name].port for name in ("edl", "edl-2"))
        return ("127.0.0.1", first), ("127.0.0.1", second)


@contextmanager
def prepared(keep: bool = False) -> Iterator[Ground]:
    """Stops it, and removes it unless it is to be kept."""
    (ROOT / "var").mkdir(exist_ok=True)
    var = Path(tempfile.mkdtemp(prefix=PREFIX, dir=ROOT / "var"))
    rig = rigs.start(var, "tests.chaos.stack")
    try:
        with ExitStack() as stack:
            cables = {
                name: stack.enter_context(Cable(url)) for name, url in _addresses(rig).items()
            }
            _lead_host(rig, cables)
            _lead_operator(rig, cables["inbound"])
            time.sleep(NOTICED_AFTER)
            yield Ground(rig, cables)
    finally:
        rigs.stop(rig)
        if not keep:
            shutil.rmtree(var, ignore_errors=True)


def _addresses(rig: Rig) -> dict[str, str]:
    service = rig.service
    edl, operator = service["edl"], service["simulator"]
    (second,) = recall(rig.var / SECOND_GATEWAY)
    return {
        "edl": f"tcp://127.0.0.1:{edl['port']}",
        "edl-2": f"tcp://127.0.0.1:{second}",
        "operator": operator["waUrl"],
        "platform": operator["smpUrl"],
        "inbound": service["inbound"]["waUrl"],
    }


def _lead_host(rig: Rig, cables: Mapping[str, Cable]) -> None:
    """To the operator by way of the cables; patience is short, so that much happens in a run."""
    operator: dict[str, object] = {"answer_seconds": 4, "health_seconds": 5}
    patience = {"answer_seconds": 8, "return_seconds": 12, "poll_at_most_seconds": 4}
    platform: dict[str, object] = {**patience}
    with psycopg.connect(rig.environment["DATABASE_STAFF_URL"]) as session:
        tenants: dict[str, str] = dict(session.execute(_TENANTS.encode()).fetchall())
        for endpoint, tenant, name, protocol in session.execute(_ENDPOINTS.encode()).fetchall():
            address: str | None = None
            settings: dict[str, object] = {}
            if protocol == "neso-wa":
                # One tenant's redeclarations all go, the other's give way to newer ones.
                keep = "never" if tenants[tenant] == "birch" else "covered"
                address, settings = cables["operator"].url, {**operator, "supersede": keep}
            elif protocol == "neso-smp":
                address, settings = cables["platform"].url, platform
            elif name in PROFILES:
                settings = {"profile": PROFILES[name]}
            if settings:
                session.execute(_SCOPE, [tenant])
                session.execute(_LEAD, [address, json.dumps(settings), endpoint])


def _lead_operator(rig: Rig, inbound: Cable) -> None:
    """To the host by way of the cable. The simulator reads its configuration again."""
    path = rig.var / "demo" / "simulator.json"
    told = json.loads(path.read_text())
    for name in ("hostWaUrl", "hostSmpUrl"):
        url = urlsplit(told[name])
        told[name] = url._replace(netloc=f"127.0.0.1:{inbound.port}").geturl()
    write_private(path, json.dumps(told, indent=2))
