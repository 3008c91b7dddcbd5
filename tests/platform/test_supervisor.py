"""The supervisor with real programs: order, ends, restarts, and that nothing is ever left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostsvc.supervisor import Child, Event, EventKind, Lock, LockHeld, Supervisor
from hostsvc.supervisor.kin import exists
from tests.platform.waiting import BOUND_SECONDS, eventually

ROOT = Path(__file__).parent.parent.parent
FAMILY_SIZE = 5


class Staged:
    """A supervising program of its own, on a folder, with what it has said so far."""

    def __init__(self, folder: Path, scenario: str, *, stdout: int | None = None) -> None:
        self.folder = folder
        self.story = folder / f"story.{time.monotonic_ns()}"
        with self.story.open("wb") as story:
            self.program = subprocess.Popen(
                [sys.executable, "-m", "tests.platform.stage", str(folder), scenario],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=story if stdout is None else stdout,
                stderr=subprocess.STDOUT if stdout is None else subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def lines(self) -> list[str]:
        return self.story.read_text(encoding="utf-8").splitlines()

    def has_said(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def await_saying(self, text: str) -> None:
        assert eventually(lambda: self.has_said(text)), self.lines

    def pid_of(self, name: str) -> int:
        told = [line for line in self.lines if line.startswith(f"{name} started pid ")]
        return int(told[-1].split()[-1])

    def send(self, number: signal.Signals) -> None:
        os.kill(self.program.pid, number)

    def code(self) -> int:
        return self.program.wait(BOUND_SECONDS)


class Folder:
    """Starts staged programs, and knows every pid that their children ever noted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.staged: list[Staged] = []

    def stage(self, scenario: str, *, stdout: int | None = None) -> Staged:
        self.staged.append(Staged(self.path, scenario, stdout=stdout))
        return self.staged[-1]

    def pids(self) -> list[int]:
        return [int(path.name) for path in (self.path / "pids").iterdir()]

    def running(self) -> list[int]:
        return [pid for pid in self.pids() if exists(pid)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    for staged in made.staged:
        staged.program.kill()
        staged.program.wait()
    for pid in made.running():
        os.kill(pid, signal.SIGKILL)


def test_children_start_in_order_and_those_alongside_start_together(folder: Folder) -> None:
    staged = folder.stage("family")
    staged.await_saying("all ready")
    kinds = [" ".join(line.split()[:2]) for line in staged.lines]
    assert kinds[:4] == ["first started", "first ready", "second started", "third started"]
    assert set(kinds[4:6]) == {"second ready", "third ready"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_reverse_order_with_code_0(
    folder: Folder, number: signal.Signals
) -> None:
    staged = folder.stage("family")
    staged.await_saying("all ready")
    assert eventually(lambda: len(folder.running()) == FAMILY_SIZE), folder.running()
    staged.send(number)
    assert staged.code() == 0
    assert staged.lines[-1] == "first stopped"
    assert folder.running() == []


def test_nothing_is_left_when_the_supervisor_is_killed(folder: Folder) -> None:
    staged = folder.stage("family")
    staged.await_saying("all ready")
    staged.send(signal.SIGKILL)
    staged.code()
    assert eventually(lambda: folder.running() == []), folder.running()


def test_children_that_ignore_their_signal_are_killed_when_the_supervisor_is(
    folder: Folder,
) -> None:
    staged = folder.stage("stubborn")
    staged.await_saying("all ready")
    staged.send(signal.SIGKILL)
    assert eventually(lambda: folder.running() == []), folder.running()


def test_a_killed_watchdog_is_replaced(folder: Folder) -> None:
    staged = folder.stage("stubborn")
    staged.await_saying("all ready")
    lock = folder.path / "lock.children"
    first = lock.read_text(encoding="ascii")
    os.kill(int(first), signal.SIGKILL)
    assert eventually(lambda: lock.read_text(encoding="ascii") not in ("", first))
    staged.send(signal.SIGKILL)
    assert eventually(lambda: folder.running() == []), folder.running()


def test_a_child_that_ignores_its_signal_is_killed_with_all_below_it(folder: Folder) -> None:
    staged = folder.stage("stubborn")
    staged.await_saying("all ready")
    assert len(folder.running()) == 3
    staged.send(signal.SIGTERM)
    assert staged.code() == 0
    assert staged.has_said("stubborn killed")
    assert folder.running() == []


def test_a_second_signal_kills_at_once(folder: Folder) -> None:
    staged = folder.stage("patient")
    staged.await_saying("all ready")
    staged.send(signal.SIGINT)
    staged.await_saying("stubborn stopping")
    staged.send(signal.SIGINT)
    assert staged.code() == 0
    assert folder.running() == []


def test_a_child_that_dies_is_started_again_later_each_time(folder: Folder) -> None:
    staged = folder.stage("family")
    staged.await_saying("all ready")
    for delay in ("0.2", "0.4"):
        before = staged.pid_of("first")
        os.kill(before, signal.SIGKILL)
        staged.await_saying(f"first ended by SIGKILL; starting again in {delay} s")
        assert eventually(lambda old=before: staged.pid_of("first") != old)  # type: ignore[misc]


def test_a_second_start_is_refused_and_names_the_first(folder: Folder) -> None:
    first = folder.stage("family")
    first.await_saying("all ready")
    second = folder.stage("family")
    assert second.code() == 1
    assert second.lines == [
        f"stage: already running here (pid {first.program.pid}): stop it first,"
        f" with Ctrl-C there or kill {first.program.pid}"
    ]
    assert eventually(lambda: len(folder.running()) == FAMILY_SIZE), folder.running()


def test_a_start_after_a_kill_waits_for_what_is_still_ending(folder: Folder) -> None:
    killed = folder.stage("stubborn")
    killed.await_saying("all ready")
    before = folder.pids()
    killed.send(signal.SIGKILL)
    killed.code()
    again = folder.stage("stubborn")
    again.await_saying("stubborn started")
    assert not any(exists(pid) for pid in before)


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("broken", ["stage: broken ended: with code 3; the end of", "the disk is made of cheese"]),
        ("late", ["stage: late was not ready within 0 s; the end of", "still thinking"]),
        ("failing_step", ["stage: step ended: with code 1; the end of", "no such table"]),
    ],
)
def test_a_failed_start_shows_the_end_of_the_log_and_stops_the_others(
    folder: Folder, scenario: str, said: list[str]
) -> None:
    staged = folder.stage(scenario)
    assert staged.code() == 1
    for text in said:
        assert staged.has_said(text), staged.lines
    assert not staged.has_said("after started")
    assert folder.running() == []


