"""A running stack as the tests see it: its files, its processes, and short ways to speak to it as
either side.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import psycopg

from hostsvc.supervisor.spawn import launched
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import LevelParameter, LevelRedeclaration
from messaging.rehearsal.control_point import Answering, ControlPoint, accept
from tenants.audit.deeds import NOTED
from tenants.clock import now
from tests.servers import ROOT

T = TypeVar("T")
START_SECONDS = 120
WAIT_SECONDS = 30.0
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class Rig:
    """One stack in `var`."""

    var: Path
    process: subprocess.Popen[bytes]

    @property
    def service(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.var / "service.json").read_text())
        return told

    @property
    def environment(self) -> dict[str, str]:
        lines = (self.var / "hostsvc.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def tenant(self, name: str) -> dict[str, Any]:
        return next(t for t in self.service["tenants"] if t["name"] == name)

    def control_point(
        self,
        tenant: str,
        index: int = 1,
        *,
        answer: Answering = accept,
        state: Path | None = None,
        profile: str = "host-1",
        ports: Sequence[int] = (),
    ) -> ControlPoint:
        """A control point of the demonstration's, to be used as an asynchronous context manager.
        It goes from one of `ports` to the next where the stack runs several gateways.
        """
        point = self.tenant(tenant)["controlPoints"][index]
        context = ssl.create_default_context(cafile=self.path(point["ca"]))
        context.load_cert_chain(self.path(point["certificate"]), self.path(point["key"]))
        edl = self.service["edl"]
        first, *further = ((edl["host"], port) for port in ports or [edl["port"]])
        pace: dict[str, Any] = {"back_off": (0.05, 0.5)} if ports else {}
        return ControlPoint(
            *(point["name"], *first, context, state, answer, profile), further=further, **pace
        )

    def units(self, tenant: str, index: int = 1) -> list[str]:
        units: list[str] = self.tenant(tenant)["controlPoints"][index]["bmUnits"]
        return units

    def path(self, told: str) -> Path:
        return ROOT / told

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The simulator's control port."""
        url = self.service["simulator"]["controlUrl"] + path
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def dispatch(self, unit: str, point: str, **more: Any) -> Any:
        """Has the simulator send a BOA; `wait` is in its answer's query."""
        wait = more.pop("wait", 5)
        payload = boa(unit, point, level=more.pop("level", 50))
        return self.control("POST", f"/dispatch?wait={wait}", {**payload, **more})

    def api(self, tenant: str, method: str, path: str, body: Any = None) -> Any:
        """The tenant's own API, with its own key."""
        headers = {
            "Authorization": f"Bearer {self.tenant(tenant)['apiKey']}",
            "Content-Type": "application/json",
        }
        url = f"{self.service['api']['url']}/{path}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def endpoint(self, tenant: str, name: str) -> dict[str, Any]:
        """As the API shows it."""
        rows: list[dict[str, Any]] = self.api(tenant, "GET", "endpoints?limit=500")["results"]
        return next(row for row in rows if row["name"] == name)

    @contextmanager
    def endpoint_set(self, tenant: str, name: str, **settings: Any) -> Iterator[None]:
        """Its settings changed as the tenant may change them, and back."""
        row = self.endpoint(tenant, name)
        place = f"endpoints/{row['id']}"
        self.api(tenant, "PATCH", place, {"settings": {**row["settings"], **settings}})
        try:
            yield
        finally:
            self.api(tenant, "PATCH", place, {"settings": row["settings"]})

    def metrics(self, part: str) -> dict[str, float]:
        """What a part counts, each figure by its name with its labels."""
        told = json.loads((self.var / "metrics.json").read_text())
        (target,) = (one["targets"][0] for one in told if one["labels"]["part"] == part)
        with urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        figures = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(figure) for name, _, figure in figures}

    def alarms(self, tenant: str, point: str) -> list[dict[str, Any]]:
        """What was alarmed of a control point's link, the last one last."""
        rows = self.query(
            "SELECT record FROM audit_entry WHERE event = 'alarmed' AND tenant_id ="
            " (SELECT id FROM tenants_tenant WHERE name = %s) ORDER BY seq",
            tenant,
        )
        told = (json.loads(bytes(record))["detail"] for (record,) in rows)
        return [detail for detail in told if detail.get("control_point") == point]

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """As the vendor's staff, who read across tenants."""
        with psycopg.connect(self.environment["DATABASE_STAFF_URL"]) as session:
            return session.execute(statement.encode(), values).fetchall()

    def as_staff(self, script: str) -> None:
        """Runs some Python as the vendor's staff."""
        role = {"HOSTSVC_DATABASE_ROLE": "staff"}
        done = self.manage("shell", "-v", "0", "-c", script, environment=role)
        assert done.returncode == 0, done.stderr

    def manage(
        self, *arguments: str, environment: Mapping[str, str] = NOTHING
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**clean_environment(), **self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def pids(self, part: str) -> list[int]:
        """Processes of a part of this stack, by a word of their command line."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environment = (folder / "environ").read_bytes()
                home = (folder / "cwd").readlink()
            except OSError:
                continue
            ours = f"HOSTSVC_VAR={self.var}\0".encode() in environment
            if part in command and (ours or home.is_relative_to(self.var)):
                found.append(int(folder.name))
        return found

    def kill(self, part: str) -> None:
        """kill -9; the supervisor starts it again."""
        pids = self.pids(part)
        assert pids, f"no process of {part}"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def until(self, holds: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
        """Waits until something is true, and gives it back."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < deadline, "it did not come about in time"
            time.sleep(0.05)
        return found


def start(
    var: Path, program: str = "tests.e2e.stack", settings: Mapping[str, str] = NOTHING
) -> Rig:
    """Starts a stack, which ends with us however we end, and waits until all of it is ready."""
    with (var / "stack.log").open("wb") as log:
        process = subprocess.Popen(
            launched([sys.executable, "-m", program, str(var)], death_signal=signal.SIGTERM),
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**clean_environment(), **settings},
        )
    deadline = time.monotonic() + START_SECONDS
    while not (var / "ready").exists():
        told = (var / "stack.log").read_text(errors="replace")
        assert process.poll() is None, told
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
    return Rig(var, process)


