"""Says that this gateway lives, on a thread of its own, and knows when the others can no longer
believe it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from messaging.relay import presence
from messaging.relay.crash_points import Step
from tenants.crash import sending
from tenants.scope import reconnecting

_log = structlog.get_logger(__name__)


class Heart:
    """`on_lapsed` is called on the heart's thread when the gateway has lapsed in the others' eyes;
    it goes on under a new number.
    """

    def __init__(self, on_lapsed: Callable[[], None]) -> None:
        self._on_lapsed = on_lapsed
        self._stop = threading.Event()
        self._beaten_at = float("-inf")
        self._locked_in: object = None
        self._thread = threading.Thread(target=self._beat_on, name="heart", daemon=True)
        self.number = _new_number()

    @property
    def is_beating(self) -> bool:
        """Whether the others may still count on this gateway, for all that is known here. It is
        False from the first moment after a freeze.
        """
        return time.monotonic() - self._beaten_at < presence.LAPSES_WITHIN.total_seconds()

    @property
    def is_counted_on(self) -> bool:
        """Whether no other can have found yet that this gateway has lapsed: they may from here on,
        and count on it for a while longer.
        """
        return time.monotonic() - self._beaten_at < presence.GONE_AFTER.total_seconds()

    def start(self) -> None:
        """Returns once the first beat is stored. Raises DatabaseError."""
        reconnecting(self._announce, Step.GATEWAY_BEAT)
        connection.close()
        self._thread.start()

    def stop(self) -> None:
        """The gateway ends; what it may still hold is down."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _announce(self) -> None:
        began = time.monotonic()
        presence.announce(self.number)
        self._beaten_at = began

    def _beat_on(self) -> None:
        pause = presence.BEAT_EVERY
        while not self._stop.wait(pause.total_seconds()):
            is_told = self._attempt(self._beat)
            pause = presence.BEAT_EVERY if is_told else presence.BEAT_AGAIN
        self._attempt(lambda: presence.withdraw(self.number))
        connection.close()

    def _hold(self) -> None:
        """The lock of its number, in this thread's connection to the database."""
        connection.ensure_connection()
        if connection.connection is not self._locked_in and presence.hold(self.number):
            self._locked_in = connection.connection

    def _beat(self) -> None:
        began = time.monotonic()
        self._hold()
        with sending(Step.GATEWAY_BEAT):
            is_known = presence.beat(self.number)
        if is_known:
            self._beaten_at = began
            return
        _log.warning("this gateway had lapsed", number=self.number)
        connection.close()
        self.number = _new_number()
        self._hold()
        self._announce()
        self._on_lapsed()

    def _attempt(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except DatabaseError as error:
            _log.warning("cannot say that this gateway lives", error=str(error))
            connection.close()
            return False
        return True


def _new_number() -> int:
    return secrets.randbits(62) | 1
