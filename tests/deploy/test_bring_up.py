"""What the manual and the compose file say, done: secrets made, every service started in order
until it is healthy, used, backed up, and stopped.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from messaging.rehearsal.authority import Authority
from tests.deploy import compose, image, machine
from tests.deploy.machine import Machine
from tests.servers import ROOT

MANUAL = (ROOT / "docs" / "deploy.md").read_text()
ENDED_WELL = {0, -15, 143}
"""Zero, or by the signal that asked for it."""


def commands_of(heading: str) -> str:
    """The first block of commands under a heading of the manual."""
    section = MANUAL.partition(f"## {heading}\n")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("host")
    variables = {
        "HOSTSVC_HOSTS": "api.example",
        "HOSTSVC_ORIGINS": "https://api.example",
        "HOSTSVC_INBOUND_URL": "https://host.example:8443",
        "HOSTSVC_SECRETS": str(folder / "secrets"),
    }
    made = machine.prepare(compose.read(variables), folder)
    subprocess.run(
        ["sh", "-euc", commands_of("First start")],
        env={"HOSTSVC_SECRETS": str(made.secrets), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    authority = Authority("test")
    authority.issue("host").write(made.secrets / "tls_certificate", made.secrets / "tls_key")
    for name in ("edl_client_ca", "inbound_client_ca"):
        (made.secrets / name).write_text(authority.pem)
    machine.lead_to_this_machine(made)
    try:
        made.up()
        yield made
    finally:
        made.kill()
        made.postgres.stop()


def test_the_manual_makes_every_secret_that_the_file_names(host: Machine) -> None:
    named = {host.compose.secret_file(name) for name in host.compose.content["secrets"]}
    assert named == set(host.secrets.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        *("postgres", "redis", "web", "admin", "inbound", "gateway", "files", "beat"),
        *("worker", "worker-files", "worker-smp", "worker-webhooks", "worker-housekeeping"),
    ],
)
def test_every_service_is_healthy(host: Machine, name: str) -> None:
    assert host.healthy(name)


def test_a_health_check_fails_where_nothing_listens(host: Machine) -> None:
    """The control: these checks can fail."""
    for name, port in (("web", "8000"), ("gateway", "8100")):
        check = host.compose.services[name]["healthcheck"]["test"][1:]
        nowhere = [part.replace(port, "1") for part in check]
        assert host.run("beat", nowhere).returncode != 0
    assert host.run("beat", ["sh", "-c", "cd / && find beat* -mmin -10 | grep ."]).returncode != 0


def test_ready_means_migrated_and_bound_by_row_policies(host: Machine) -> None:
    for name in ("web", "admin"):
        url = f"http://127.0.0.1:{host.ports[name]}/readyz"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert json.load(answer)["status"] == "ready"


def test_each_process_works_as_the_role_it_was_given(host: Machine) -> None:
    with psycopg.connect(host.postgres.admin_url("hostsvc")) as admin:
        rows = admin.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE usename LIKE 'hostsvc%'"
            " AND datname = 'hostsvc'"
        ).fetchall()
    assert {name for (name,) in rows} <= {"hostsvc_app", "hostsvc_staff", "hostsvc_admin"}


def test_the_broker_asks_for_its_password(host: Machine) -> None:
    stranger = redis.Redis(port=host.ports["redis"], retry=Retry(NoBackoff(), 0))
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_no_password_shows_in_the_list_of_processes(host: Machine) -> None:
    secrets = [file.read_text().strip() for file in host.secrets.iterdir()]
    words = {part for text in secrets for part in re.findall(r"[\w-]{32,}", text)}
    for name, process in host.running.items():
        if process.poll() is None:
            shown = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode(errors="replace")
            environment = Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace")
            assert not any(word in shown + environment for word in words), name


def test_a_changed_password_takes_effect_by_the_script_of_the_init_folder(host: Machine) -> None:
    file = host.secrets / "database_staff_url"
    before = file.read_text().strip()
    after = re.sub(r":[\w-]+@", ":another-password-of-some-length@", before)
    file.write_text(after)
    try:
        assert host.make_roles().returncode == 0
        psycopg.connect(after).close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(before)
    finally:
        file.write_text(before)
        assert host.make_roles().returncode == 0


def test_a_url_without_a_fit_password_makes_no_role(host: Machine) -> None:
    file = host.secrets / "database_app_url"
    before = file.read_text()
    file.write_text("postgresql://hostsvc_app:it's@postgres:5432/hostsvc")
    try:
        done = host.make_roles()
        assert done.returncode != 0
        assert b"database_app_url" in done.stderr
    finally:
        file.write_text(before)


def test_a_dump_restores_and_its_chains_hold(host: Machine) -> None:
    dump, restore = (
        line.partition("postgres pg_")[2].split(" > ")[0].split(" < ")[0].split()
        for line in commands_of("Backups").strip().splitlines()
    )
    content = host.run("postgres", [f"pg_{dump[0]}", *_as_here(dump[1:])])
    assert content.returncode == 0, content.stderr
    with psycopg.connect(host.postgres.admin_url(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE restored OWNER hostsvc_owner")
    arguments = [one.replace("hostsvc", "restored") for one in _as_here(restore[1:])[2:]]
    command = [f"pg_{restore[0]}", *_as_here(restore[1:])[:2], *arguments]
    done = host.run("postgres", command, input=content.stdout)
    assert done.returncode == 0, done.stderr
    verified = host.run("admin", ["python", "manage.py", "verify_audit"])
    assert verified.returncode == 0, verified.stderr


def _as_here(arguments: list[str]) -> list[str]:
    return ["hostsvc_admin" if one == "postgres" else one for one in arguments]


def test_services_write_nothing_but_below_tmp_and_stop_when_they_are_told(host: Machine) -> None:
    """The last test: it ends them all."""
    fresh = host.folder / "fresh"
    image.lay_out(fresh)
    assert _contents(host.image) == _contents(fresh)
    ends = host.down()
    assert {name: code for name, code in ends.items() if code not in ENDED_WELL} == {}
    for name in ends:
        assert "Traceback" not in host.log(name), host.log(name)


def _contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
