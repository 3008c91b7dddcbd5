"""`make test` itself: what keeps it from running is a sentence, and its end is the end of all that
it has started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hostsvc.supervisor.kin import exists
from tests import runner
from tests.e2e import conftest as e2e
from tests.platform.waiting import BOUND_SECONDS, eventually
from tests.servers import ROOT

# Stands for a test that has started something, says so, and never ends by itself.
TEST = """
import os, pathlib, subprocess, time
from hostsvc.supervisor.spawn import launched

def test_it():
    started = subprocess.Popen(launched(["sleep", "600"], death_signal=15))
    place = pathlib.Path(__file__).with_name("started")
    place.with_name("draft").write_text(f"{os.getpid()} {started.pid}")
    place.with_name("draft").rename(place)
    time.sleep(600)
"""


def test_without_room_for_its_servers_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "NEEDED_MEGABYTES", 10**12)
    assert runner.main(["tests/none"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("hostsvc: the tests cannot be run: not enough disk space under ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("disposition", ["SIG_DFL", "SIG_IGN"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_it_is_ended(
    tmp_path: Path, number: signal.Signals, disposition: str
) -> None:
    """Also where it was started deaf to Ctrl-C, as a shell starts a background job."""
    (tmp_path / "test_it.py").write_text(TEST, encoding="ascii")
    arguments = ["-q", "-p", "no:cacheprovider", str(tmp_path / "test_it.py")]
    deaf = "import os, signal, sys; signal.signal(signal.SIGINT, signal." + disposition + ");"
    own = f"from tests import runner; sys.exit(runner._pytest({arguments!r}))"
    again = [sys.executable, "-c", f"import sys; {own}"]
    code = f"{deaf} os.execv(sys.executable, {again!r})"
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True)
    try:
        assert any(eventually(lambda: (tmp_path / "started").exists()) for _ in range(6))
        pytest_pid, started = map(int, (tmp_path / "started").read_text().split())
        if number is signal.SIGKILL:
            os.kill(pytest_pid, signal.SIGKILL)
        run.send_signal(number)
        assert run.wait(3 * BOUND_SECONDS) != 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert eventually(lambda: not exists(pytest_pid))
    assert eventually(lambda: not exists(started))


def test_only_folders_long_abandoned_are_removed(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in ("test-old", "test-new", "log"))
    for folder in (old, new, other):
        (folder / "postgres").mkdir(parents=True)
    for folder in (old, other):
        os.utime(folder, (0, 0))
    e2e.remove_abandoned(tmp_path)
    assert [old.exists(), new.exists(), other.exists()] == [False, True, True]
