"""Hands a Celery worker a task by one command to Redis.

Celery's own way (`send_task`) says the same in seven times the time, which every message would wait
for: what it works out anew for each task is the same for all of ours. The form is Celery's message
protocol 2 as kombu's Redis transport keeps it; a test holds it against what Celery itself writes.
"""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import uuid4

import redis
from django.conf import settings

_PRIORITIES: Final = (0, 3, 6, 9)
"""By urgency, as kombu's Redis transport steps them: workers look into the first list first."""

_HAVING_WAITED: Final = {3: 6}
"""A redeclaration whose endpoint was slow or broken goes behind those of all the others: many may
be let go at once. Where the others never end, the sweep finds it.
"""

_SEPARATOR: Final = "\x06\x16"
PLACED: Final = "hostsvc:placed"
"""What was last placed of each task, so that it is known where it still waits."""

# One that waits keeps its place: put at the end anew each second, it would never have its turn.
_PLACE: Final = """
local last = redis.call('HGET', KEYS[2], ARGV[1])
local at = last and redis.call('LPOS', KEYS[1], last)
if at then redis.call('LSET', KEYS[1], at, ARGV[2]) else redis.call('LPUSH', KEYS[1], ARGV[2]) end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
"""
_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def publish(
    task: str, arguments: Sequence[str], urgency: int = 0, *, has_waited: bool = False
) -> None:
    """To the queue of the settings' table; workers take the most urgent first. Raises
    redis.RedisError where the broker is out of reach.
    """
    queue = queue_of(task)
    priority = _PRIORITIES[urgency]
    if has_waited:
        priority = _HAVING_WAITED.get(priority, priority)
    broker().lpush(list_of(queue, priority), message(task, arguments, queue, priority))


def place(task: str, expires: datetime | None = None) -> None:
    """As `publish`, of a task that is done again and again: instead of the one placed before, where
    that still waits, so that no more than one ever does. Nobody begins it once it has expired.
    Raises redis.RedisError.
    """
    queue = queue_of(task)
    told = message(task, (), queue, expires=expires)
    broker().eval(_PLACE, 2, list_of(queue, 0), PLACED, task, told)


def list_of(queue: str, priority: int) -> str:
    """The Redis list that kombu keeps a queue's tasks of one priority in."""
    return f"{queue}{_SEPARATOR}{priority}" if priority else queue


def depths_of(queue: str) -> tuple[int, ...]:
    """How many tasks wait there, those that are taken first named first. Raises
    redis.RedisError.
    """
    asked = broker().pipeline(transaction=False)
    for priority in _PRIORITIES:
        asked.llen(list_of(queue, priority))
    return tuple(asked.execute())


def queue_of(task: str) -> str:
    """Whose workers do it."""
    route = settings.CELERY_TASK_ROUTES.get(task, {})
    return str(route.get("queue", settings.CELERY_TASK_DEFAULT_QUEUE))


def message(
    task: str,
    arguments: Sequence[str],
    queue: str,
    priority: int = 0,
    expires: datetime | None = None,
) -> bytes:
    """The whole entry of the queue, with ids of its own."""
    task_id = str(uuid4())
    body = base64.b64encode(json.dumps([arguments, {}, _EMBED]).encode()).decode()
    headers = {
        **_fixed_headers(),
        "task": task,
        "id": task_id,
        "root_id": task_id,
        "argsrepr": repr(arguments),
        "expires": expires.isoformat() if expires else None,
    }
    properties = {
        "correlation_id": task_id,
        "reply_to": "",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": priority,
        "body_encoding": "base64",
        "delivery_tag": str(uuid4()),
    }
    return json.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": properties,
        }
    ).encode()


@lru_cache(maxsize=1)
def broker() -> redis.Redis:
    """This process's connections to Redis; a Redis that does not answer costs a bounded wait."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


@lru_cache(maxsize=1)
def _fixed_headers() -> dict[str, object]:
    return {
        "lang": "py",
        "shadow": None,
        "eta": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "parent_id": None,
        "kwargsrepr": "{}",
        "origin": f"gen{os.getpid()}@{socket.gethostname()}",
        "ignore_result": None,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
