"""What is shown of a running stack, as rich renderables and as plain lines; printing them is the
terminal's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hostsvc.supervisor import ChildState, Status
from messaging.rehearsal.hops import Passage
from messaging.rehearsal.service_file import Service

_HOPS = ("stored", "sent", "answered", "told")
_OF_STATUS = {
    Status.WAITING: "dim",
    Status.STARTING: "yellow",
    Status.READY: "green",
    Status.RESTARTING: "red",
    Status.ENDED: "dim green",
    Status.STOPPED: "dim",
}
_OF_STATE = {
    "acknowledged": "green",
    "accepted": "green",
    "rejected": "magenta",
    "held": "yellow",
    "expired": "red",
    "abandoned": "red",
}
_LINES_AROUND = 5
"""Heading, the table's own head and foot."""


def starting(states: Sequence[ChildState], seconds: float) -> RenderableType:
    """The cold start: what is done, what is under way and for how long, what is still to come."""
    heading = Text(f"hostsvc is starting, {seconds:.0f} s", style="bold")
    if not states:
        return Group(heading, Text("  preparing PostgreSQL and Redis", style="yellow"))
    grid = Table.grid(padding=(0, 2))
    for state in states:
        since = time.monotonic() - state.since
        words = f"{state.status} {since:.0f} s" if state.status is Status.STARTING else state.status
        grid.add_row("", state.name, Text(words, style=_OF_STATUS[state.status]))
    return Group(heading, grid)


def processes(states: Sequence[ChildState], width: int) -> list[Text]:
    """Each program, and what is not as it should be, in as many lines as `width` columns take."""
    lines = [Text(no_wrap=True, overflow="ellipsis")]
    for state in states:
        if state.status is Status.ENDED:
            continue
        program = _program(state)
        if lines[-1] and lines[-1].cell_len + program.cell_len > width:
            lines.append(Text(no_wrap=True, overflow="ellipsis"))
        lines[-1].append_text(program)
    return lines


def _program(state: ChildState) -> Text:
    more = "" if state.status is Status.READY else f" ({state.status})"
    again = f" (restarted {state.restarts}x)" if state.restarts else ""
    words = f"{state.name}{more}{again}  "
    return Text.assemble(("● ", _OF_STATUS[state.status]), words)


def running(
    states: Sequence[ChildState],
    passages: Sequence[Passage],
    service: Service | None,
    *,
    heading: str,
    is_current: bool,
    width: int,
    height: int,
) -> RenderableType:
    """The whole screen, at most `height` lines of `width` columns."""
    access = addresses(service) if service else Text()
    programs = processes(states, width)
    lines = len(programs) + (len(_address_rows(service)) if service else 0)
    room = max(height - lines - _LINES_AROUND, 3)
    return Group(
        Text(heading, style="bold"),
        *programs,
        traffic_table(passages[-room:], is_current=is_current),
        access,
    )


def traffic_table(passages: Sequence[Passage], *, is_current: bool) -> Table:
    """Newest last; the hops in ms, one after the other."""
    style = "" if is_current else "dim"
    caption = None if is_current else "the database is away; this is as last seen"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, row_styles=[style], caption=caption)
    for name in ("time", "tenant", "way", "kind", "BM unit", "state"):
        table.add_column(name, no_wrap=True)
    for name in _HOPS:
        table.add_column(f"{name} ms", justify="right", no_wrap=True)
    for one in passages:
        state = Text(one.state, style=_OF_STATE.get(one.state, "red" if _is_refused(one) else ""))
        times = (_figure(hop) for hop in one.hops.each())
        table.add_row(_clock(one), one.tenant, one.way.value, one.kind, one.bm_unit, state, *times)
    return table


def addresses(service: Service) -> RenderableType:
    """Where everything is and how to log in, a line each."""
    lines = (
        Text.assemble(
            (f"{name:18} ", "cyan"), f"{place}  ", (words, "dim"), no_wrap=True, overflow="ellipsis"
        )
        for name, place, words in _address_rows(service)
    )
    return Group(*lines)


def address_lines(service: Service) -> list[str]:
    return [f"{name}: {place}  {words}".rstrip() for name, place, words in _address_rows(service)]


def passage_line(passage: Passage) -> str:
    """One message as a line of plain text."""
    pairs = zip(_HOPS, passage.hops.each(), strict=True)
    hops = ", ".join(f"{name} {hop:.1f} ms" for name, hop in pairs if hop is not None)
    words = (passage.tenant, passage.way.value, passage.kind, passage.bm_unit, passage.state, hops)
    return " ".join(word for word in (_clock(passage), *words) if word)


def _address_rows(service: Service) -> list[tuple[str, str, str]]:
    admin = service.admin
    keys = [(f"API key of {one.name}", one.api_key, "") for one in service.tenants]
    return [
        ("admin", admin.url, f"{admin.username} / {admin.password}"),
        ("API", service.api, f"described at {service.openapi}"),
        *keys,
        ("EDL links", "{}:{}".format(*service.edl), "certificates: see var/service.json"),
        ("from the operator", service.inbound, f"its simulator: {service.simulator_control}"),
        ("to begin with", "docs/quick_start.md", "step by step, with what is in var/service.sh"),
    ]


def _is_refused(passage: Passage) -> bool:
    return passage.state.startswith("refused")


def _clock(passage: Passage) -> str:
    return passage.at.strftime("%H:%M:%S.%f")[:-3]


def _figure(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.1f}"
