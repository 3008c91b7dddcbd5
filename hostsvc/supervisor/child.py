"""What a supervisor looks after: the child it is told of, its state, and what happens to it."""

from __future__ import annotations

import enum
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Child:
    """One program to keep running.

    `env` is added to the supervisor's own environment, or with `whole_env` replaces it.

    `ready` is asked every few milliseconds from the supervisor's thread, so it must answer at
    once (the helpers in `readiness` do); without it a child is ready when it has run for a
    moment. With `once` it is ready when it has ended with code 0: a step that the next ones need.

    `alongside` starts it, and stops it, together with the child before it. With `restart` False
    a child that ends stays down. `stop_signal` is also sent by the kernel if the supervisor is
    killed; what is still there after `stop_seconds` is killed with everything below it.
    """

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    ready_seconds: float = 30.0
    restart: bool = True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    once: bool = False
    alongside: bool = False
    cwd: Path | None = None
    whole_env: bool = False
    identity: str = "plain"


class Status(enum.StrEnum):
    """Where a child is now."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    ENDED = "ended"
    STOPPED = "stopped"


class EventKind(enum.StrEnum):
    """What happened to a child, for the person at the terminal."""

    STARTED = "started"
    READY = "ready"
    SLOW = "slow"
    ENDED = "ended"
    STOPPING = "stopping"
    STOPPED = "stopped"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a supervisor's story; `detail` is for people."""

    kind: EventKind
    child: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ChildState:
    """A row for a live table; `since` is time.monotonic() at the last change of status."""

    name: str
    status: Status
    pid: int | None
    restarts: int
    since: float
