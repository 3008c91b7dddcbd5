"""A replay's progress and outcome on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from messaging.rehearsal.market.outcome import Flow
from messaging.rehearsal.market.play import Replayed
from messaging.rehearsal.report import new_table

_SHOWN = 40


@contextmanager
def progress_of(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; elsewhere a line for each tenth."""
    if not console.is_terminal:
        yield _tenths(console)
        return
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("replaying")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tenths(console: Console) -> Callable[[int, int], None]:
    told = 0

    def progress(done: int, total: int) -> None:
        nonlocal told
        tenths = done * 10 // total
        if tenths > told:
            told = tenths
            console.print(f"{done} of {total} settled")

    return progress


def flow_table(replayed: Replayed) -> Table:
    table = new_table(f"The day, over {replayed.links} links; ms from")
    for name in ("what", "hop"):
        table.add_column(name, no_wrap=True)
    for name in ("count", "p50", "p99", "longest"):
        table.add_column(name, justify="right", no_wrap=True)
    for flow in (replayed.acceptances, replayed.redeclarations):
        for hop, spread in flow.hops:
            figures = (spread.p50, spread.p99, spread.longest)
            told = ("" if figure is None else f"{figure:.1f}" for figure in figures)
            table.add_row(flow.title, hop, str(spread.count), *told)
    return table


def result_lines(replayed: Replayed) -> Iterator[Text]:
    for flow in (replayed.acceptances, replayed.redeclarations):
        yield Text(_words(flow))
    found = replayed.differences
    for difference in found[:_SHOWN]:
        yield Text(f"  {difference}", style="red")
    if found:
        yield Text(f"FAILED: {len(found)} differences between sent and got", style="bold red")
    else:
        yield Text("No difference: all that was sent came, once, in order, the same", "bold green")


def _words(flow: Flow) -> str:
    compared = flow.comparison
    return (
        f"{flow.sent} {flow.title} in {flow.seconds:.1f} s, {flow.rate:.1f} a second;"
        f" {compared.messages} compared at the other end, {compared.segments} segments"
    )
