"""Where a process may be made to die, for rehearsals: a point just before, and one just after, each
commit and each send that has a name. Which names there are, the relay says.

Nothing happens at a point unless the process was armed when it started, which its settings do in
development only (`HOSTSVC_CRASH_AT`).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final

from django.db import transaction

NOWHERE: Final = "none"
"""An order that has every point noted, and the process live."""

CRASHED: Final = "crashed"
"""Beside a point's name in the visits, with the seconds since 1970: the process died there."""

API: Final = "api"
API_KEY_TAKEN: Final = "api-key-taken"
API_ANSWER_KEPT: Final = "api-answer-kept"
"""Commits of the tenants' API, which knows nothing of the relay."""

_armed: Armed | None = None


class BadOrder(ValueError):
    """Not an order: the text says why."""


class Armed:
    """What an armed process goes by: notes the first visit of each point in `visits`, and dies
    where `order`, or for want of one the file `orders`, says: by SIGKILL, and with that noted.
    """

    def __init__(self, order: str, orders: Path | None, visits: Path | None) -> None:
        self._order = order
        self._orders = orders
        self._visits = visits
        self._lock = threading.Lock()
        self._seen: Counter[tuple[str, str]] = Counter()
        self._noted: set[str] = set()

    def reach(self, point: str) -> None:
        with self._lock:
            if point not in self._noted:
                self._noted.add(point)
                self._note(point)
            order = self._order or self._ordered()
            wanted, _, nth = order.partition(":")
            if wanted != point:
                return
            self._seen[order, point] += 1
            if self._seen[order, point] < int(nth or 1):
                return
            if self._orders is not None:
                self._orders.unlink(missing_ok=True)
            self._note(f"{point} {CRASHED} {time.time():.3f}")
            os.kill(os.getpid(), signal.SIGKILL)

    def _ordered(self) -> str:
        try:
            return self._orders.read_text(encoding="utf-8").strip() if self._orders else ""
        except FileNotFoundError:
            return ""

    def _note(self, text: str) -> None:
        """Written at once: what a killed process holds back is lost."""
        if self._visits is None:
            return
        with self._visits.open("ab", buffering=0) as out:
            out.write(f"{text}\n".encode())


def arm(order: str, visits: Path | None, points: frozenset[str]) -> None:
    """`order` is a point, with `:nth` for another visit than the first; NOWHERE; or `@` and a file
    that holds such an order whenever there is one. Of a file the order is taken away before the
    death, so that the next process does not die of it too. Empty disarms. Raises BadOrder.
    """
    global _armed
    if not order:
        _armed = None
    elif order.startswith("@"):
        _armed = Armed("", Path(order[1:]), visits)
    else:
        point, _, nth = order.partition(":")
        if point not in {*points, NOWHERE}:
            raise BadOrder(f"there is no point {point!r}")
        if nth and not (nth.isascii() and nth.isdigit() and int(nth) > 0):
            raise BadOrder(f"{nth!r} is no number of a visit")
        _armed = Armed(order, None, visits)


def before(step: str) -> str:
    return f"before-{step}"


def after(step: str) -> str:
    return f"after-{step}"


class sending:
    """Around a send, or whatever else a crash does not undo. What raises was no send; without a
    name it has no points.
    """

    __slots__ = ("_step",)

    def __init__(self, step: str | None) -> None:
        self._step = step

    def __enter__(self) -> None:
        if _armed is not None and self._step is not None:
            _armed.reach(before(self._step))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if _armed is not None and self._step is not None and error is None:
            _armed.reach(after(self._step))


def committed(step: str | None) -> None:
    """As the first thing in a transaction: the point after its commit is before all else that is
    done then.
    """
    if _armed is not None and step is not None:
        transaction.on_commit(partial(_armed.reach, after(step)))


def committing(step: str | None) -> None:
    """As the last thing in a transaction."""
    if _armed is not None and step is not None:
        _armed.reach(before(step))
