"""Starting, stopping and reconfiguring; and that the simulator shares no code with the host."""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import messaging.simulator
from messaging.simulator.config import load
from messaging.simulator.options import ConfigError
from tests.simulator.cast import (
    alice,
    bob,
    client_context,
    make_cast,
    make_pair,
    make_tenant,
    write_config,
)
from tests.simulator.peer import JOSE, Seal, mel
from tests.simulator.rig import rig
from tests.simulator.test_day import ROWS
from tests.simulator.test_day import write as write_day

ROOT = Path(messaging.simulator.__file__).resolve().parents[2]
MODULES = sorted((ROOT / "messaging" / "simulator").rglob("*.py"))

# What Django wants to know before a command that uses none of it.
SETTINGS = {
    "HOSTSVC_ENV_FILE": "/nonexistent",
    "HOSTSVC_SECRET_KEY": "unused",
    "HOSTSVC_MASTER_KEY": base64.b64encode(bytes(32)).decode(),
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
READY = r"NGESO simulator ready: .*wa port (\d+), .*control port (\d+)\n"


def start(config: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "messaging.simulator", "--config", str(config), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_it_prints_one_line_when_ready_and_a_sigterm_ends_it_though_a_request_hangs(
    tmp_path: Path,
) -> None:
    config = write_config(make_cast(), tmp_path, 1)
    with start(config) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            ports = re.fullmatch(
                r"NGESO simulator ready: .*wa port (\d+), .*control port (\d+)\n", line
            )
            assert ports is not None
            asyncio.run(_hang_then_stop(process, int(ports[1]), int(ports[2]), tmp_path))
            assert process.wait(15) == 0
            assert process.stdout.read() == ""
            assert process.stderr is not None
            assert process.stderr.read() == ""
        finally:
            process.kill()


async def _hang_then_stop(
    process: subprocess.Popen[str], wa_port: int, control_port: int, folder: Path
) -> None:
    cast = make_cast()
    async with aiohttp.ClientSession() as session:
        control = f"http://127.0.0.1:{control_port}"
        body = {"faults": [{"fault": "timeout_after"}]}
        async with session.post(f"{control}/faults", json=body) as answer:
            assert answer.status == 200
        sent = asyncio.create_task(
            session.post(
                f"https://127.0.0.1:{wa_port}/NESO_Redeclaration",
                data=Seal(cast.alice_signing, "ALICE").close(mel()),
                headers={"Content-Type": JOSE},
                ssl=client_context(cast, cast.alice_tls, folder),
            )
        )
        async with asyncio.timeout(15):
            while True:
                async with session.get(f"{control}/messages") as answer:
                    if len((await answer.json())["messages"]) == 2:
                        break
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(aiohttp.ClientError):
            await sent


def test_a_scenario_and_a_day_can_be_given_at_the_start(tmp_path: Path) -> None:
    config = write_config(make_cast(), tmp_path, 1)
    scenario = tmp_path / "long.toml"
    scenario.write_text('name = "Long"\n[[step]]\nat = "1h"\nclear = true\n')
    with start(
        config, "--scenario", str(scenario), "--day", str(write_day(tmp_path, *ROWS))
    ) as one:
        try:
            assert one.stdout is not None
            ports = re.search(r"control port (\d+)", one.stdout.readline())
            assert ports is not None
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/state") as answer:
                state = json.loads(answer.read())
            assert state["scenario"]["name"] == "Long"
            assert state["scenario"]["running"]
            assert state["day"]["days"] == {"2026-03-01": 3, "2026-03-02": 1}
            one.send_signal(signal.SIGTERM)
            assert one.wait(15) == 0
        finally:
            one.kill()


def test_scenario_files_are_checked_without_starting_anything(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('name = "Good"\nspeed = 60\n[[step]]\nat = "1h"\nclear = true\n')
    bad.write_text('name = "Bad"\n[[step]]\nfault = "gremlins"\n[[step]]\nclear = 1\n')
    done = subprocess.run(
        [sys.executable, "manage.py", "simulate_ngeso", "--check", str(good), str(bad)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **SETTINGS},
    )
    assert done.stdout.splitlines() == [
        f"{good}: Good, 1 happenings, lasts 0:01:00",
        f"{bad}:3: unknown fault 'gremlins'",
        f"{bad}:5: clear is not true",
    ]
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("option", "text", "told"),
    [
        ("--scenario", 'name = "Bad"\n', "bad.toml:1: there is no [[step]]"),
        ("--day", "a,b\n", "simulator: bad.toml line 1: no column"),
    ],
)
def test_a_file_that_cannot_be_used_at_the_start_is_told(
    option: str, text: str, told: str, tmp_path: Path
) -> None:
    config, bad = write_config(make_cast(), tmp_path, 1), tmp_path / "bad.toml"
    bad.write_text(text)
    with start(config, option, str(bad)) as process:
        out, err = process.communicate(timeout=15)
    assert (process.returncode, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_configuration_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "bad.json"
    config.write_text("{}")
    with start(config) as process:
        out, err = process.communicate(timeout=15)
    assert (process.returncode, out) == (2, "")
    assert err == "simulator: tenants is missing\n"


BAD_CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"waPort": "8443"}, "waPort"),
    ({"waPort": True}, "waPort"),
    ({"dispatchEvery": "often"}, "dispatchEvery"),
    ({"signing": {"certificate": "none.pem", "key": "none.key"}}, "none.pem"),
    ({"signing": {"certificate": "host-ca.pem", "key": "operator-signing.key"}}, "signing.key"),
    ({"tenants": [1]}, "tenants"),
    ({"tenants": [{}]}, "tenants[0].controlPoints"),
    ({"hostWaUrl": None}, "hostWaUrl"),
]


