"""A rehearsal's account as lines and tables for a terminal; found out elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from messaging.rehearsal import latencies
from messaging.rehearsal.books import Book, Matter
from messaging.rehearsal.latencies import Measured
from messaging.rehearsal.percentiles import Spread
from messaging.rehearsal.players import Player
from messaging.rehearsal.rehearsal import Account, Played
from messaging.rehearsal.scenes import Pace

_WIDTH = 110


def wide_console() -> Console:
    """Standard output; where that is no terminal, wide enough for the tables."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def scene_line(played: Played) -> Text:
    mark, style = ("failed", "bold red") if played.failed else ("holds ", "green")
    words = played.failed or played.words
    return Text.assemble(
        (mark, style), f"  {played.scene.title}: {words}", (f"  {played.seconds:.1f} s", "dim")
    )


def last_line(failures: Sequence[str], holds: str) -> Text:
    """The one line that says it."""
    if not failures:
        return Text(holds, style="bold green")
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return Text(f"FAILED: {failures[0]}{more}", style="bold red")


def traffic_table(account: Account) -> Table:
    """Who sent what to whom, and what came of it, as all three books have it."""
    table = new_table("What went where")
    for name in ("tenant", "link", "what", "way"):
        table.add_column(name, no_wrap=True)
    for name in ("sent", "taken", "refused\nby host", "refused\nby SO", "accepted", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    players, _, operator = account.books
    for player in account.players:
        whose = (player.access.tenant, player.name)
        table.add_row(*whose, "redeclarations", "up", *_declared(player, players))
        table.add_row(*whose, "instructions", "down", *_instructed(player, operator, players))
    return table


def _declared(player: Player, book: Book) -> tuple[str, ...]:
    outcomes = _outcomes(player, book, Matter.REDECLARATION)
    starts = Counter(outcome.split(" ")[0] for outcome in outcomes)
    counts = (len(outcomes), starts["OK"], starts["NACK"], starts["REFUSE"])
    return (*map(str, counts), "", "")


def _instructed(player: Player, sent: Book, taken: Book) -> tuple[str, ...]:
    outcomes = _outcomes(player, sent, Matter.INSTRUCTION)
    verdicts = Counter(outcome.split(" ")[0] for outcome in outcomes)
    came = len(_outcomes(player, taken, Matter.INSTRUCTION))
    given = (str(verdicts["ACCEPTED"]), str(verdicts["REJECTED"]))
    return (str(len(outcomes)), str(came), "", "", *given)


def _outcomes(player: Player, book: Book, matter: Matter) -> list[str]:
    return [
        one.outcome
        for one in book.records
        if one.matter is matter and one.control_point == player.name
    ]


def hop_table(account: Account) -> Table:
    """Latencies of the scenes without faults: single messages, and bursts, in which the wait for
    others counts.
    """
    singly, at_once = (_measured(account, pace) for pace in (Pace.SINGLE, Pace.BURST))
    table = spread_table("Latency of each hop in ms", ("single", "burst"))
    _add_hops(table, "redeclaration", latencies.REDECLARED, latencies.redeclared, singly, at_once)
    table.add_section()
    _add_hops(table, "instruction", latencies.INSTRUCTED, latencies.instructed, singly, at_once)
    return table


def spread_table(title: str, groups: Sequence[str]) -> Table:
    """An empty table with a count and percentiles for each group."""
    table = new_table(title)
    table.add_column("hop", no_wrap=True)
    table.add_column("clock", no_wrap=True)
    for group in groups:
        for name in ("count", "p50", "p99"):
            table.add_column(f"{group}\n{name}", justify="right", no_wrap=True)
    return table


def add_spreads(table: Table, hop: str, clock: str, spreads: Iterable[Spread]) -> None:
    figures = [figure for one in spreads for figure in _figures(one)]
    table.add_row(f"  {hop}", clock, *figures)


def new_table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def _add_hops(
    table: Table,
    what: str,
    hops: Sequence[tuple[str, str]],
    spreads: Callable[[Measured], Iterator[Spread]],
    singly: Measured,
    at_once: Measured,
) -> None:
    table.add_row(Text(what, style="bold"))
    rows = zip(hops, spreads(singly), spreads(at_once), strict=True)
    for (hop, clock), single, burst in rows:
        add_spreads(table, hop, clock, (single, burst))


def _figures(one: Spread) -> tuple[str, str, str]:
    p50, p99 = ("" if figure is None else f"{figure:.1f}" for figure in (one.p50, one.p99))
    return str(one.count), p50, p99


def _measured(account: Account, pace: Pace) -> Measured:
    declared = [one for player in account.players for one in player.declared]
    sent = account.operator.instructions
    return Measured(
        [one for one in account.passages if account.pace_at(one.at) is pace],
        [one for one in declared if account.pace_at(one.at) is pace],
        [one for one in sent if account.pace_at(_moment(one.sent_at)) is pace],
        account.operator.responses,
    )


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
