"""The demonstration as a person starts it, but into a file: it plays, compares, and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hostsvc.supervisor.spawn import launched
from tests.rehearsal.live import clean_environment, left_over
from tests.servers import ROOT

SECONDS = 300


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "var"


def started(var: Path, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as out:
        return subprocess.Popen(
            launched(
                [sys.executable, "-m", "hostsvc.stack", "--demo", "--var", str(var)],
                death_signal=signal.SIGTERM,
            ),
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def test_it_holds_says_so_in_its_last_line_and_leaves_nothing(var: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    code = started(var, output).wait(SECONDS)
    said = output.read_text()
    assert code == 0, said
    assert said.splitlines()[-1].startswith("All holds: ")
    assert "failed" not in said
    assert "Traceback" not in said
    assert left_over(var) == []


def test_ended_before_its_end_it_is_no_success(var: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    program = started(var, output)
    deadline = time.monotonic() + SECONDS
    while "One at a time" not in output.read_text():
        assert program.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.1)
    os.kill(program.pid, signal.SIGINT)
    assert program.wait(SECONDS) != 0
    assert "All holds" not in output.read_text()
    assert "Traceback" not in output.read_text()
    assert left_over(var) == []