@pytest.mark.parametrize(("change", "named"), BAD_CONFIGS)
def test_a_bad_configuration_names_the_key(
    change: dict[str, Any], named: str, tmp_path: Path
) -> None:
    path = write_config(make_cast(), tmp_path, 1, **change)
    with pytest.raises(ConfigError, match=re.escape(named)):
        load(path)


def test_two_tenants_may_not_share_a_certificate_or_an_id(tmp_path: Path) -> None:
    cast = make_cast()
    ours, theirs = alice(cast, tmp_path), bob(cast, tmp_path)
    shared = {**theirs, "tlsCertificates": ours["tlsCertificates"]}
    for second in (shared, {**theirs, "participantId": "ALICE"}):
        path = write_config(cast, tmp_path, 1, tenants=[ours, second])
        with pytest.raises(ConfigError, match="twice"):
            load(path)


def test_the_file_is_read_again_when_a_tenant_is_added_and_kept_as_it_was_when_it_is_bad(
    tmp_path: Path,
) -> None:
    cast = make_cast()
    # Carol comes with an authority of her own, which the listener has to learn as well.
    authority = make_pair("carol CA")
    tls, signing = make_pair("carol", authority), make_pair("carol signing", authority)

    async def scenario() -> None:
        async with rig(tmp_path) as on:
            config = json.loads(on.config.read_text())
            on.config.write_text("{")
            await on.say("NESO_Redeclaration", mel())
            with (tmp_path / "tenant-ca.pem").open("ab") as bundle:
                bundle.write(authority.certificate_pem)
            points = [{"name": "CPCAROL", "bmUnits": ["BMU-C"]}]
            carol = make_tenant(tmp_path, "CAROL", tls, (signing,), points)
            config["tenants"] = [alice(cast, tmp_path), carol]
            on.config.write_text(json.dumps(config))
            assert (await on.control("GET", "/health"))["tenants"] == ["ALICE", "CAROL"]
            payload = mel(controlPoint="CPCAROL", bmUnit="BMU-C")
            body = Seal(signing, "CAROL").close(payload)
            answer = await on.send("NESO_Redeclaration", body, tls=tls)
            assert on.open(answer, payload["messageId"], "CAROL")["status"] == "ACCEPTED"
            gone = await on.send("NESO_Redeclaration", on.bob().close(mel()), tls=cast.bob_tls)
            assert gone.status == 401

    asyncio.run(scenario())


FOREIGN = frozenset({"hostsvc", "tenants", "django", "joserfc"})


def test_no_module_imports_anything_of_the_host() -> None:
    imported = {name for module in MODULES for name in _imports(module)}
    assert not {name for name in imported if _is_foreign(name)}
    assert "jwcrypto.jws.JWS" in imported, "its own library opens and closes seals"


@pytest.mark.parametrize(
    "line",
    [
        "import joserfc.jws",
        "from joserfc import jws",
        "from messaging.protocols.neso.seals import jose",
        "from messaging.relay import signing",
        "from messaging import protocols",
        "import tenants",
        "from . import app",
        "joserfc = importlib.import_module('joserfc')",
        "jws = __import__('joserfc.jws')",
    ],
)
def test_that_check_would_see_it(line: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(f"from __future__ import annotations\n\n{line}\n")
    assert [name for name in _imports(module) if _is_foreign(name)]


def test_running_it_loads_nothing_of_the_host_and_another_library_for_seals() -> None:
    """Whatever is imported by whatever it imports: the names that are loaded in the end."""
    code = "import sys, messaging.simulator.command; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "jwcrypto.jws" in loaded
    assert "messaging.simulator.seals.jws_json" in loaded
    assert not [name for name in loaded if name != "messaging" and _is_foreign(name)]


def _is_foreign(name: str) -> bool:
    top = name.split(".")[0]
    own = f"{name}.".startswith("messaging.simulator.")
    return top in FOREIGN or (top == "messaging" and not own) or name == ""


def _imports(module: Path) -> list[str]:
    """The modules a file names; "" for one that can't be told: relative, or imported by a name at
    run time."""
    names = []
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom):
            parent = "" if node.level else node.module or ""
            names += [f"{parent}.{alias.name}" if parent else "" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.Name | ast.Attribute):
            called = node.id if isinstance(node, ast.Name) else node.attr
            names += [""] if called in ("__import__", "import_module") else []
    return names
