"""An acceptance is accepted by itself where it keeps within everything declared, and left to a
person for each thing that it breaks and each that is not known.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from messaging.domain.declared import Dated
from messaging.domain.instructions import Verdict
from messaging.domain.judging import Accept, Earlier, Leave, judge
from tests.domain.desk import (
    LONG_AGO,
    acceptance,
    at,
    flat,
    judged,
    line,
    moving,
    rates,
    reason,
    series,
    timed,
    unit,
    without,
)

UP = acceptance((0, 20), (5, 70), (30, 70), (35, 20))


def test_within_all_limits_it_is_accepted_with_the_figures() -> None:
    found = judged(UP, timed(unit(), NDZ=5, MZT=60, MNZT=90))
    assert found == Accept(
        "20 to 70 MW from 12:00 to 12:35 is within MIL and MEL; 10 of 10 MW/min;"
        " NDZ 5, MZT 60, MNZT 90 min kept"
    )


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (unit(mel=70), None),
        (unit(mel=69), "70 MW at 12:05 is above MEL 69"),
        (unit(mel=series((-1440, 100), (10, 100), (20, 60), (1440, 60))), "above MEL 60"),
        (unit(mil=20), None),
        (unit(mil=21), "20 MW at 12:00 is below MIL 21"),
        (unit(mel=flat(100, -60, 20)), "no MEL is declared from 12:20 to 12:35"),
        (without(unit(), "MEL"), "no MEL is declared from 12:00 to 12:35"),
        (without(unit(), "MIL"), "no MIL is declared from 12:00 to 12:35"),
        (without(unit(), "PN"), "no level before 12:00 is known"),
        (unit(pn=19), "starts at 20 MW, where the unit is at 19 MW"),
        (unit(pn=series((-60, 0), (60, 40))), None),
        (replace(unit(), doubts=("a MEL is on its way",)), "a MEL is on its way"),
        (without(unit(), "NDZ"), "no NDZ is declared"),
        (without(unit(), "MZT"), "no MZT is declared"),
        (without(unit(), "MNZT"), "no MNZT is declared"),
    ],
)
def test_levels_against_mel_mil_and_the_notification(declared: object, told: str | None) -> None:
    found = reason(UP, declared)  # type: ignore[arg-type]
    assert found is None if told is None else found is not None and told in found


def test_a_step_of_a_limit_where_the_line_just_touches_it_is_allowed() -> None:
    """MEL falls from 100 to 60 at the very moment at which the level has come down to 60."""
    down = acceptance((0, 100), (4, 60), (10, 60))
    stepped = (*series((-1440, 100), (4, 100)), *series((4, 60), (1440, 60)))
    assert reason(down, unit(pn=100, mel=stepped)) is None
    late = (*series((-1440, 100), (3, 100)), *series((3, 60), (1440, 60)))
    assert reason(down, unit(pn=100, mel=late)) == "70 MW at 12:03 is above MEL 60"


@pytest.mark.parametrize(
    ("parameter", "steps", "told"),
    [
        ("RURE", [("10", None)], None),
        ("RURE", [("9.9", None)], "10 MW/min from 12:00 between 20 and 70 MW, where RURE is 9.9"),
        ("RURE", [("10", None), ("5", 70)], None),
        ("RURE", [("10", None), ("5", 69)], "where RURE is 5"),
        ("RURE", [("1", None), ("10", 20)], None),
        ("RURE", [("1", None), ("10", 21)], "where RURE is 1"),
        ("RURE", [("99", None), ("5", 30), ("99", 40)], "where RURE is 5"),
        ("RURE", [("99", None), ("10", 30), ("99", 40)], None),
        ("RDRE", [("9", None)], "10 MW/min from 12:30 between 20 and 70 MW, where RDRE is 9"),
        ("RDRE", [("10", None), ("1", 20)], None),
        ("RDRE", [("10", None), ("1", 21)], "where RDRE is 1"),
        ("RDRE", [("1", None), ("10", 70)], None),
        ("RURI", [("0.1", None)], None),
        ("RDRI", [("0.1", None)], None),
    ],
)
def test_ramps_against_the_rate_of_each_band(
    parameter: str, steps: list[tuple[str, int | None]], told: str | None
) -> None:
    found = reason(UP, moving(unit(), **{parameter: rates(*steps)}))
    assert found is None if told is None else found is not None and told in found


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        ("RDRE", "between 0 and 20 MW, where RDRE is 1"),
        ("RDRI", "between -30 and 0 MW, where RDRI is 1"),
        ("RURI", "between -30 and 0 MW, where RURI is 1"),
        ("RURE", "between 0 and 20 MW, where RURE is 1"),
    ],
)
def test_a_ramp_through_zero_keeps_the_rates_of_both_ranges(parameter: str, told: str) -> None:
    through = acceptance((0, 20), (5, -30), (30, -30), (35, 20))
    assert reason(through, unit()) is None
    found = reason(through, moving(unit(), **{parameter: rates(("1", None))}))
    assert found is not None
    assert told in found
    assert f"no {parameter} is declared" in (reason(through, without(unit(), parameter)) or "")


def test_the_elbows_of_the_import_range_count_on_the_way_they_are_passed() -> None:
    down = acceptance((0, 0), (5, -50), (10, -50))
    quick_first = rates(("10", None), ("1", -50))
    assert reason(down, moving(unit(pn=0), RDRI=quick_first)) is None
    assert "RDRI is 1" in (
        reason(down, moving(unit(pn=0), RDRI=rates(("10", None), ("1", -49)))) or ""
    )


def test_a_rate_that_changes_on_the_way_counts_from_then_on_for_the_whole_line() -> None:
    slower = rates(("10", None)) + rates(("5", None), since=at(3))
    assert "where RURE is 5" in (reason(UP, moving(unit(), RURE=slower)) or "")
    later = rates(("10", None)) + rates(("5", None), since=at(6))
    assert reason(UP, moving(unit(), RURE=later)) is None
    unknown = rates(("10", None), since=at(1))
    assert "no RURE is declared" in (reason(UP, moving(unit(), RURE=unknown)) or "")


def test_a_step_between_segments_or_at_the_start_is_left() -> None:
    stepped = replace(UP, levels=(*line((0, 20), (5, 20)), *line((5, 30), (10, 30))))
    assert reason(stepped, unit()) == "a step from 20 to 30 MW at 12:05"
    torn = replace(UP, levels=(*line((0, 20), (5, 20)), *line((6, 20), (10, 20))))
    assert reason(torn, unit()) == "its segments are not joined"
    assert reason(replace(UP, levels=()), unit()) == "its times are not in order"
    backwards = replace(UP, levels=tuple(reversed(UP.levels)))
    assert reason(backwards, unit()) == "its times are not in order"


def test_an_emergency_instruction_and_one_that_came_late_are_left() -> None:
    assert reason(replace(UP, emergency_flag=True), unit()) == "it is an emergency instruction"
    found = judge(UP, unit(), (), at(1))
    assert found == Leave("it starts at 12:00 and came at 12:01:00")
    assert isinstance(judge(UP, unit(), (), at(0) + timedelta(seconds=30)), Accept)


# Times. The unit stands at zero until the acceptance takes it out and back, or the other way round.

FROM_ZERO = acceptance((0, 0), (5, 50), (20, 50), (25, 0), (60, 0))
TO_ZERO = acceptance((0, 50), (5, 0), (20, 0), (25, 50), (60, 50))


@pytest.mark.parametrize(
    ("boa", "pn", "times", "told"),
    [
        (FROM_ZERO, 0, {"NDZ": 2}, None),
        (FROM_ZERO, 0, {"NDZ": 3}, "leaves zero 2 min after acceptance, where NDZ is 3"),
        (TO_ZERO, 50, {"NDZ": 22}, None),
        (TO_ZERO, 50, {"NDZ": 23}, "leaves zero 22 min after acceptance, where NDZ is 23"),
        (UP, 20, {"NDZ": 999}, None),
        (FROM_ZERO, 0, {"MNZT": 25}, None),
        (FROM_ZERO, 0, {"MNZT": 26}, "exports for 25 min, where MNZT is 26"),
        (TO_ZERO, 50, {"MZT": 15}, None),
        (TO_ZERO, 50, {"MZT": 16}, "does not export for 15 min, where MZT is 16"),
        (TO_ZERO, 50, {"MNZT": 999}, None),
        (UP, 20, {"MZT": 999, "MNZT": 999}, None),
    ],
)
def test_times_at_zero_and_away_from_it(
    boa: object, pn: int, times: dict[str, int], told: str | None
) -> None:
    assert reason(boa, timed(unit(pn=pn), **times)) == told  # type: ignore[arg-type]


def test_where_the_notification_leaves_zero_anyhow_no_notice_is_needed() -> None:
    planned = series((-1440, 0), (0, 0), (10, 50), (1440, 50))
    assert reason(FROM_ZERO, timed(unit(pn=planned), NDZ=60)) is None
    other_side = series((-1440, 0), (0, 0), (10, -50), (1440, -50))
    assert reason(FROM_ZERO, timed(unit(pn=other_side), NDZ=60)) is not None


def test_a_line_through_zero_ends_one_time_and_begins_another() -> None:
    through = acceptance((0, 20), (4, -20), (10, -20), (14, 20), (60, 20))
    assert reason(through, timed(unit(), MNZT=10)) is None
    told = reason(through, timed(unit(), MNZT=11))
    assert told == "imports for 10 min, where MNZT is 11"
    assert reason(through, timed(unit(), MZT=10)) is None
    assert "does not export for 10 min" in (reason(through, timed(unit(), MZT=11)) or "")
    assert "leaves zero 4 min after" in (reason(through, timed(unit(), NDZ=5)) or "")


def test_what_began_before_the_acceptance_counts_from_its_beginning() -> None:
    since = series((-1440, 0), (-30, 0), (-20, 50), (1440, 50))
    down = acceptance((0, 50), (5, 0), (60, 0))
    assert reason(down, timed(unit(pn=since), MNZT=35)) is None
    assert reason(down, timed(unit(pn=since), MNZT=36)) == ("exports for 35 min, where MNZT is 36")


def test_a_time_of_which_too_little_is_known_is_left() -> None:
    known = flat(50, -30, 1440)
    down = acceptance((0, 50), (5, 0), (60, 0))
    assert reason(down, timed(unit(pn=known), MNZT=35)) is None
    assert reason(down, timed(unit(pn=known), MNZT=36)) == (
        "exports for 35 min as far as is known, where MNZT is 36"
    )


# History.


def earlier(verdict: Verdict | None, number: int = 6) -> Earlier:
    return Earlier(number, line((-60, 0), (-55, 40), (90, 40)), verdict)


def test_the_unit_is_where_the_acceptances_before_have_put_it() -> None:
    onward = acceptance((0, 40), (5, 70), (30, 70), (33, 40))
    assert reason(onward, unit(pn=0)) == "starts at 40 MW, where the unit is at 0 MW"
    assert reason(onward, unit(pn=0), [earlier(Verdict.ACCEPTED)]) is None
    assert reason(onward, unit(pn=0), [earlier(Verdict.REJECTED)]) is not None
    later = Earlier(8, line((-10, 40), (-8, 60), (90, 60)), Verdict.ACCEPTED)
    both = [later, earlier(Verdict.ACCEPTED)]
    assert reason(onward, unit(pn=0), both) == "starts at 40 MW, where the unit is at 60 MW"


def test_an_acceptance_before_it_without_an_answer_leaves_it() -> None:
    told = reason(UP, unit(), [earlier(None)])
    assert told == "acceptance 6 before it has no answer"
    long_over = Earlier(5, line((-1100, 0), (-1000, 10)), None)
    assert reason(UP, unit(), [long_over]) is None


def test_the_times_of_an_earlier_acceptance_are_kept_too() -> None:
    """Taken to zero twenty minutes ago, back now."""
    put_down = Earlier(6, line((-30, 50), (-20, 0), (90, 0)), Verdict.ACCEPTED)
    back = acceptance((0, 0), (5, 50), (60, 50))
    assert reason(back, timed(unit(pn=50), MZT=20), [put_down]) is None
    told = reason(back, timed(unit(pn=50), MZT=21), [put_down])
    assert told == "does not export for 20 min, where MZT is 21"


def test_only_so_many_reasons_are_told() -> None:
    bare = replace(unit(), levels={}, rates={}, values={})
    told = reason(UP, bare)
    assert told is not None
    assert told.endswith("; and 3 more")
    assert told.count(";") == 5


def test_the_longest_of_the_times_in_force_counts() -> None:
    values = (Dated(LONG_AGO, 1, 0), Dated(at(10), 2, 40))
    declared = replace(unit(pn=0), values={**unit().values, "MNZT": values})
    assert reason(FROM_ZERO, declared) == "exports for 25 min, where MNZT is 40"
