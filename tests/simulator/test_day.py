"""A day of real acceptances: read from a file, and played at a speed."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from messaging.simulator.drills.day import make_instruction
from messaging.simulator.drills.day_file import Acceptance, BadDay, Segment, load_day
from tests.simulator.rig import Rig, rig

HEAD = (
    "bmUnit,nationalGridBmUnit,settlementDate,settlementPeriod,acceptanceNumber,acceptanceTime,"
    "timeFrom,timeTo,levelFrom,levelTo,deemedBoFlag,soFlag,storFlag,rrFlag"
)
DAY = "2026-03-01"


def row(unit: str, number: int, at: str, begin: str, end: str, **changes: str) -> str:
    given = {"day": DAY, "levels": "0,10", "flags": "F,T,F,F", **changes}
    stamps = ",".join(f"{given['day']}T{time}:00Z" for time in (at, begin, end))
    head = f"X_{unit},{unit},{given['day']},20,{number}"
    return f"{head},{stamps},{given['levels']},{given['flags']}"


ROWS = (
    row("BMU-1", 7, "10:00", "10:20", "10:30", levels="10,10.0"),
    row("BMU-1", 7, "10:00", "10:10", "10:20"),
    row("REAL-9", 3, "09:00", "09:05", "09:35"),
    row("REAL-8", 4, "11:00", "11:05", "11:35"),
    row("REAL-8", 5, "11:30", "11:35", "11:50", flags="T,F,F,F"),
    row("REAL-8", 6, "09:00", "09:10", "09:50", day="2026-03-02"),
)


def write(folder: Path, *rows: str, head: str = HEAD) -> Path:
    file = folder / "boalf.csv"
    file.write_text("\n".join((head, *rows)) + "\n")
    return file


def test_a_day_is_its_acceptances_in_the_order_they_were_given(tmp_path: Path) -> None:
    write(tmp_path, *ROWS)
    file = load_day(tmp_path)
    assert [str(day) for day in file.days] == [DAY, "2026-03-02"]
    assert file.fullest() == date(2026, 3, 1)
    found = file.days[file.fullest()]
    assert [(one.bm_unit, one.number) for one in found] == [
        ("REAL-9", 3),
        ("BMU-1", 7),
        ("REAL-8", 4),
    ]
    levels = [(one.level_from, one.level_to) for one in found[1].segments]
    assert levels == [(0, 10), (10, 10)]
    assert (found[1].so_flag, found[1].rr_flag) == (True, False)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (row("bmu", 1, "09:00", "09:05", "09:10"), "line 2: nationalGridBmUnit is 'bmu'"),
        (row("BMU-1", 1, "09:00", "09:05", "09:05"), "line 2: timeTo"),
        (row("BMU-1", 1, "09:00", "09:05", "09:10", levels="1.5,2"), "line 2: levelFrom is '1.5'"),
        (row("BMU-1", 1, "09:00", "09:05", "09:10", levels="NaN,2"), "line 2: levelFrom is 'NaN'"),
        (row("BMU-1", 1, "09:00", "09:05", "09:10", flags="F,Y,F,F"), "line 2: soFlag is 'Y'"),
        (row("BMU-1", 1, "9", "09:05", "09:10"), "line 2: acceptanceTime"),
        (row("BMU-1", 1, "09:00", "09:05", "09:10", day="today"), "line 2: "),
        ("BMU-1", "line 2: "),
    ],
)
def test_a_bad_row_is_named_by_line_and_column(bad: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadDay, match=told):
        load_day(write(tmp_path, bad))


def test_a_file_without_its_columns_or_without_a_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDay, match="line 1: no column nationalGridBmUnit, settlementDate"):
        load_day(write(tmp_path, head="a,b"))
    with pytest.raises(BadDay, match="no acceptance"):
        load_day(write(tmp_path))
    with pytest.raises(BadDay, match=r"none\.csv"):
        load_day(tmp_path / "none.csv")


def test_an_acceptance_is_given_now_and_its_levels_keep_their_distance() -> None:
    first = datetime(2026, 3, 1, 10, tzinfo=UTC)
    minutes = [first + timedelta(minutes=at) for at in (10, 20)]
    segment = Segment(minutes[0], 0, minutes[1], 50)
    one = Acceptance("BMU-1", first.date(), 7, first, (segment,), True, False, False)
    at = datetime(2026, 11, 22, 15, 30, 59, 9, tzinfo=UTC)
    made: dict[str, Any] = make_instruction(one, "CPALFA", "BMU-1", at)
    assert made["acceptanceTime"] == "2026-11-22T15:30:00Z"
    assert made["levels"] == [
        {
            "timeFrom": "2026-11-22T15:40:00Z",
            "levelFrom": 0,
            "timeTo": "2026-11-22T15:50:00Z",
            "levelTo": 50,
        }
    ]
    assert (made["soFlag"], made["emergencyFlag"]) == (True, False)


async def _played(on: Rig, **wanted: Any) -> dict[str, Any]:
    await on.control("POST", "/day", wanted)
    for _ in range(1500):
        shown: dict[str, Any] = await on.control("GET", "/day")
        if not shown["running"]:
            return shown
        await asyncio.sleep(0.01)
    raise AssertionError(shown)


def test_a_day_is_played_at_a_speed_to_the_units_there_are(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, day=load_day(write(tmp_path, *ROWS))) as on:
            shown = await _played(on, speed=72_000, controlPoint="CPALFA")
            assert (shown["total"], shown["sent"], shown["answers"]) == (3, 3, {"200": 3})
            assert shown["days"] == {DAY: 3, "2026-03-02": 1}
            got = sorted((one.payload for one in on.host.got), key=_sent)
            assert {one["bmUnit"] for one in got} <= {"BMU-1", "BMU-2"}
            assert got[1]["bmUnit"] == "BMU-1", "a unit that is known plays itself"
            assert len(got[1]["levels"]) == 2
            times = [datetime.fromisoformat(one["sentAt"]) for one in got]
            # Two hours of that day are a tenth of a second, and never less.
            assert times[2] - times[0] >= timedelta(seconds=0.095)

    asyncio.run(scenario())


def _sent(payload: dict[str, Any]) -> str:
    return str(payload["sentAt"])


def test_a_part_of_a_day_as_fast_as_the_host_answers(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, day=load_day(write(tmp_path, *ROWS))) as on:
            wanted = {"date": DAY, "fromSecond": 9.5 * 3600, "limit": 1}
            shown = await _played(on, controlPoint="CPALFA", **wanted)
            assert (shown["sent"], shown["speed"]) == (1, None)
            assert [one.payload["bmUnit"] for one in on.host.got] == ["BMU-1"]

    asyncio.run(scenario())


def test_a_day_that_is_stopped_sends_no_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, day=load_day(write(tmp_path, *ROWS))) as on:
            await on.control("POST", "/day", {"speed": 1, "controlPoint": "CPALFA"})
            await on.host.wait_for(1)
            shown = await on.control("DELETE", "/day")
            assert (shown["running"], shown["sent"]) == (False, 1)
            assert shown["endedAt"] is not None

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"date": "2026-03-03"}, 409),
        ({"controlPoint": "CPNONE"}, 409),
        ({"date": "today"}, 400),
        ({"speed": 0}, 400),
        ({"speed": "fast"}, 400),
        ({"limit": 0}, 400),
        ({"controlPoint": 1}, 400),
        ({"fromSecond": -1}, 400),
    ],
)
def test_a_bad_wish_is_a_problem(wanted: Any, status: int, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, day=load_day(write(tmp_path, *ROWS))) as on:
            await on.control("POST", "/day", wanted, status)

    asyncio.run(scenario())


def test_without_a_file_there_is_no_day(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            problem = await on.control("POST", "/day", {}, 409)
            assert "--day" in problem["detail"]

    asyncio.run(scenario())
