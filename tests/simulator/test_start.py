"""Starting, stopping and reconfiguring; and that the simulator shares no code with the host."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
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

ROOT = Path(messaging.simulator.__file__).resolve().parents[2]
MODULES = sorted((ROOT / "messaging" / "simulator").rglob("*.py"))

READY = r"NGESO simulator ready: .*wa port (\d+), .*control port (\d+)\n"


def start(config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "messaging.simulator", "--config", str(config)],
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


def test_no_module_imports_anything_of_the_host() -> None:
    foreign = {"hostsvc", "tenants", "django", "joserfc"}
    imported = {name for module in MODULES for name in _imports(module)}
    assert not {name for name in imported if name.split(".")[0] in foreign}
    ours = {name for name in imported if name.split(".")[0] == "messaging"}
    assert ours
    assert all(f"{name}.".startswith("messaging.simulator.") for name in ours)


def _imports(module: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, module
            names.append(node.module or "")
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names
