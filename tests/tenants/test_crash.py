"""Processes that die where they are told to: at once, with it noted, and nowhere else."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tenants import crash
from tests.servers import ROOT

# Three rounds of a send, on two threads at once, and word of having lived through them.
ROUNDS = """
import sys, threading
from pathlib import Path
from tenants import crash
crash.arm(sys.argv[1], Path(sys.argv[2]), frozenset(["before-post", "after-post"]))
def round():
    with crash.sending("post"):
        pass
for _ in range(3):
    threads = [threading.Thread(target=round) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
print("alive")
"""


def play(order: str, visits: Path) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS, order, str(visits)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode == 0) == ("alive" in done.stdout), done.stderr
    lines = visits.read_text().splitlines() if visits.exists() else []
    return done.returncode, [" ".join(line.split(" ")[:2]) for line in lines]


@pytest.mark.parametrize("order", ["before-post", "before-post:6", "after-post:2"])
def test_a_process_dies_at_its_point_and_has_noted_it(order: str, tmp_path: Path) -> None:
    code, noted = play(order, tmp_path / "visits")
    assert code == -signal.SIGKILL
    assert noted[-1] == f"{order.partition(':')[0]} {crash.CRASHED}"


@pytest.mark.parametrize("order", [crash.NOWHERE, "before-post:7", ""])
def test_it_lives_where_it_is_told_to_die_nowhere_or_later(order: str, tmp_path: Path) -> None:
    code, noted = play(order, tmp_path / "visits")
    assert code == 0
    assert sorted(noted) == (["after-post", "before-post"] if order else [])


def test_an_order_in_a_folder_is_of_one_death_and_the_next_process_lives(tmp_path: Path) -> None:
    orders = tmp_path / "orders"
    assert play(f"@{orders}", tmp_path / "visits")[0] == 0
    orders.mkdir()
    crash.leave(orders / "after-post", 3)
    assert play(f"@{orders}", tmp_path / "visits")[0] == -signal.SIGKILL
    assert not list(orders.iterdir())
    assert play(f"@{orders}", tmp_path / "visits")[0] == 0


def test_several_orders_at_once_are_counted_each_for_itself_over_deaths(tmp_path: Path) -> None:
    orders, visits = tmp_path / "orders", tmp_path / "visits"
    orders.mkdir()
    crash.leave(orders / "before-post", 4)
    crash.leave(orders / "after-post", 2)
    code, noted = play(f"@{orders}", visits)
    assert (code, noted[-1]) == (-signal.SIGKILL, f"after-post {crash.CRASHED}")
    code, noted = play(f"@{orders}", visits)
    assert (code, noted[-1]) == (-signal.SIGKILL, f"before-post {crash.CRASHED}")
    assert play(f"@{orders}", visits)[0] == 0


@pytest.mark.parametrize("order", ["before-lunch", "before-post:0", "before-post:x", "post"])
def test_an_order_that_means_nothing_is_refused(order: str) -> None:
    with pytest.raises(crash.BadOrder):
        crash.arm(order, None, frozenset(["before-post"]))
