"""Tells whoever listens over Redis that a tenant's chain has grown, after the commit that made it.

It is a wake-up and carries no more than the tenant's id. Whoever appends only leaves a note in
memory; a thread of the process publishes what was noted, at most so often, and what is lost with it
is found by looking.
"""

from __future__ import annotations

import atexit
import os
import threading
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

CHANNEL = b"hostsvc:chains"
EVERY_S = 0.05
_AWAY_FOR_S = 2.0
_ANSWER_WITHIN_S = 0.5


class Pulse:
    """One a process; its thread is started by the first beat, also after a fork.

    The thread ends before the interpreter does: a daemon thread that is frozen within the Redis
    client holds the client's lock for ever, and the client waits for it where it is taken down.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: set[UUID] = set()
        self._wanted = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._process = 0

    def beat(self, tenant_id: UUID) -> None:
        """Costs an addition to a set; never waits for Redis."""
        with self._lock:
            self._noted.add(tenant_id)
            if self._process != os.getpid():
                self._begin()
            self._wanted.set()

    def end(self) -> None:
        """What was noted is published once more, if Redis answers; no thread is left."""
        with self._lock:
            thread = self._thread if self._process == os.getpid() else None
        self._ending.set()
        self._wanted.set()
        if thread is not None:
            thread.join()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._wanted, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(
            target=self._publish_on, args=(self._wanted, self._ending), name="pulse", daemon=True
        )
        self._thread.start()

    def _publish_on(self, wanted: threading.Event, ending: threading.Event) -> None:
        is_last = False
        while not is_last:
            wanted.wait()
            wanted.clear()
            is_last = ending.is_set()
            with self._lock:
                noted, self._noted = self._noted, set()
            ending.wait(EVERY_S if _published(noted) else _AWAY_FOR_S)


def _published(tenant_ids: set[UUID]) -> bool:
    try:
        with _redis(settings.REDIS_URL).pipeline(transaction=False) as pipeline:
            for tenant_id in tenant_ids:
                pipeline.publish(CHANNEL, tenant_id.bytes)
            pipeline.execute()
    except (RedisError, OSError):
        return False
    return True


@lru_cache(maxsize=4)
def _redis(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=_ANSWER_WITHIN_S,
        socket_connect_timeout=_ANSWER_WITHIN_S,
        retry=Retry(NoBackoff(), 0),
    )


_pulse = Pulse()
beat = _pulse.beat
atexit.register(_pulse.end)
