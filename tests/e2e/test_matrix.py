"""Each row of the matrix against the running stack: the lanes side by side, and in each the two
APIs side by side; a test a row says how it went.
"""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import psycopg
import pytest

from tests.e2e.lanes import Key, Lane, lanes_of
from tests.e2e.matrix import DOWN, PAGE, REASONS, Api, Message, Outcome, Row, page, rows
from tests.e2e.rig import Rig
from tests.e2e.scenes_down import DOWN as DOWN_SCENES
from tests.e2e.scenes_platform import PLATFORM, REPEATING, Later, repeating
from tests.e2e.scenes_up import UP, wait_until_up
from tests.servers import ROOT

pytestmark = pytest.mark.xdist_group("stack")

SCENES: Mapping[Message, Callable[[Lane, Outcome], Any]] = {**UP, **DOWN_SCENES, **PLATFORM}
Played = dict[Row, str]
"""What went wrong; empty where nothing did."""

MOST_SECONDS = 600
"""Then no further row is begun: where the whole stack fails, each would wait in vain."""

MOST_FAILURES = 4
"""In one lane, likewise."""

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
    with lanes_of(stack, dict.fromkeys(map(_key, wanted))) as lanes:
        usual = [row for row in wanted if not is_while_out(row)]
        play_side_by_side(lanes, usual, found)
        for outcome, trouble in (
            (Outcome.BARE_503, without_keys(stack, lanes.values())),
            (Outcome.OUT, maintenance(stack)),
        ):
            mine = [row for row in wanted if is_while_out(row) and row.outcome is outcome]
            if mine:
                play_while(trouble, lanes, mine, found)
    return found


def _key(row: Row) -> Key:
    return row.seal, row.part


def is_while_out(row: Row) -> bool:
    """Played at the end, while the host takes nothing of anybody's."""
    return row.outcome in (Outcome.OUT, Outcome.BARE_503) and row.message in DOWN


def play_side_by_side(lanes: Mapping[Key, Lane], wanted: Collection[Row], found: Played) -> None:
    ending = threading.Event()
    with ThreadPoolExecutor(max(1, len(lanes) * len(Api))) as threads:
        playing = [
            threads.submit(play_lane, lane, mine, found, ending)
            for key, lane in lanes.items()
            for api in Api
            if (mine := [row for row in wanted if _key(row) == key and row.api is api])
        ]
        try:
            wait(playing, MOST_SECONDS)
        finally:
            ending.set()
    for one in playing:
        one.result()


def play_lane(lane: Lane, mine: Collection[Row], found: Played, ending: threading.Event) -> None:
    """Those of the platform that are repeated come last, under a setting of their own."""
    if any(row.api is Api.WA for row in mine):
        wait_until_up(lane)
    last = [row for row in mine if row.api is Api.SMP and row.outcome in REPEATING]
    last = [row for row in last if row.message in (Message.ASSET, Message.UNIT)]
    play_rows(lane, [row for row in mine if row not in last], found, ending)
    if last:
        with repeating(lane):
            play_rows(lane, last, found, ending)


def play_rows(lane: Lane, mine: Collection[Row], found: Played, ending: threading.Event) -> None:
    failures = 0
    for row in mine:
        if ending.is_set() or failures >= MOST_FAILURES:
            found[row] = "not played: the run took too long, or rows before it failed"
            continue
        play(lane, row, found)
        failures += bool(found[row])


def play_while(
    trouble: AbstractContextManager[None],
    lanes: Mapping[Key, Lane],
    mine: Collection[Row],
    found: Played,
) -> None:
    """Each row's scene goes on when the trouble is over."""
    with ThreadPoolExecutor(len(mine)) as threads:
        with trouble:
            later = list(threads.map(lambda row: play(lanes[_key(row)], row, found), mine))
        for row, one in zip(mine, later, strict=True):
            if one is not None:
                threads.submit(attempt, row, one, found)


def play(lane: Lane, row: Row, found: Played) -> Later | None:
    began = time.monotonic()
    try:
        later: Later | None = attempt(row, lambda: SCENES[row.message](lane, row.outcome), found)
        return later
    finally:
        lane.side_of(row.api).faults()
        print(f"{row}: {time.monotonic() - began:.1f} s")


def attempt(row: Row, work: Callable[[], Any], found: Played) -> Any:
    try:
        result = work()
        found[row] = ""
    except Exception:
        found[row] = traceback.format_exc()
        return None
    return result


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


@contextmanager
def without_keys(stack: Rig, lanes: Collection[Lane]) -> Iterator[None]:
    """Their signing certificates have run out, so that no answer can be signed."""
    staff = stack.environment["DATABASE_STAFF_URL"]
    with psycopg.connect(staff, autocommit=True) as session:

        def move(days: int) -> None:
            for lane in lanes:
                scope = "SELECT set_config('app.tenant_id', %s, false)"
                session.execute(scope, [lane.tenant_id])
                changed = session.execute(
                    "UPDATE tenants_certificate SET not_after = not_after + %s * interval '1 day'"
                    " WHERE tenant_id = %s AND purpose = 'SIGNING' AND state = 'ACTIVE'",
                    [days, lane.tenant_id],
                )
                assert changed.rowcount == 1
            time.sleep(NOTICED_SECONDS)

        move(-1000)
        try:
            yield
        finally:
            move(1000)


@pytest.mark.parametrize("row", rows(), ids=str)
def test_row(played: Played, row: Row) -> None:
    assert not played[row], played[row]


def test_the_page_tells_what_is_played() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.e2e.matrix"


def test_no_reason_puts_off_and_each_test_that_one_names_is_there() -> None:
    for reason in REASONS.values():
        assert "yet" not in reason.split()
    named = re.findall(r"`(tests/[^`]+)`", page())
    assert len(named) > 3
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_what_cannot_be_played_is_said_of_no_more_than_a_third() -> None:
    """A cell that is left out is an exception that must be argued for."""
    cells = {(message, outcome) for message in Message for outcome in Outcome}
    played = {(row.message, row.outcome) for row in rows()}
    assert played | REASONS.keys() == cells
    assert len(played) > 2 * len(REASONS)
