"""How a stateful test is played here: the same games each time, so that CI is deterministic, and so
many steps that the folder takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def play(machine: Callable[[], RuleBasedStateMachine], games: int, steps: int) -> None:
    """Plays `games` of at most `steps` each, and makes the one that failed as short as it can."""
    _play(machine, games, steps, (Phase.generate, Phase.shrink))


def play_to_lose(machine: Callable[[], RuleBasedStateMachine], games: int, steps: int) -> None:
    """For a negative control: how short the failure is doesn't matter."""
    _play(machine, games, steps, (Phase.generate,))


def _play(
    machine: Callable[[], RuleBasedStateMachine], games: int, steps: int, phases: tuple[Phase, ...]
) -> None:
    how = settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=games,
        stateful_step_count=steps,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(cast(Any, machine), settings=how)
