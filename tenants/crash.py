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
    where `order`, or for want of one a file in `orders`, says: by SIGKILL, and with that noted.
    """

    def __init__(self, order: str, orders: Path | None, visits: Path | None) -> None:
        self._point, _, nth = order.partition(":")
        self._left = int(nth or 1)
        self._orders = orders
        self._visits = visits
        self._lock = threading.Lock()
        self._noted: set[str] = set()

    def reach(self, point: str) -> None:
        with self._lock:
            if point not in self._noted:
                self._noted.add(point)
                self._note(point)
            if self._is_due(point):
                self._note(f"{point} {CRASHED} {time.time():.3f}")
                os.kill(os.getpid(), signal.SIGKILL)

    def _is_due(self, point: str) -> bool:
        """Counts the visit where one to the point is ordered."""
        if self._orders is not None:
            return _counted_down(self._orders / point)
        if point != self._point:
            return False
        self._left -= 1
        return self._left == 0

    def _note(self, text: str) -> None:
        """Written at once: what a killed process holds back is lost."""
        if self._visits is None:
            return
        with self._visits.open("ab", buffering=0) as out:
            out.write(f"{text}\n".encode())


def _counted_down(order: Path) -> bool:
    """Whether this was the visit that the file means; then it is taken away. The count outlives
    the process, which may die of another order.
    """
    try:
        left = int(order.read_text(encoding="utf-8"))
        if left > 1:
            leave(order, left - 1)
        else:
            order.unlink()
    except FileNotFoundError:
        return False
    return left <= 1


def leave(order: Path, nth: int) -> None:
    """Has the process die at the point of the file's name, at its nth visit from now on. The file
    is there whole or not at all.
    """
    partial = order.with_suffix(".partial")
    partial.write_text(str(nth), encoding="utf-8")
    partial.replace(order)


def arm(order: str, visits: Path | None, points: frozenset[str]) -> None:
    """`order` is a point, with `:nth` for another visit than the first; NOWHERE; or `@` and a
    folder, where a file (see `leave`) of a point's name is an order as long as it is there. It is
    taken away before the death, so that the next process does not die of it too. Empty disarms.
    Raises BadOrder.
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
