"""A chaos plan is the same for the same seed, and holds everything that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostsvc.stack import parts
from hostsvc.stack.layout import PORTS, Layout
from messaging.simulator.catalogue import CATALOGUE
from messaging.simulator.faults import read_fault
from tests.chaos.plan import (
    LONG_FREEZE,
    PARTS,
    SERVERS,
    SHORTEST,
    Deed,
    Strike,
    draw,
    every_blow,
)
from tests.chaos.stack import doubled

SEEDS = (1, 2, 3)
MINUTES = (SHORTEST / 60, 1.25, 5.0)


def faults(plan: tuple[Strike, ...]) -> list[Strike]:
    return [strike for strike in plan if strike.deed is Deed.FAULT]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_draws_the_same_plan_and_another_seed_another(seed: int) -> None:
    assert draw(seed, 5) == draw(seed, 5)
    assert draw(seed, 5) != draw(seed + 1, 5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("minutes", MINUTES)
def test_strikes_come_in_order_and_are_over_with_the_run(seed: int, minutes: float) -> None:
    plan = draw(seed, minutes)
    assert [one.at for one in plan] == sorted(one.at for one in plan)
    assert all(one.at >= 0 and one.at + one.lasts <= minutes * 60 for one in plan)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("minutes", MINUTES)
def test_every_fault_of_the_simulators_is_in_each_plan_and_is_one_it_can_read(
    seed: int, minutes: float
) -> None:
    plan = faults(draw(seed, minutes))
    assert {one.target for one in plan} == set(CATALOGUE)
    for one in plan:
        assert read_fault(dict(one.settings)).remaining == one.settings["times"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("minutes", MINUTES)
def test_each_deed_is_in_each_plan(seed: int, minutes: float) -> None:
    assert {one.deed for one in draw(seed, minutes)} == set(Deed)


def test_a_run_of_five_minutes_does_everything_and_freezes_a_worker_for_longer_than_its_claim() -> (
    None
):
    plan = draw(1, 5)
    assert set(every_blow()) <= {(one.deed, one.target) for one in plan}
    assert LONG_FREEZE in {one.lasts for one in plan if one.target == "worker"}


def test_every_program_of_the_stack_is_killed_but_for_the_operators() -> None:
    layout = Layout(Path("somewhere"), dict.fromkeys(PORTS, 1), "secret", "master")
    programs = {child.name for child in doubled(parts.services(layout, {}), 2)}
    assert programs - {"simulator"} == set(PARTS)
    killed = {target for deed, target in every_blow() if deed is Deed.KILL}
    assert killed == {*PARTS, *SERVERS}


def test_a_run_too_short_for_the_core_is_none() -> None:
    with pytest.raises(ValueError, match="at least"):
        draw(1, 0.5)
