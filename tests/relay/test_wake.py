"""Whom a delivery wakes: nothing large stands in the queue that instructions wait in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID

import pytest
import redis
from django.test import override_settings

from hostsvc.celery import app
from messaging.relay import publishing, wake
from messaging.relay.rows import NewDelivery
from messaging.states import Lane
from tests.servers import TestServers

TENANT, DELIVERY, ENDPOINT = (UUID(int=n) for n in (1, 2, 3))


@pytest.fixture
def broker(servers: TestServers) -> Iterator[redis.Redis]:
    with override_settings(REDIS_URL=servers.redis):
        publishing.broker.cache_clear()
        found = publishing.broker()
        found.delete("urgent", "files")
        yield found
        found.delete("urgent", "files")
    publishing.broker.cache_clear()


@pytest.mark.parametrize(
    ("lane", "queue", "where", "task"),
    [
        (Lane.OPERATOR, "ALICP1-1", "urgent", "messaging.tasks.deliver"),
        (Lane.OPERATOR, "ALICP1-1 answers", "urgent", "messaging.tasks.deliver"),
        (Lane.OPERATOR, "", "urgent", "messaging.tasks.deliver"),
        (Lane.OPERATOR, "ALITA submissions", "files", "messaging.tasks.deliver_large"),
        (Lane.FILES, "ALITA", "files", "messaging.tasks.deliver_large"),
    ],
)
def test_each_wakes_the_workers_of_its_kind(
    broker: redis.Redis, lane: Lane, queue: str, where: str, task: str
) -> None:
    wake.wake([NewDelivery(DELIVERY, TENANT, ENDPOINT, lane, queue=queue)])
    counts = {name: broker.llen(name) for name in ("urgent", "files")}
    assert counts == {"urgent": 0, "files": 0} | {where: 1}
    (told,) = broker.lrange(where, 0, -1)
    headers = json.loads(told)["headers"]
    assert headers["task"] == task
    assert headers["argsrepr"] == str((str(TENANT), str(DELIVERY)))
    app.loader.import_default_modules()
    assert task in app.tasks