def test_why_it_ended_is_told_from_this_starts_part_of_its_log(folder: Folder) -> None:
    (folder.path / "complaining.log").write_text("from long ago\n", encoding="ascii")
    staged = folder.stage("complaining")
    assert staged.code() == 1
    why = "with code 1 (OSError: [Errno 28] No space left on device)"
    assert staged.has_said(f"complaining ended {why}; starting again in 0.2 s")
    assert staged.has_said(f"stage: complaining ended: {why}; the end of")
    assert not staged.has_said("from long ago")


def test_a_lock_that_cannot_be_named_for_want_of_room_is_held(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk."""
    code = (
        "import pathlib, resource, sys; from hostsvc.supervisor import Lock;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "Lock(pathlib.Path(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeld, match="by pid unknown"):
            Lock(tmp_path / "lock").acquire()
        holder.communicate()


def test_what_cannot_be_started_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = Child("missing", [str(tmp_path / "no-such-program")], tmp_path / "log")
    assert Supervisor([missing], tmp_path / "lock").run() == 1
    assert "no-such-program" in capsys.readouterr().err
    (tmp_path / "taken").touch()
    unlogged = Child("unlogged", ["true"], tmp_path / "taken" / "log")
    assert Supervisor([unlogged], tmp_path / "lock").run() == 1
    assert "unlogged ended: could not be started" in capsys.readouterr().err
    assert Supervisor([], tmp_path / "taken" / "lock").run() == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_step_ends_before_the_next_child_starts(folder: Folder) -> None:
    staged = folder.stage("step")
    staged.await_saying("all ready")
    assert [" ".join(line.split()[:2]) for line in staged.lines][:3] == [
        "step started",
        "step ready",
        "after started",
    ]


def test_a_terminal_that_goes_away_stops_nothing(folder: Folder) -> None:
    reader, writer = os.pipe()
    staged = folder.stage("family", stdout=writer)
    os.close(writer)
    os.close(reader)
    assert eventually(lambda: (folder.path / "third.ready").exists())
    os.kill(int((folder.path / "first.ready").read_text(encoding="ascii")), signal.SIGKILL)
    assert eventually(lambda: len(folder.pids()) > FAMILY_SIZE)
    assert staged.program.poll() is None
    staged.send(signal.SIGTERM)
    assert staged.code() == 0
    assert folder.running() == []


def test_tick_sees_the_states_and_may_stop_it(tmp_path: Path) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    seen: list[str] = []
    events: list[EventKind] = []

    def tick() -> None:
        (state,) = supervisor.states()
        seen.append(state.status)
        if state.status == "ready":
            supervisor.stop(7)

    sleeper = Child("sleeper", ["sleep", "600"], tmp_path / "log")
    supervisor = Supervisor(
        [sleeper],
        tmp_path / "lock",
        on_event=lambda event: events.append(event.kind),
        tick=tick,
    )
    assert supervisor.run() == 7
    assert "ready" in seen
    assert events == ["started", "ready", "stopping", "stopped"]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_failing_tick_still_stops_the_children(tmp_path: Path) -> None:
    events: list[Event] = []

    def tick() -> None:
        if any(event.kind is EventKind.READY for event in events):
            raise ZeroDivisionError

    sleeper = Child("sleeper", ["sleep", "600"], tmp_path / "log")
    supervisor = Supervisor([sleeper], tmp_path / "lock", on_event=events.append, tick=tick)
    with pytest.raises(ZeroDivisionError):
        supervisor.run()
    assert events[-1].kind is EventKind.STOPPED


def test_it_refuses_to_run_outside_the_main_thread(tmp_path: Path) -> None:
    refusals: list[str] = []

    def run() -> None:
        try:
            Supervisor([], tmp_path / "lock").run()
        except RuntimeError as error:
            refusals.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert refusals == ["a supervisor runs in the main thread only"]
