"""The installation: killed in the middle, called twice at once, called again, without room."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hostsvc import bootstrap
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


def test_without_room_the_half_of_an_earlier_call_is_cleared_away_first(clone: Clone) -> None:
    half = clone.root / ".venv" / "lib"
    half.mkdir(parents=True)
    script = clone.root / "hostsvc" / "bootstrap.py"
    code = script.read_text(encoding="utf-8")
    never = code.replace("NEEDED_MEGABYTES = 700", "NEEDED_MEGABYTES = 10**12")
    script.write_text(never, encoding="utf-8")
    status, output = end(clone.call())
    assert status == 1
    assert output.startswith(f"hostsvc: not enough disk space under {clone.root}: ")
    assert output.count("\n") == 1
    assert not half.exists()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("error: write failed\n  Caused by: No space left on device (os error 28)", "disk is full"),
        ("OSError: [Errno 122] Disk quota exceeded", "disk is full"),
        ("error: dns error: failed to lookup address information", "cannot be reached"),
        ("NewConnectionError: Failed to establish a new connection", "cannot be reached"),
        ("PermissionError: [Errno 13] Permission denied: '/x'", "may not be written"),
        ("error: no solution was found", ""),
    ],
)
def test_what_an_installer_says_is_put_in_a_sentence(output: str, words: str) -> None:
    said = bootstrap.why(output)
    assert words in said
    assert bool(said) == bool(words)


def test_of_several_disks_those_with_little_room_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr(bootstrap, "TIGHT_MEGABYTES", 0)
    assert bootstrap.why("No space left on device") == "the disk is full; make room and call again"
    monkeypatch.setattr(bootstrap, "TIGHT_MEGABYTES", 10**12)
    assert " MB are free under " in bootstrap.why("No space left on device")


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
