"""What is shown of a running stack: the picture for a terminal, lines for a pipe."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from rich.console import Console, RenderableType

from hostsvc.stack import panels
from hostsvc.stack.follower import Follower
from hostsvc.stack.terminal import is_news, words_of
from hostsvc.supervisor import ChildState, Event, EventKind, Status
from messaging.rehearsal.hops import Hops, Passage, Way, floor_at
from messaging.rehearsal.service_file import AdminAccess, Service, TenantAccess
from tenants.ids import new_id

AT = datetime(2026, 11, 22, 10, 0, 0, 123_000, tzinfo=UTC)
PASSAGE = Passage(
    UUID(int=1),
    AT,
    "alder",
    Way.UP,
    "MEL",
    "ALDR-001",
    "acknowledged",
    Hops(1.25, 3.0, 8.04, None),
    ended=False,
)
SERVICE = Service(
    ("127.0.0.1", 8100),
    "https://127.0.0.1:8443/wa/simulator",
    "http://127.0.0.1:8000/api/v1",
    "http://127.0.0.1:8000/api/v1/openapi",
    AdminAccess("http://127.0.0.1:8001/admin/", "admin", "made-up"),
    "https://127.0.0.1:1",
    "http://127.0.0.1:2",
    (TenantAccess("alder", "ALDER", "hsk_made_up", ()),),
)


def state(name: str, status: Status, restarts: int = 0) -> ChildState:
    return ChildState(name, status, 1, restarts, time.monotonic())


def plain(picture: RenderableType, *, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(picture)
    return captured.get()


def running(count: int, height: int, *, is_current: bool = True) -> RenderableType:
    passages = [replace(PASSAGE, bm_unit=f"UNIT-{number}") for number in range(count)]
    return panels.running(
        [state("gateway", Status.READY)],
        passages,
        SERVICE,
        heading="it runs",
        is_current=is_current,
        width=120,
        height=height,
    )


def test_a_message_is_one_row_with_the_time_of_each_hop() -> None:
    (row,) = [line for line in plain(running(1, 40)).splitlines() if "UNIT-0" in line]
    assert row.split() == [
        "10:00:00.123", "alder", "up", "MEL", "UNIT-0", "acknowledged", "1.2", "3.0", "8.0"
    ]  # fmt: skip


def test_the_newest_come_last_and_no_more_than_there_is_room_for() -> None:
    for height in (12, 24, 40):
        lines = plain(running(200, height)).splitlines()
        rows = [line for line in lines if "UNIT-" in line]
        assert "UNIT-199" in rows[-1]
        assert len(lines) <= max(height, 15)
        assert len(rows) >= 3


def test_nothing_wraps_on_a_narrow_terminal() -> None:
    lines = plain(running(5, 24), width=60).splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 60 for line in lines)


def test_addresses_and_log_ins_are_shown() -> None:
    text = plain(running(0, 40))
    for words in ("http://127.0.0.1:8001/admin/", "admin / made-up", "hsk_made_up", "/openapi"):
        assert words in text
    assert any("made-up" in line for line in panels.address_lines(SERVICE))


def test_a_database_that_is_away_is_said_to_be() -> None:
    assert "the database is away" in plain(running(1, 40, is_current=False))
    assert "the database is away" not in plain(running(1, 40))


def test_programs_that_are_not_as_they_should_be_stand_out() -> None:
    states = [
        state("migrate", Status.ENDED),
        state("gateway", Status.READY),
        state("worker", Status.RESTARTING, 2),
    ]
    (line,) = panels.processes(states, 120)
    assert line.plain == "● gateway  ● worker (restarting) (restarted 2x)  "


def test_programs_that_do_not_fit_in_a_line_take_another() -> None:
    states = [state(f"program {number}", Status.READY) for number in range(17)]
    lines = panels.processes(states, 60)
    assert all(line.cell_len <= 60 for line in lines)
    assert "".join(line.plain for line in lines).split("● ")[1:] == [
        f"program {number}  " for number in range(17)
    ]


def test_a_cold_start_shows_what_is_done_and_what_is_under_way() -> None:
    states = [state("postgres", Status.READY), state("enrol", Status.STARTING)]
    lines = plain(panels.starting(states, 3.0)).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        ["postgres", "ready"],
        ["enrol", "starting"],
    ]
    assert "preparing" in plain(panels.starting((), 0.0))


def test_a_line_of_plain_text_has_the_hops_there_were() -> None:
    assert panels.passage_line(PASSAGE) == (
        "10:00:00.123 alder up MEL ALDR-001 acknowledged"
        " stored 1.2 ms, sent 3.0 ms, answered 8.0 ms"
    )


def test_only_news_is_told() -> None:
    kinds = (EventKind.STARTED, EventKind.STOPPING, EventKind.STOPPED)
    assert not any(is_news(Event(kind, "worker")) for kind in kinds)
    assert is_news(Event(EventKind.ENDED, "worker", "with code 1"))
    assert not is_news(Event(EventKind.ENDED, "rehearsal", "with code 0"))
    assert words_of(Event(EventKind.ENDED, "worker", "with code 1")) == "worker ended: with code 1"


def test_a_growing_log_is_followed_by_whole_lines_from_where_it_stood(tmp_path: Path) -> None:
    log = tmp_path / "rehearsal.log"
    log.write_text("of another run\n")
    follower = Follower(log)
    assert follower.lines() == []
    with log.open("a") as writing:
        writing.write("one\ntwo\nthr")
        writing.flush()
        assert follower.lines() == ["one", "two"]
        writing.write("ee\n")
        writing.flush()
        assert follower.lines() == ["three"]


def test_a_log_that_is_not_there_yet_has_no_lines(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "later.log")
    assert follower.lines() == []
    (tmp_path / "later.log").write_text("first\n")
    assert follower.lines() == ["first"]


def test_the_floor_of_a_moment_lies_below_ids_given_from_then_on() -> None:
    before = datetime.now(UTC)
    given = new_id()
    after = datetime.now(UTC) + timedelta(milliseconds=1)
    assert floor_at(before) < given < floor_at(after)
