"""The installation: killed in the middle, called twice at once, called again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.platform.waiting import BOUND_SECONDS, eventually

BOOTSTRAP = Path(__file__).parent.parent.parent / "hostsvc" / "bootstrap.py"


class Clone:
    """A project of nothing but a lock without packages, so that nothing is fetched."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "hostsvc").mkdir()
        shutil.copy(BOOTSTRAP, root / "hostsvc")
        (root / "requirements-dev.txt").write_text("# no packages\n", encoding="ascii")

    def call(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-I", str(self.root / "hostsvc" / "bootstrap.py")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def stamp(self) -> Path:
        return self.root / ".venv" / ".installed"


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def end(call: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = call.communicate(timeout=6 * BOUND_SECONDS)
    return call.returncode, output


def test_an_installation_survives_a_kill_and_two_calls_at_once(clone: Clone) -> None:
    killed = clone.call()
    assert eventually(lambda: (clone.root / ".venv" / "bin" / "python").exists())
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not clone.stamp.exists()

    results = [end(call) for call in (clone.call(), clone.call())]
    assert [code for code, _ in results] == [0, 0]
    said = "".join(output for _, output in results)
    assert said.count("making .venv") == 1
    assert "waiting for it" in said

    assert end(clone.call()) == (0, "")
    python = clone.root / ".venv" / "bin" / "python"
    assert subprocess.run([python, "-m", "pip", "--version"], check=False).returncode == 0

    with (clone.root / "requirements-dev.txt").open("a", encoding="ascii") as lock:
        lock.write("# changed\n")
    code, output = end(clone.call())
    assert code == 0
    assert "installing" in output
    assert "making .venv" not in output


def test_a_missing_lock_is_one_sentence(clone: Clone) -> None:
    (clone.root / "requirements-dev.txt").unlink()
    sentence = f"hostsvc: requirements-dev.txt is missing from {clone.root}\n"
    assert end(clone.call()) == (1, sentence)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_sentence(clone: Clone) -> None:
    clone.root.chmod(0o500)
    try:
        assert end(clone.call()) == (
            1,
            f"hostsvc: cannot write in {clone.root}: Permission denied\n",
        )
    finally:
        clone.root.chmod(0o700)
