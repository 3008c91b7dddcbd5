"""Market days replayed through a running stack, started and stopped as a person does it."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.live import LiveStack, left_over
from tests.rehearsal.sample import ACCEPTANCES, DAY, REDECLARATIONS, SEGMENTS, write_sample
from tests.servers import ROOT

MARKET_DATA = Path(os.environ.get("HOSTSVC_MARKET_DATA", ROOT.parent / "shared" / "data"))
WHOLE_DAY = "2022-01-01"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    running = LiveStack(tmp_path_factory.mktemp("replay") / "var")
    try:
        running.await_shown("Ctrl-C stops it")
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample"))


def control(stack: LiveStack, body: dict[str, Any]) -> None:
    """Sets the simulated operator's faults."""
    service = json.loads((stack.var / "service.json").read_text())
    request = urllib.request.Request(
        service["simulator"]["controlUrl"] + "/faults",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_a_small_day_comes_as_it_was_sent(stack: LiveStack, sample: Path) -> None:
    done = stack.manage("replay_market_day", str(sample), f"--date={DAY}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ACCEPTANCES} compared at the other end, {SEGMENTS} segments" in done.stdout
    assert f"{REDECLARATIONS} compared at the other end" in done.stdout
    assert "No difference" in done.stdout
    assert "no EDL form" in done.stdout


def test_a_day_can_be_replayed_again_and_at_a_pace(stack: LiveStack, sample: Path) -> None:
    """Its numbers are raised, as the host knows those of the first time with other times."""
    done = stack.manage("replay_market_day", str(sample), f"--date={DAY}", "--speed=36000")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No difference" in done.stdout


def test_a_difference_is_told_and_fails(stack: LiveStack, sample: Path) -> None:
    fault = {"fault": "refuse", "path": "NESO_Redeclaration", "bmUnit": "SMPL-1"}
    control(stack, {"faults": [{**fault, "parameter": "MEL", "text": "on request"}]})
    try:
        done = stack.manage("replay_market_day", str(sample), f"--date={DAY}")
    finally:
        control(stack, {"faults": []})
    assert done.returncode == 1
    words = "MEL of SMPL-1: ended as 'REFUSE R030 R003 on request', not as 'OK'"
    assert words in done.stdout
    assert "FAILED: 1 differences" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--date=2022-01-01"], "boalf.csv has no acceptance of 2022-01-01"),
        (["--speed=0"], "--speed"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_a_line(
    stack: LiveStack, sample: Path, arguments: list[str], words: str
) -> None:
    done = stack.manage("replay_market_day", str(sample), *arguments)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    not (MARKET_DATA / "boalf.csv").exists(),
    reason=f"no market data in {MARKET_DATA}: name their folder in HOSTSVC_MARKET_DATA",
)
def test_a_whole_real_day_comes_as_it_was_sent(stack: LiveStack) -> None:
    """Every acceptance of the day; of the redeclarations, which are of other days, some."""
    arguments = (f"--date={WHOLE_DAY}", "--redeclarations=150")
    done = stack.manage("replay_market_day", str(MARKET_DATA), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1825 compared at the other end, 3740 segments" in done.stdout
    assert "9027 rows of 156 BM units read and checked, all within the rules" in done.stdout


def test_the_picture_shows_programs_addresses_and_messages_with_their_hops(
    stack: LiveStack,
) -> None:
    for words in ("● gateway", "● control points", "/admin/", "API key of alder", "answered"):
        stack.await_shown(words, 30)
    stack.await_shown("acknowledged", 60)


def test_ctrl_c_ends_it_cleanly_and_leaves_nothing(stack: LiveStack) -> None:
    """The last test: it stops the stack of all the others."""
    assert stack.interrupt() == 0
    assert "Traceback" not in stack.shown
    assert left_over(stack.var) == []
