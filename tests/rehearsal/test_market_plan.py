"""What a folder of market data makes of a day: what is sent, and words for what is not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from messaging.domain.messages import kind_of
from messaging.domain.rules import violations
from messaging.rehearsal.market.plan import Limits, NothingToReplay, plan_day
from tests.rehearsal.sample import ACCEPTANCES, DAY, REDECLARATIONS, write_sample

NOW = datetime(2026, 11, 22, 14, 7, 30, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sample(tmp_path)


def test_all_that_has_an_edl_form_is_sent_and_breaks_no_rule(folder: Path) -> None:
    plan = plan_day(folder, DAY, NOW, Limits())
    assert len(plan.acceptances) == ACCEPTANCES
    assert list(map(kind_of, plan.redeclarations)) == ["MEL", "MIL", "RDRI", "RDRI", "RDRI"]
    messages = (*plan.acceptances, *plan.redeclarations)
    assert [one for one in messages if violations(one, NOW)] == []


def test_what_is_not_sent_is_said_to_be_read_and_checked_only(folder: Path) -> None:
    lines = {line.file: line for line in plan_day(folder, DAY, NOW, Limits()).lines}
    assert [name for name, line in lines.items() if not line.driven] == ["pn.csv", "bod.csv"]
    assert "2 rows of 1 BM units read and checked" in lines["pn.csv"].words
    assert "no EDL form" in lines["bod.csv"].words


def test_another_day_s_rows_that_stand_in_are_named(folder: Path) -> None:
    lines = {line.file: line.words for line in plan_day(folder, DAY, NOW, Limits()).lines}
    assert lines["mel.csv"] == "2 rows of 2024-02-29 are 1 redeclarations of MEL"
    assert lines["mil.csv"] == (
        "1 rows of 2024-02-28 (none of 2024-02-29) are 1 redeclarations of MIL"
    )


@pytest.mark.parametrize(("limits", "counts"), [(Limits(2, 1), (2, 1)), (Limits(1), (1, 5))])
def test_no_more_is_sent_than_asked_for(
    folder: Path, limits: Limits, counts: tuple[int, int]
) -> None:
    plan = plan_day(folder, DAY, NOW, limits)
    assert (len(plan.acceptances), len(plan.redeclarations)) == counts
    told = [line.words for line in plan.lines if line.file == "redeclared"]
    assert bool(told) == (counts[1] < REDECLARATIONS)


def test_a_day_without_acceptances_is_refused_naming_the_days_there_are(folder: Path) -> None:
    with pytest.raises(NothingToReplay, match="its days: 2024-02-29, 2024-03-01"):
        plan_day(folder, date(2022, 1, 1), NOW, Limits())


def test_every_message_gets_the_control_point_of_its_unit(folder: Path) -> None:
    plan = plan_day(folder, DAY, NOW, Limits())
    addressed = plan.addressed({"SMPL-1": "RPL001", "SMPL-2": "RPL002"}, {"SMPL-2": 8})
    wanted = {("SMPL-1", "RPL001"), ("SMPL-2", "RPL002")}
    messages = (*addressed.acceptances, *addressed.redeclarations)
    assert {(one.bm_unit, one.control_point) for one in messages} == wanted
    assert [one.number for one in addressed.acceptances if one.bm_unit == "SMPL-2"] == [9, 11]
