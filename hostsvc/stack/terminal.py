"""The person at the terminal: a live picture where there is a terminal, plain lines where there is
none. Nobody listening stops nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from hostsvc.stack import panels
from hostsvc.stack.follower import Follower
from hostsvc.stack.layout import ROOT, Layout
from hostsvc.stack.parts import REHEARSAL
from hostsvc.stack.traffic import Traffic
from hostsvc.supervisor import ChildState, Event, EventKind, Status
from hostsvc.supervisor.terminal import say, silence
from messaging.rehearsal.service_file import NotRunning, Service, read_service

_DRAW_EVERY = 0.5
_DEMO_LINES = 18
_LONG = timedelta(seconds=30)
"""After this long a message on its way is told of as it is."""


class Terminal(Protocol):
    """What the stack tells; no call raises for want of a listener. `shows_traffic` is known from
    `begin` on.
    """

    @property
    def shows_traffic(self) -> bool: ...

    def begin(self, layout: Layout, *, demo: bool) -> None:
        """The lock is held: the start begins."""

    def tell(self, event: Event) -> None:
        """Something happened to a program."""

    def warn(self, text: str) -> None:
        """Something around the programs is not as it should be."""

    def is_ready(self, service_file: Path) -> None:
        """Everything runs."""

    def draw(self, states: Sequence[ChildState], traffic: Traffic | None) -> None:
        """A moment has passed."""

    def close(self) -> None:
        """Everything has stopped."""


class PlainTerminal:
    """Lines, each said once: for logs and pipes."""

    def __init__(self) -> None:
        self._follower: Follower | None = None
        self._told: set[UUID] = set()

    @property
    def shows_traffic(self) -> bool:
        return self._follower is None

    def begin(self, layout: Layout, *, demo: bool) -> None:
        say(f"starting; logs are in {shown(layout.var)}/log")
        for line in moved_lines(layout):
            say(line)
        self._follower = Follower(layout.log(REHEARSAL)) if demo else None

    def tell(self, event: Event) -> None:
        if is_news(event):
            say(words_of(event))

    def warn(self, text: str) -> None:
        say(text)

    def is_ready(self, service_file: Path) -> None:
        service = _find_service(service_file)
        if self._follower is None and service is not None:
            for line in panels.address_lines(service):
                say(line)

    def draw(self, states: Sequence[ChildState], traffic: Traffic | None) -> None:
        if self._follower is not None:
            for line in self._follower.lines():
                say(line)
        elif traffic is not None:
            self._tell_traffic(traffic)

    def close(self) -> None:
        self.draw((), None)

    def _tell_traffic(self, traffic: Traffic) -> None:
        """Each message when it has come to its end, or when that takes long."""
        now = datetime.now(UTC)
        passages = traffic.passages
        for one in passages:
            if one.id not in self._told and (one.ended or now - one.at > _LONG):
                self._told.add(one.id)
                say(panels.passage_line(one))
        self._told &= {one.id for one in passages}


class RichTerminal:
    """A picture that stays in place, with what must be told above it."""

    shows_traffic = True

    @staticmethod
    def is_possible() -> bool:
        return Console().is_terminal and not Console().is_dumb_terminal

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._live: Live | None = None
        self._follower: Follower | None = None
        self._service: Service | None = None
        self._began = time.monotonic()
        self._drawn = 0.0
        self._is_ready = False

    def begin(self, layout: Layout, *, demo: bool) -> None:
        self._follower = Follower(layout.log(REHEARSAL)) if demo else None
        self._live = Live(
            console=self._console, auto_refresh=False, transient=demo, vertical_overflow="crop"
        )
        self._attempt(self._live.start)
        for line in moved_lines(layout):
            self.warn(line)
        self._show(panels.starting((), 0.0))

    def tell(self, event: Event) -> None:
        if is_news(event) and event.kind is not EventKind.READY:
            self._print(Text(words_of(event), style="yellow"))

    def warn(self, text: str) -> None:
        self._print(Text(text, style="yellow"))

    def is_ready(self, service_file: Path) -> None:
        self._is_ready = True
        self._began = time.monotonic()
        self._service = _find_service(service_file)

    def draw(self, states: Sequence[ChildState], traffic: Traffic | None) -> None:
        for line in self._follower.lines() if self._follower else ():
            self._print(Text.from_ansi(line))
        if time.monotonic() - self._drawn < _DRAW_EVERY:
            return
        self._drawn = time.monotonic()
        self._show(self._picture(states, traffic))

    def close(self) -> None:
        for line in self._follower.lines() if self._follower else ():
            self._print(Text.from_ansi(line))
        if self._live is not None:
            self._attempt(self._live.stop)

    def _picture(self, states: Sequence[ChildState], traffic: Traffic | None) -> RenderableType:
        seconds = time.monotonic() - self._began
        if not self._is_ready or traffic is None:
            return panels.starting(states, seconds)
        is_demo, next_ = self._follower is not None, self._what_next(states)
        return panels.running(
            states,
            traffic.passages,
            None if is_demo else self._service,
            heading=f"hostsvc has run for {timedelta(seconds=int(seconds))}; {next_}",
            is_current=traffic.is_current,
            width=self._console.width,
            height=min(self._console.height, _DEMO_LINES) if is_demo else self._console.height,
        )

    def _what_next(self, states: Sequence[ChildState]) -> str:
        if any(state.status is Status.STOPPED for state in states):
            return "stopping"
        return "the rehearsal is on" if self._follower is not None else "Ctrl-C stops it"

    def _show(self, picture: RenderableType) -> None:
        if self._live is not None:
            live = self._live
            self._attempt(lambda: live.update(picture, refresh=True))

    def _print(self, text: Text) -> None:
        self._attempt(lambda: self._console.print(text, soft_wrap=True))

    def _attempt(self, step: Callable[[], None]) -> None:
        """Once nobody reads, it is said to nobody."""
        try:
            step()
        except (OSError, ValueError):
            silence(sys.stdout)


def is_news(event: Event) -> bool:
    """Not that a program was started or stopped as it should be, nor that the rehearsal is over,
    which it says itself.
    """
    if event.child == REHEARSAL and event.kind is not EventKind.KILLED:
        return False
    return event.kind not in (EventKind.STARTED, EventKind.STOPPING, EventKind.STOPPED)


def words_of(event: Event) -> str:
    return f"{event.child} {event.kind}{f': {event.detail}' if event.detail else ''}"


def moved_lines(layout: Layout) -> list[str]:
    """For whoever has written down where it was."""
    return [
        f"port {port} of {part} is taken by another program; it is {layout.ports[part]} from now on"
        for part, port in layout.moved.items()
    ]


def shown(path: Path) -> str:
    """As a person would type it from the project."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _find_service(path: Path) -> Service | None:
    try:
        return read_service(path, ROOT)
    except NotRunning:
        return None
