"""A production start on a weak set-up is refused, each weakness by its id; and a good one is
not.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.test import override_settings

from hostsvc.checks import exposure_of, weakness_of_key
from tenants import checks as database_checks
from tenants.checks import START, refuse_unsafe_start
from tenants.clock import now
from tests.deploy import compose
from tests.roles import as_role
from tests.servers import ROOT, TestServers

# Nothing is connected to by it here.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")

MANUAL = (ROOT / "docs" / "deploy.md").read_text()
GOOD = {
    "MODE": "production",
    "DEBUG": False,
    "SECRET_KEY": secrets.token_urlsafe(40),
    "MASTER_KEY": secrets.token_bytes(32),
    "ALLOWED_HOSTS": ["api.example", "127.0.0.1"],
    "SECRET_FILES": {},
    "TLS_KEY": Path("/nonexistent"),
    "PLAIN_SERVERS": [],
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "EDL_PLAIN_LISTEN": None,
    "EDL_TUNNELS": (),
}
PLAIN = ("10.8.0.1", 8102)
A_RANDOM_KEY = secrets.token_bytes(32)


def database(host: str, **options: str) -> dict[str, Any]:
    return {"default": {**settings.DATABASES["default"], "HOST": host, "OPTIONS": options}}


def tunnels(*networks: str) -> tuple[tuple[str, IPv4Network | IPv6Network], ...]:
    return tuple(("ALDERENERGY", ip_network(network)) for network in networks)


def found(**changes: Any) -> set[str]:
    """The ids, without the part before the dot."""
    with override_settings(**{**GOOD, "DATABASES": database("127.0.0.1"), **changes}):
        return {str(m.id).partition(".")[2] for m in checks.run_checks(tags=[START])}


@pytest.fixture
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file in a folder that everybody can enter, as no folder of pytest's is."""
    folder = Path("/var/tmp") / f"hostsvc-{secrets.token_hex(6)}"  # noqa: S108
    folder.mkdir()
    folder.chmod(0o755)
    file = folder / "secret"
    file.write_text("x")
    file.chmod(0o644)
    yield file
    file.unlink()
    folder.rmdir()


def test_a_good_set_up_is_not_refused() -> None:
    assert found() == set()


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"DEBUG": True}, "E010"),
        ({"SECRET_KEY": secrets.token_urlsafe(20)[:31]}, "E011"),
        ({"SECRET_KEY": "ab" * 40}, "E011"),
        ({"SECRET_KEY": "django-insecure-" + secrets.token_urlsafe(40)}, "E011"),
        ({"ALLOWED_HOSTS": ["*"]}, "E012"),
        ({"ALLOWED_HOSTS": ["api.example", "*.example"]}, "E012"),
        ({"ALLOWED_HOSTS": []}, "E012"),
        ({"MASTER_KEY": bytes(32)}, "E013"),
        ({"MASTER_KEYS_PREVIOUS": [bytes(32)]}, "E013"),
        ({"DATABASES": database("db.example")}, "E016"),
        ({"DATABASES": database("10.0.0.1", sslmode="disable")}, "E016"),
        ({"DATABASES": database("db.example", sslmode="prefer")}, "E016"),
        ({"DATABASES": database("db.example", sslmode="require")}, "W016"),
        ({"REDIS_URL": "rediss://redis.example/0"}, "E017"),
        ({"REDIS_URL": "redis://:secret@redis.example/0"}, "E018"),
        ({"EDL_PLAIN_LISTEN": PLAIN}, "E019"),
        ({"EDL_PLAIN_LISTEN": PLAIN, "EDL_TUNNELS": tunnels("8.8.8.0/24")}, "E020"),
        ({"EDL_PLAIN_LISTEN": PLAIN, "EDL_TUNNELS": tunnels("10.0.0.0/8")}, "E020"),
        ({"CRASH_AT": "none"}, "E021"),
    ],
)
def test_a_weakness_is_refused_by_its_id_and_says_what_to_do(
    changes: dict[str, Any], number: str
) -> None:
    assert found(**changes) == {number}
    with override_settings(**{**GOOD, "DATABASES": database("127.0.0.1"), **changes}):
        (message,) = checks.run_checks(tags=[START])
    assert message.hint
    assert message.is_serious() is number.startswith("E")
    assert str(changes.get("SECRET_KEY", "no such text")) not in str(message)


