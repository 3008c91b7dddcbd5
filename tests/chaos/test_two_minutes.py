"""A short chaos run, as `make chaos` makes long ones."""

from __future__ import annotations

from rich.console import Console

from tests.chaos import report
from tests.chaos.plan import SHORTEST
from tests.chaos.run import run

SEED = 20261122
MINUTES = SHORTEST / 60


def test_nothing_is_lost_late_or_doubled_in_a_minute_of_strikes() -> None:
    """Whatever happens in it is bounded; what is printed is shown where it fails."""
    outcome = run(SEED, MINUTES, print)
    report.show(outcome, Console(width=160))
    assert outcome.wrong == []
    assert [str(finding) for finding in outcome.findings] == []
    assert all(any(one.words or one.taken for one in flow.said) for flow in outcome.flows)
