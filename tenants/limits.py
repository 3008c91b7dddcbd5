"""How many requests may be made: quotas per minute that all processes share through Redis, and that
each process keeps for itself while Redis is away.

A quota is a bucket that refills evenly (the generic cell rate algorithm): a caller may spend a
minute's quota at once and then gets it back bit by bit, so no burst doubles at a minute's edge. One
script takes from all the buckets of a request or from none.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tenants.cache import Bounded

WINDOW_S = 60
ANSWER_WITHIN_S = 0.25
AWAY_FOR_S = 5.0
"""How long Redis is not asked again once it has not answered."""
REMEMBERED = 10_000
"""Buckets that a process keeps for itself."""
_ROUNDING_S = 1e-6

_log = logging.getLogger(__name__)

# Times are microseconds of Redis's own clock, which all processes share. A bucket is the time at
# which it will be full again ("theoretical arrival time"); it is gone once that has passed.
_TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local window = tonumber(ARGV[1])
local answer, fulls, refused = {}, {}, false
for i, key in ipairs(KEYS) do
    local quota, cost = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local each = window / quota
    local full = math.max(tonumber(redis.call('GET', key) or 0), now) + each * cost
    local wait = full - now - window
    if cost == 0 then wait = wait + each end
    if wait > 0 then refused = true else wait = 0 end
    fulls[i] = full
    answer[i] = math.ceil(wait)
end
for i, key in ipairs(KEYS) do
    local cost = tonumber(ARGV[2 * i + 1])
    if refused and cost > 0 then
        fulls[i] = fulls[i] - window / tonumber(ARGV[2 * i]) * cost
    end
    if not refused and cost > 0 then
        redis.call('SET', key, string.format('%.0f', fulls[i]),
                   'PX', math.ceil((fulls[i] - now) / 1000) + 1)
    end
    answer[#KEYS + i] = math.max(math.floor(fulls[i] - now), 0)
end
return answer
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A quota of so many a minute, under a name that is shown to the caller (`policy`) and one that
    tells whose it is (`key`). A cost of 0 asks whether there is any left.
    """

    policy: str
    key: str
    quota: int
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Level:
    """How a bucket stands: `wait_s` is 0 where nothing stood in the way, `full_in_s` when the quota
    will be whole again.
    """

    bucket: Bucket
    wait_s: float
    full_in_s: float

    @property
    def remaining(self) -> int:
        spent = self.full_in_s * self.bucket.quota / WINDOW_S
        return max(0, math.floor(self.bucket.quota - spent + _ROUNDING_S))


def take(buckets: Sequence[Bucket]) -> tuple[Level, ...]:
    """Takes from every bucket, or from none where one of them has not enough left."""
    levels = _shared(buckets) if time.monotonic() >= _away.until else None
    return levels if levels is not None else _own.take(buckets, time.monotonic())


def wait_s(levels: Sequence[Level]) -> float:
    """How long the caller has to wait; 0 where the request may be answered."""
    return max((level.wait_s for level in levels), default=0.0)


@dataclass(slots=True)
class _Away:
    """Redis is not asked before `until`, so that its absence costs one request its patience and not
    each of them.
    """

    until: float = 0.0


_away = _Away()


def _shared(buckets: Sequence[Bucket]) -> tuple[Level, ...] | None:
    """None where Redis does not answer."""
    keys = [f"hostsvc:limit:{bucket.key}" for bucket in buckets]
    numbers = [number for bucket in buckets for number in (bucket.quota, bucket.cost)]
    try:
        script = _script(settings.REDIS_URL)
        told: list[int] = script(keys=keys, args=[WINDOW_S * 1_000_000, *numbers])
    except (RedisError, OSError) as error:
        _away.until = time.monotonic() + AWAY_FOR_S
        name = type(error).__name__
        _log.warning("limits are each process's own for %g s: %s", AWAY_FOR_S, name)
        return None
    seconds = [number / 1_000_000 for number in told]
    half = len(buckets)
    return tuple(map(Level, buckets, seconds[:half], seconds[half:]))


@lru_cache(maxsize=4)
def _script(url: str) -> Any:
    client = Redis.from_url(
        url,
        socket_timeout=ANSWER_WITHIN_S,
        socket_connect_timeout=ANSWER_WITHIN_S,
        retry=Retry(NoBackoff(), 0),
    )
    return client.register_script(_TAKE)


@dataclass(slots=True)
class _Own:
    """The same sum within this process."""

    fulls: Bounded[str, list[float]] = field(default_factory=lambda: Bounded(REMEMBERED))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, buckets: Sequence[Bucket], now: float) -> tuple[Level, ...]:
        with self.lock:
            kept = [self.fulls.get(bucket.key, lambda: [0.0]) for bucket in buckets]
            waits = [
                _wait(bucket, full[0] - now) for bucket, full in zip(buckets, kept, strict=True)
            ]
            for bucket, full in zip(buckets, kept, strict=True):
                spent = 0 if any(waits) else bucket.cost * WINDOW_S / bucket.quota
                full[0] = max(full[0], now) + spent
            return tuple(
                Level(bucket, wait, full[0] - now)
                for bucket, wait, full in zip(buckets, waits, kept, strict=True)
            )


def _wait(bucket: Bucket, full_in_s: float) -> float:
    over = max(full_in_s, 0.0) + max(bucket.cost, 1) * WINDOW_S / bucket.quota - WINDOW_S
    return over if over > _ROUNDING_S else 0.0


_own = _Own()
