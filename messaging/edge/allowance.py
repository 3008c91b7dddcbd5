"""How often a peer may ask: a token bucket for each client certificate, shared by all processes
through Redis, and what one process will hold for it at once.

Tokens are taken from Redis some at a time, so most requests cost no round trip; one that is over
its rate is told how long to wait, and until then Redis isn't asked again. Without Redis everyone
may go on: it is there to keep a peer that runs wild from taking all there is, not to keep books.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

import redis
import structlog
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

KEY = "hostsvc:allowance:"
LEASE = 20
"""Tokens taken at once."""

REDIS_WITHIN = 0.25
"""Seconds that Redis may take, once: the request waits for it."""

AWAY_FOR = 5.0
"""Seconds for which a Redis that didn't answer is not asked again."""

MOST_PEERS = 4096

_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = math.min(burst, (tonumber(kept[1]) or burst)
    + math.max(0, now - (tonumber(kept[2]) or now)) * rate)
local taken = math.min(wanted, math.floor(left))
redis.call('HSET', KEYS[1], 'left', tostring(left - taken), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return {taken, tostring(math.max(0, 1 - left) / rate)}
"""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Lease:
    left: int = 0
    closed_until: float = 0.0


class Allowance:
    """`rate` requests a second and peer, and up to `burst` at once."""

    def __init__(self, redis_url: str, rate: int, burst: int) -> None:
        client = redis.Redis.from_url(
            redis_url,
            socket_timeout=REDIS_WITHIN,
            socket_connect_timeout=REDIS_WITHIN,
            retry=Retry(NoBackoff(), 0),
        )
        self._script: Script = client.register_script(_TAKE)
        self._rate, self._burst = rate, burst
        self._leases: OrderedDict[bytes, _Lease] = OrderedDict()
        self._lock = threading.Lock()
        self._away_until = 0.0

    def spend(self, peer: bytes) -> float | None:
        """Seconds to wait, 0 to go on, or None where `renew` must be asked. Does not block."""
        with self._lock:
            return self._spend(peer)

    def renew(self, peer: bytes) -> float:
        """Seconds to wait, or 0 to go on. Asks Redis; raises nothing."""
        with self._lock:
            waits = self._spend(peer)
        if waits is not None:
            return waits
        taken, waits = self._take(peer)
        with self._lock:
            lease = self._lease(peer)
            lease.left += taken
            if not lease.left:
                lease.closed_until = time.monotonic() + waits
            return self._spend(peer) or 0.0

    def _spend(self, peer: bytes) -> float | None:
        lease = self._lease(peer)
        if lease.left:
            lease.left -= 1
            return 0.0
        waits = lease.closed_until - time.monotonic()
        return waits if waits > 0 else None

    def _lease(self, peer: bytes) -> _Lease:
        lease = self._leases.setdefault(peer, _Lease())
        self._leases.move_to_end(peer)
        if len(self._leases) > MOST_PEERS:
            self._leases.popitem(last=False)
        return lease

    def _take(self, peer: bytes) -> tuple[int, float]:
        """How many tokens there were, and how long until there is one."""
        if time.monotonic() < self._away_until:
            return LEASE, 0.0
        try:
            taken, waits = self._script([KEY + peer.hex()], [self._rate, self._burst, LEASE])
        except redis.RedisError as error:
            _log.warning("no broker to share the allowance through", error=str(error))
            self._away_until = time.monotonic() + AWAY_FOR
            return LEASE, 0.0
        return int(taken), float(waits)


@dataclass(slots=True)
class Held:
    """What one process holds for its peers now: requests under way, and bytes of their bodies. For
    the event loop's thread alone.
    """

    most_requests: int
    most_bytes: int
    _requests: Counter[bytes] = field(default_factory=Counter)
    _bytes: Counter[bytes] = field(default_factory=Counter)

    def enter(self, peer: bytes) -> bool:
        """Whether there is room for one request more; `leave` must follow if there was."""
        if self._requests[peer] >= self.most_requests:
            return False
        self._requests[peer] += 1
        return True

    def leave(self, peer: bytes, size: int) -> None:
        """`size` is what `hold` was told of in all."""
        self._requests[peer] -= 1
        self._bytes[peer] -= size
        if not self._requests[peer]:
            del self._requests[peer], self._bytes[peer]

    def hold(self, peer: bytes, size: int) -> bool:
        """Counts bytes that come; whether they are still within what one peer may take up."""
        self._bytes[peer] += size
        return self._bytes[peer] <= self.most_bytes
