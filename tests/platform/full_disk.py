"""Plays what happens on a full disk: python -m ... SCENARIO FOLDER OUTPUT, with a small file system
mounted at FOLDER for this program and its children only. What it sees it asserts; what a stack says
goes to OUTPUT, which lies elsewhere.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from hostsvc.embedded import EmbeddedError, EmbeddedPostgres
from hostsvc.supervisor.spawn import launched
from tests.platform.waiting import eventually
from tests.rehearsal.live import clean_environment, left_over
from tests.servers import ROOT

STOP_SECONDS = 60


def database(folder: Path, output: Path) -> None:
    """A cluster that has no room to be made or to start, and then has."""
    for megabytes in (20, 40):
        fill(folder / "filling", leaving=megabytes)
        with pytest.raises(EmbeddedError, match="No space left on device"):
            EmbeddedPostgres(folder / "postgres").start()
    (folder / "filling").unlink()
    with (
        EmbeddedPostgres(folder / "postgres") as postgres,
        psycopg.connect(postgres.url("app")) as connection,
    ):
        assert connection.execute("SELECT 1").fetchone() == (1,)


def stack(folder: Path, output: Path) -> None:
    """The disk fills while messages pass; the stack is killed, and started before and after there
    is room again.
    """
    first = Stack(folder / "var", output)
    first.await_saying("acknowledged")
    fill(folder / "filling")
    first.await_saying("disk: no room is left")
    use_up_the_log(folder / "var")
    first.await_saying("postgres ended: with code 1 (FATAL: could not write to file")
    first.await_saying("No space left on device); starting again")
    first.program.kill()
    first.program.wait()
    assert eventually(lambda: not left_over(folder / "var")), left_over(folder / "var")

    second = Stack(folder / "var", output)
    assert second.program.wait(STOP_SECONDS) == 1
    second.await_saying("hostsvc: not enough disk space under")

    (folder / "filling").unlink()
    third = Stack(folder / "var", output)
    third.await_saying("acknowledged")
    third.verify()
    third.program.send_signal(signal.SIGINT)
    assert third.program.wait(STOP_SECONDS) == 0, third.said
    assert "Traceback" not in output.read_text(encoding="utf-8")
    assert not left_over(folder / "var")


class Stack:
    """One that a person has started, with its lines in a file."""

    def __init__(self, var: Path, output: Path) -> None:
        self.var = var
        self.output = output
        self.from_ = output.stat().st_size if output.exists() else 0
        with output.open("ab") as out:
            self.program = subprocess.Popen(
                launched(
                    [sys.executable, "-m", "hostsvc.stack", "--var", str(var)],
                    death_signal=signal.SIGTERM,
                ),
                cwd=ROOT,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.output.read_bytes()[self.from_ :].decode(errors="replace")

    def await_saying(self, words: str) -> None:
        # A whole start may lie in between.
        assert any(eventually(lambda: words in self.said) for _ in range(6)), self.said

    def verify(self) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", "verify_audit"],
            cwd=ROOT,
            env=clean_environment({"HOSTSVC_ENV_FILE": str(self.var / "hostsvc.env")}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "alder: " in done.stdout


def fill(path: Path, *, leaving: int = 0) -> None:
    """The disk to its last byte, or but for so many megabytes."""
    with path.open("wb", buffering=0) as filling:
        for size in (2**20, 2**12, 1):
            try:
                while filling.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
        filling.truncate(filling.tell() - leaving * 2**20)


def use_up_the_log(var: Path) -> None:
    """Has PostgreSQL need a new piece of its write-ahead log, which there is no room for."""
    password = json.loads((var / "postgres/passwords.json").read_text(encoding="ascii"))["admin"]
    port = json.loads((var / "postgres/port").read_text(encoding="ascii"))[0]
    url = f"postgresql://hostsvc_admin:{password}@127.0.0.1:{port}/postgres"
    try:
        for _ in range(100):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("SELECT pg_logical_emit_message(false, '', repeat('-', 99999))")
                connection.execute("SELECT pg_switch_wal()")
    except psycopg.Error:
        return
    raise AssertionError("there was room for a hundred pieces")


SCENARIOS: dict[str, Callable[[Path, Path], None]] = {"database": database, "stack": stack}


def main(name: str, folder: str, output: str) -> int:
    try:
        SCENARIOS[name](Path(folder), Path(output))
    finally:
        for lock in Path(folder, "var").glob("stack.lock"):
            if pid := lock.read_text(encoding="ascii").strip():
                os.kill(int(pid), signal.SIGTERM)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