def test_a_key_provider_that_keeps_its_key_elsewhere_needs_none_here() -> None:
    assert found(MASTER_KEY=b"", MASTER_KEYS_PREVIOUS=[]) == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"DATABASES": database("/var/run/postgresql")},
        {"DATABASES": database("")},
        {"DATABASES": database("::1")},
        {"DATABASES": database("db.example", sslmode="verify-full")},
        {"DATABASES": database("postgres"), "PLAIN_SERVERS": ["postgres"]},
        {"REDIS_URL": "rediss://:secret@redis.example/0"},
        {"REDIS_URL": "redis://:secret@redis:6379/0", "PLAIN_SERVERS": ["redis"]},
        {"REDIS_URL": "unix:///var/run/redis.sock"},
        {"EDL_PLAIN_LISTEN": PLAIN, "EDL_TUNNELS": tunnels("10.8.1.0/24", "fd00::8:0/112")},
    ],
)
def test_servers_that_are_near_or_reached_well_are_not_refused(changes: dict[str, Any]) -> None:
    assert found(**changes) == set()


def test_a_plain_server_s_password_is_wanted_all_the_same() -> None:
    assert found(REDIS_URL="redis://redis:6379/0", PLAIN_SERVERS=["redis"]) == {"E017"}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (bytes(32), "known"),
        (b"\xff" * 32, "known"),
        (bytes(range(32)), "known"),
        (bytes(range(5, 37)), "pattern"),
        (bytes(range(0, 224, 7)), "pattern"),
        (bytes([1, 2, 3, 4]) * 8, "few"),
        (hashlib.sha256(b"a half").digest()[:16] * 2, "pattern"),
        (b"correct horse battery staple 42!", "text"),
    ],
)
def test_a_key_that_was_not_drawn_is_known_by_its_looks(key: bytes, why: str) -> None:
    assert why in weakness_of_key(key)


def test_a_drawn_key_is_never_taken_for_a_weak_one() -> None:
    assert not [
        key for key in (secrets.token_bytes(32) for _ in range(2000)) if weakness_of_key(key)
    ]


def test_secrets_that_others_can_get_at_are_refused(exposed: Path) -> None:
    assert found(SECRET_FILES={"HOSTSVC_MASTER_KEY_FILE": exposed}) == {"E014"}
    assert found(TLS_KEY=exposed) == {"E015"}
    exposed.chmod(0o640)
    assert found(SECRET_FILES={"X_FILE": exposed}, TLS_KEY=exposed) == set()
    exposed.chmod(0o660)
    assert found(SECRET_FILES={"X_FILE": exposed}) == {"E014"}
    exposed.chmod(0o644)
    exposed.parent.chmod(0o750)
    assert exposure_of(exposed) == "", "its folder guards it"
    assert exposure_of(exposed.parent / "missing") == ""
    assert exposure_of(Path("/dev/null")) == ""


def test_in_development_none_of_it_is_asked() -> None:
    weak = {"MODE": "development", "DEBUG": True, "MASTER_KEY": bytes(32), "ALLOWED_HOSTS": ["*"]}
    assert found(**weak) == set()


def test_a_role_that_owns_tables_or_bypasses_policies_is_refused(
    servers: TestServers, database: str
) -> None:
    refuse_unsafe_start()
    with as_role("owner", servers, database), override_settings(DATABASE_ROLE="app"):
        with pytest.raises(SystemExit, match=r"hostsvc\.E002"):
            refuse_unsafe_start()
        with override_settings(DATABASE_ROLE="owner"):
            refuse_unsafe_start()
    for role in ("app", "staff"):
        with as_role(role, servers, database):
            refuse_unsafe_start()


