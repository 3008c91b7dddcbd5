"""A chaos run's outcome as lines and tables for a terminal; found out elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from messaging.rehearsal.report import new_table
from tests.chaos.books import Flow, Ill
from tests.chaos.recovery import recovered
from tests.chaos.run import Outcome

_SHOWN = 40
_STATES = (
    *("ACKNOWLEDGED", "REFUSED", "EXPIRED", "SUPERSEDED", "DELIVERED", "REFUSED BY HOST"),
    "UNKNOWN",
)
_HEADS = (
    *("accepted", "refused", "expired", "super-\nseded", "no final\nword", "refused\nby host"),
    "in\ndoubt",
)


def show(outcome: Outcome, console: Console) -> None:
    console.print(Group(recovery_table(outcome), traffic_table(outcome)))
    for line in outcome.chains:
        console.print(f"  audit chain of {line}", soft_wrap=True)
    for finding in (*outcome.wrong, *outcome.findings)[:_SHOWN]:
        console.print(f"  {finding}", style="red", soft_wrap=True, markup=False)
    console.print(last_line(outcome), soft_wrap=True)


def recovery_table(outcome: Outcome) -> Table:
    """From each strike until the first message begun after it had gone all the way."""
    table = new_table("Recovery of each strike in s")
    table.add_column("strike", no_wrap=True, max_width=70)
    for name in outcome.passages:
        table.add_column(name, justify="right", no_wrap=True)
    for struck in sorted(outcome.struck, key=lambda one: one.at):
        times = (recovered(struck.at, passages) for passages in outcome.passages.values())
        cells = ("-" if one is None else f"{one.total_seconds():.1f}" for one in times)
        table.add_row(str(struck.strike), *cells)
    return table


def traffic_table(outcome: Outcome) -> Table:
    """What was said, and what became of it with the host; then how often it came."""
    table = new_table("What went where")
    table.add_column("flow", no_wrap=True)
    for name in ("said", "taken", *_HEADS, "not\nsent", "came", "repeats"):
        table.add_column(name, justify="right")
    for flow in outcome.flows:
        table.add_row(flow.title, *(str(count) for count in _counts(flow)))
    return table


def _counts(flow: Flow) -> Iterator[int]:
    states = Counter(one.state for one in flow.carried)
    yield len(flow.said)
    yield sum(one.taken for one in flow.said)
    yield from (states[state] for state in _STATES)
    yield states[""]
    different = {one.name for one in flow.came}
    yield len(different)
    yield len(flow.came) - len(different)


def last_line(outcome: Outcome) -> Text:
    """The one line that says it."""
    found = Counter(one.ill for one in outcome.findings)
    counts = ", ".join(f"{ill} {found[ill]}" for ill in Ill)
    chains = f"{len(outcome.chains)} audit chains whole" if outcome.holds else "see above"
    words = f"seed {outcome.seed}: {counts}; {chains}"
    style = "bold green" if outcome.holds else "bold red"
    return Text(f"{'Holds' if outcome.holds else 'FAILED'}, {words}", style=style)
