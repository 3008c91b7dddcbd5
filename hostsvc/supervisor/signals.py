"""Turns signals into a flag and a wake-up, so that all the work is done in the main loop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any, Self

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Wakeup:
    """While entered: counts the requests to stop, and cuts `wait` short for them and for a child's
    end. The main thread only.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._before: dict[signal.Signals, Any] = {}
        self._pipe = (-1, -1)
        self._before_fd = -1

    def __enter__(self) -> Self:
        self._pipe = os.pipe()
        for end in self._pipe:
            os.set_blocking(end, False)
        self._before_fd = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            # Who ignores HUP was started by nohup, and is meant to stay.
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        signal.set_wakeup_fd(self._before_fd)
        for end in self._pipe:
            os.close(end)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number in STOP_SIGNALS:
            self.requests += 1

    def wait(self, seconds: float) -> None:
        """Sleep that long, or until the next signal."""
        with contextlib.suppress(InterruptedError):
            select.select([self._pipe[0]], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._pipe[0], 4096):
                pass