@pytest.mark.parametrize("seconds", [-30, 30])
def test_a_clock_far_from_the_databases_is_refused(
    database: str, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    with override_settings(**GOOD):
        refuse_unsafe_start()
        apart = timedelta(seconds=seconds)
        monkeypatch.setattr(database_checks, "now", lambda: now() + apart)
        with pytest.raises(SystemExit, match=r"hostsvc\.E003"):
            refuse_unsafe_start()


def started(
    servers: TestServers, database: str, command: list[str], **changes: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "hostsvc.settings",
        **servers.environment(database),
        "HOSTSVC_MODE": "production",
        "HOSTSVC_SECRET_KEY": secrets.token_urlsafe(40),
        "HOSTSVC_MASTER_KEY": base64.b64encode(A_RANDOM_KEY).decode(),
        **changes,
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "command",
    [
        ["-c", "import hostsvc.asgi"],
        ["-m", "uvicorn", "hostsvc.asgi:application", "--port=1"],
        ["-m", "celery", "-A", "hostsvc", "worker", "--pool", "solo"],
        ["-m", "celery", "--quiet", "-A", "hostsvc", "beat", "--schedule", "/dev/null"],
        ["manage.py", "run_gateway"],
        ["manage.py", "run_inbound"],
        ["manage.py", "check"],
    ],
    ids=["asgi", "uvicorn", "worker", "beat", "gateway", "inbound", "check"],
)
def test_every_process_refuses_a_weak_start(
    servers: TestServers, database: str, command: list[str]
) -> None:
    weak = base64.b64encode(bytes(32)).decode()
    ended = started(servers, database, command, HOSTSVC_MASTER_KEY=weak)
    assert ended.returncode != 0
    assert "hostsvc.E013" in ended.stderr
    assert weak not in ended.stderr
    if command[-1] != "check":  # Which is for people.
        assert stray_lines(ended) == []


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "uvicorn", "hostsvc.asgi:application", "--port=1"],
        ["-m", "celery", "-A", "hostsvc", "worker", "--pool", "solo"],
        ["manage.py", "run_gateway"],
    ],
    ids=["uvicorn", "worker", "gateway"],
)
def test_settings_that_cannot_be_read_are_refused_in_one_line_of_the_log(
    servers: TestServers, database: str, command: list[str]
) -> None:
    ended = started(servers, database, command, HOSTSVC_TENANT_BACKLOG="many")
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    told = json.loads(line)
    assert told["event"] == "cannot start"
    assert "HOSTSVC_TENANT_BACKLOG" in told["reason"]


@pytest.mark.parametrize(
    ("script", "event"),
    [
        ("1 / 0", "uncaught"),
        ("import threading; threading.Thread(target=lambda: 1 / 0, name='one').start()", "one"),
        ("class Bad:\n    def __del__(self): 1 / 0\nBad()", "__del__"),
        ("import warnings; warnings.warn('take heed')", "take heed"),
        ("import logging; logging.getLogger('uvicorn').warning('take heed')", "take heed"),
    ],
    ids=["main", "thread", "unraisable", "warning", "server"],
)
def test_whatever_goes_wrong_is_a_line_of_the_log(
    servers: TestServers, database: str, script: str, event: str
) -> None:
    """uvicorn's own handlers, which write text, are given it before the application is loaded."""
    uvicorns = "import uvicorn; uvicorn.Config('hostsvc.asgi:application')\n"
    command = ["-c", f"{uvicorns}import hostsvc.asgi\n{script}"]
    ended = started(servers, database, command)
    assert event in ended.stderr
    assert stray_lines(ended) == []


def stray_lines(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """What is no line of JSON."""
    lines = (ended.stdout + ended.stderr).splitlines()
    return [line for line in lines if not line.startswith('{"') or not json.loads(line)]


def test_negative_control_the_same_process_starts_with_a_strong_key(
    servers: TestServers, database: str
) -> None:
    ended = started(servers, database, ["-c", "import hostsvc.asgi"])
    assert ended.returncode == 0, ended.stderr


def test_without_a_database_nothing_starts_and_the_reason_is_told(
    servers: TestServers, database: str
) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    ended = started(servers, database, ["-c", "import hostsvc.asgi"], DATABASE_URL=nowhere)
    assert ended.returncode != 0
    assert "the database is out of reach" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_manual_has_every_check_and_no_other() -> None:
    sources = [ROOT / "hostsvc" / "checks.py", ROOT / "tenants" / "checks.py"]
    text = "".join(source.read_text() for source in sources)
    numbers = set(re.findall(r'"(?:hostsvc\.)?([EW]\d{3})"', text))
    assert len(numbers) > 10
    assert set(re.findall(r"^\| `hostsvc\.([EW]\d{3})`", MANUAL, re.MULTILINE)) == numbers


def test_the_compose_file_names_its_servers_without_tls() -> None:
    variables = {
        "HOSTSVC_HOSTS": "api.example",
        "HOSTSVC_ORIGINS": "https://api.example",
        "HOSTSVC_INBOUND_URL": "https://host.example:8443",
    }
    services = compose.read(variables).services
    for name in ("web", "admin", "inbound", "gateway", "worker", "beat", "migrate"):
        assert services[name]["environment"]["HOSTSVC_PLAIN_SERVERS"] == "postgres,redis"
