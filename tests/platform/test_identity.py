"""As whom PostgreSQL runs when we are root, with user namespaces and without."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hostsvc.embedded.identity import Identity

ROOT = Path(__file__).parent.parent.parent
CONFINED = Path(__file__).with_name("confined.py")
# Starts a cluster and prints how, who it is to the outside, and what a role gets to see.
CODE = """
import pathlib, psycopg, sys
from hostsvc.embedded import EmbeddedPostgres
with EmbeddedPostgres(pathlib.Path(sys.argv[1]), durable=False) as postgres:
    with psycopg.connect(postgres.url("app")) as connection:
        (user,) = connection.execute("SELECT current_user").fetchone()
    status = pathlib.Path(f"/proc/{postgres.running.pid}/status").read_text()
    uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1]
    print(postgres.identity.word.split(":")[0], uid, user)
"""

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="shows what root does on Linux"
)


def start(directory: Path, *prefix: str) -> list[str]:
    command = [*prefix, sys.executable, "-c", CODE, str(directory)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def is_open(folder: Path) -> bool:
    status = folder.stat()
    return status.st_uid == 0 or bool(status.st_mode & stat.S_IXOTH)


@needs_root
def test_root_runs_it_in_a_namespace_and_without_one_as_another_user(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    directory = closed / "postgres"
    probe = subprocess.run([sys.executable, CONFINED, "true"], check=False)
    if probe.returncode != 0:
        pytest.skip("this machine allows no user namespaces: nothing to compare with")

    assert start(directory, sys.executable, str(CONFINED))[::2] == ["user", "hostsvc_app"]
    owner = (directory / "data").stat().st_uid
    assert owner != 0
    # Data keeps its owner, whatever else would be possible later.
    assert start(directory) == ["user", str(owner), "hostsvc_app"]

    # A root without privileges cannot pass someone else's closed folder to this clone.
    reached = all(is_open(place) for place in (ROOT, *ROOT.parents))
    assert start(closed / "other")[0] == ("namespace" if reached else "user")


@pytest.mark.skipif(os.geteuid() == 0, reason="shows what an ordinary user does")
def test_an_ordinary_user_runs_it_as_it_is(tmp_path: Path) -> None:
    assert start(tmp_path / "postgres") == ["plain", str(os.geteuid()), "hostsvc_app"]


def test_an_unknown_identity_is_refused_rather_than_run_as_we_are() -> None:
    launch = ROOT / "hostsvc" / "supervisor" / "launch.py"
    command = [sys.executable, "-I", "-S", str(launch), str(os.getpid()), "15", "magic", "true"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 127
    assert "no such identity as magic" in result.stderr


def test_files_that_are_ours_already_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Identity().own(tmp_path)
    assert (tmp_path / "file").stat().st_uid == os.geteuid()