def clean_environment() -> dict[str, str]:
    """What a person's shell would have: none of the tests' own settings."""
    ours = ("HOSTSVC_", "DATABASE_", "REDIS_", "DJANGO_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def stop(rig: Rig) -> None:
    rig.process.terminate()
    rig.process.wait(60)


def stray_lines(var: Path) -> list[str]:
    """What processes of the service wrote in their logs that is no line of JSON."""
    found = []
    for log in sorted([*var.glob("log/*.log"), *var.glob("run_*.log")]):
        lines = log.read_text(errors="replace").splitlines()
        found += [f"{log.name}: {line}" for line in lines if not _is_object(line)]
    return found


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def deeds_of_nobody(rig: Rig) -> list[tuple[Any, ...]]:
    """Entries of what people and commands did that do not say who it was."""
    return rig.query(
        "SELECT event, convert_from(record, 'UTF8') FROM audit_entry"
        f" WHERE {NOTED} AND"
        " coalesce(convert_from(record, 'UTF8')::jsonb -> 'detail' ->> 'by', '') = ''"
    )


def boa(unit: str, point: str, *, minutes: int = 10, level: int = 50) -> dict[str, Any]:
    """An acceptance's payload without ids, from two minutes on."""
    start = minute() + timedelta(minutes=2)
    return {
        "kind": "BOA",
        "controlPoint": point,
        "bmUnit": unit,
        "emergencyFlag": False,
        "soFlag": False,
        "storFlag": False,
        "rrFlag": False,
        "levels": [
            {
                "timeFrom": stamp(start),
                "levelFrom": 0,
                "timeTo": stamp(start + timedelta(minutes=minutes)),
                "levelTo": level,
            }
        ],
    }


def mel(point: str, unit: str, level: int, start_in: int = 0) -> LevelRedeclaration:
    """From so many minutes from now on: one that starts later replaces none that starts before."""
    start = minute() + timedelta(minutes=start_in)
    segment = Segment(start, level, start + timedelta(minutes=30), level)
    return LevelRedeclaration(point, unit, LevelParameter.MEL, (segment,))


def minute() -> datetime:
    return now().replace(second=0, microsecond=0)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs a conversation, bounded."""
    return asyncio.run(asyncio.wait_for(work(), 120))
