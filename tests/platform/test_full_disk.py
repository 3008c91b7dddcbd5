"""A disk with no room: told of as such, nothing lost, and a clean start once there is room."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hostsvc.stack import disk
from hostsvc.stack.disk import EMPTY, LOW, DiskWatch, Room, room, too_little_to_start
from hostsvc.supervisor.spawn import launched
from tests.servers import ROOT

# A file system of the test's own, seen by the test's programs alone.
MOUNT = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
SCRIPT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'


def play(scenario: str, tmp_path: Path, size: str) -> None:
    small, said = tmp_path / "small", tmp_path / "said"
    small.mkdir()
    mounted = [*MOUNT, "sh", "-c", SCRIPT, "sh", size, str(small)]
    if subprocess.run([*mounted, "true"], check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a file system: there is no small disk")
    played = [sys.executable, "-m", "tests.platform.full_disk", scenario, str(small), str(said)]
    done = subprocess.run(
        # A test that is stopped leaves nothing running.
        [*mounted, *launched(played, death_signal=signal.SIGTERM)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_database_without_room_says_so_and_starts_cleanly_with_it(tmp_path: Path) -> None:
    play("database", tmp_path, "300m")


def test_a_stack_whose_disk_fills_says_so_and_keeps_its_chains(tmp_path: Path) -> None:
    play("stack", tmp_path, "400m")


@pytest.mark.parametrize(
    ("free", "before", "now"),
    [
        (LOW, Room.ENOUGH, Room.ENOUGH),
        (LOW - 1, Room.ENOUGH, Room.LOW),
        (LOW, Room.LOW, Room.LOW),
        (2 * LOW, Room.LOW, Room.ENOUGH),
        (EMPTY, Room.LOW, Room.LOW),
        (EMPTY - 1, Room.LOW, Room.NONE),
        (0, Room.ENOUGH, Room.NONE),
        (EMPTY, Room.NONE, Room.NONE),
        (2 * EMPTY, Room.NONE, Room.LOW),
        (2 * LOW, Room.NONE, Room.ENOUGH),
    ],
)
def test_what_goes_to_and_fro_about_a_limit_is_told_once(
    free: int, before: Room, now: Room
) -> None:
    assert room(free, before) is now


def test_a_folder_that_is_yet_to_be_made_has_the_room_of_its_disk(tmp_path: Path) -> None:
    assert too_little_to_start(tmp_path / "not" / "yet") is None


def test_a_disk_with_room_is_no_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = DiskWatch(tmp_path)
    assert watch.news() is None
    monkeypatch.setattr(disk, "_EVERY", 0.0)
    monkeypatch.setattr(disk, "LOW", 2**60)
    fresh = DiskWatch(tmp_path)
    assert "little room is left" in (fresh.news() or "")
    assert fresh.news() is None
