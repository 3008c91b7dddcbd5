"""Each row of the matrix against the running stack: the seals' lanes side by side, and in each the
two APIs side by side; a test a row says how it went.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import pytest

from tests.e2e.lanes import Lane, lanes_of
from tests.e2e.matrix import PAGE, PLAYED, REASONS, Api, Message, Outcome, Row, page, rows
from tests.e2e.rig import Rig
from tests.e2e.scenes_down import DOWN as DOWN_SCENES
from tests.e2e.scenes_platform import PLATFORM, REPEATING, repeating
from tests.e2e.scenes_up import UP

pytestmark = pytest.mark.xdist_group("stack")

SCENES = {**UP, **DOWN_SCENES, **PLATFORM}
Played = dict[Row, str]
"""What went wrong; empty where nothing did."""

NOTICED_SECONDS = 1.2
"""Then every process has noticed that the register changed."""

MAINTENANCE = """
from messaging.relay import maintenance
from tenants.clock import now
maintenance.{verb}(maintenance.Switched("tests", "the matrix", now()))
"""


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, stack: Rig) -> Played:
    """All that this run asks for."""
    wanted = [
        cast("Row", item.callspec.params["row"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_row.__name__
    ]
    found: Played = {}
    lanes_wanted = dict.fromkeys((row.seal, row.part) for row in wanted)
    with lanes_of(stack, lanes_wanted) as lanes:
        with ThreadPoolExecutor(len(lanes)) as threads:
            for key, lane in lanes.items():
                mine = [row for row in wanted if (row.seal, row.part) == key]
                threads.submit(play_lane, lane, mine, found)
        last = [row for row in wanted if is_while_out(row)]
        if last:
            with maintenance(stack):
                for row in last:
                    play(lanes[row.seal, row.part], row, SCENES[row.message], found)
    return found


def is_while_out(row: Row) -> bool:
    """Played at the end, while the whole host is under maintenance."""
    return row.outcome is Outcome.OUT and row.message in DOWN_SCENES


def play_lane(lane: Lane, wanted: Collection[Row], found: Played) -> None:
    """Those of the platform that are repeated come last, under a setting of their own."""
    mine = [row for row in wanted if not is_while_out(row)]
    last = [row for row in mine if row.api is Api.SMP and row.outcome in REPEATING]
    for row in mine:
        if row not in last:
            play(lane, row, SCENES[row.message], found)
    if last:
        with repeating(lane):
            for row in last:
                play(lane, row, SCENES[row.message], found)


def play(lane: Lane, row: Row, scene: Callable[[Lane, Outcome], Any], found: Played) -> None:
    began = time.monotonic()
    try:
        scene(lane, row.outcome)
        found[row] = ""
    except Exception:
        found[row] = traceback.format_exc()
    finally:
        lane.side_of(row.api).faults()
    print(f"{row}: {time.monotonic() - began:.1f} s")


@contextmanager
def maintenance(stack: Rig) -> Iterator[None]:
    """Of the whole host."""

    def switch(verb: str) -> None:
        stack.as_staff(MAINTENANCE.format(verb=verb))
        time.sleep(NOTICED_SECONDS)

    switch("begin")
    try:
        yield
    finally:
        switch("end")


@pytest.mark.parametrize("row", rows(), ids=str)
def test_row(played: Played, row: Row) -> None:
    assert not played[row], played[row]


def test_the_page_tells_what_is_played() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.e2e.matrix"


def test_every_message_and_outcome_is_played_or_has_its_reason() -> None:
    """And none has both."""
    cells = {(row.message, row.outcome) for row in rows()}
    assert cells.isdisjoint(REASONS)
    assert cells == {(message, one) for message, told in PLAYED.items() for one in told}
    assert cells | REASONS.keys() == {(one, two) for one in Message for two in Outcome}
