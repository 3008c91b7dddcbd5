"""Prints that survive a closed pipe or terminal: nobody listening is no reason to stop."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from hostsvc.supervisor.child import Event, EventKind


def say(text: str, *, stream: TextIO | None = None) -> None:
    """Print a line now, or, once nobody reads it, nowhere."""
    target = stream or sys.stdout
    try:
        print(text, file=target, flush=True)
    except (OSError, ValueError):
        silence(target)


def silence(stream: TextIO) -> None:
    """Send the stream to nowhere, or the interpreter complains of it once more at its exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def say_event(event: Event) -> None:
    """The default story: what is ready, what ended, what had to be killed."""
    if event.kind not in (EventKind.STARTED, EventKind.STOPPING, EventKind.STOPPED):
        say(f"{event.child} {event.kind}{f': {event.detail}' if event.detail else ''}")
