"""Whom a delivery wakes: nothing large stands in the queue that instructions wait in, and in each
queue the most urgent is taken first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from django.conf import settings
from django.test import override_settings

from hostsvc.beat import OneOfEach
from hostsvc.celery import app
from messaging.relay import publishing, wake
from messaging.relay.bulkheads import Ticket
from messaging.relay.due import Room
from messaging.relay.rows import NewDelivery
from messaging.states import Lane, Urgency
from tenants.clock import now
from tests.servers import TestServers

TENANT, DELIVERY, ENDPOINT = (UUID(int=n) for n in (1, 2, 3))
PERIODIC = [str(one["task"]) for one in settings.CELERY_BEAT_SCHEDULE.values()]
PERIODIC_QUEUES = sorted({publishing.queue_of(task) for task in PERIODIC})
LISTS = [
    publishing.list_of(queue, priority)
    for queue in ("urgent", "files")
    for priority in (0, 3, 6, 9)
]


@pytest.fixture
def broker(servers: TestServers) -> Iterator[redis.Redis]:
    with override_settings(REDIS_URL=servers.redis):
        publishing.broker.cache_clear()
        found = publishing.broker()
        kept = [*LISTS, *(publishing.list_of(queue, 0) for queue in PERIODIC_QUEUES)]
        found.delete(*kept, publishing.PLACED)
        yield found
        found.delete(*kept, publishing.PLACED)
    publishing.broker.cache_clear()


@pytest.mark.parametrize(
    ("lane", "queue", "where", "priority", "task"),
    [
        (Lane.OPERATOR, "ALICP1-1", "urgent", 3, "messaging.tasks.deliver"),
        (Lane.OPERATOR, "ALICP1-1 answers", "urgent", 0, "messaging.tasks.deliver"),
        (Lane.OPERATOR, "", "urgent", 3, "messaging.tasks.deliver"),
        (Lane.OPERATOR, "ALITA submissions", "files", 6, "messaging.tasks.deliver_large"),
        (Lane.FILES, "ALITA", "files", 9, "messaging.tasks.deliver_large"),
    ],
)
def test_each_wakes_the_workers_of_its_kind(
    broker: redis.Redis, lane: Lane, queue: str, where: str, priority: int, task: str
) -> None:
    wake.wake([NewDelivery(DELIVERY, TENANT, ENDPOINT, lane, queue=queue)])
    place = publishing.list_of(where, priority)
    assert {name: broker.llen(name) for name in LISTS} == dict.fromkeys(LISTS, 0) | {place: 1}
    assert sum(publishing.depths_of(where)) == 1
    (told,) = broker.lrange(place, 0, -1)
    headers = json.loads(told)["headers"]
    assert headers["task"] == task
    assert headers["argsrepr"] == str((str(TENANT), str(DELIVERY)))
    app.loader.import_default_modules()
    assert task in app.tasks


@pytest.mark.parametrize(
    ("queue", "lane", "where", "priority"),
    [
        ("ALICP1-1", Lane.OPERATOR, "urgent", 6),
        ("ALICP1-1 answers", Lane.OPERATOR, "urgent", 0),
        ("ALITA submissions", Lane.OPERATOR, "files", 6),
    ],
)
def test_a_redeclaration_that_has_waited_for_its_endpoint_goes_behind_those_that_have_not(
    broker: redis.Redis, queue: str, lane: Lane, where: str, priority: int
) -> None:
    wake.wake_waiting([NewDelivery(DELIVERY, TENANT, ENDPOINT, lane, queue=queue)])
    place = publishing.list_of(where, priority)
    assert {name: broker.llen(name) for name in LISTS} == dict.fromkeys(LISTS, 0) | {place: 1}


def test_workers_take_the_most_urgent_first_and_leave_none(broker: redis.Redis) -> None:
    """By Celery's own connection, as a worker does: in the order of the lists it looks into."""
    queues = ["ALICP1-1", "ALICP1-2", "ALICP1-1 answers", "ALICP1-3"]
    ids = {queue: uuid4() for queue in queues}
    parked = Ticket(Urgency.REDECLARATION, 1, ids["ALICP1-3"], TENANT, False)
    wake.wake_parked(parked)
    for queue in queues[:3]:
        wake.wake([NewDelivery(ids[queue], TENANT, ENDPOINT, Lane.OPERATOR, queue=queue)])
    with app.connection_for_read(url=settings.REDIS_URL) as connection:
        simple = connection.SimpleQueue("urgent")
        told = [simple.get(timeout=5) for _ in queues]
        for one in told:
            one.ack()
        simple.close()
    taken = [UUID(one.payload[0][1]) for one in told]
    in_order = ["ALICP1-1 answers", "ALICP1-1", "ALICP1-2", "ALICP1-3"]
    assert taken == [ids[queue] for queue in in_order]


def test_redis_keeps_no_book_of_what_a_worker_has_taken(broker: redis.Redis) -> None:
    """What a dead worker had is found in the database, within seconds and once."""
    wake.wake([NewDelivery(DELIVERY, TENANT, ENDPOINT, Lane.OPERATOR, queue="ALICP1-1")])
    with app.connection_for_read(url=settings.REDIS_URL) as connection:
        simple = connection.SimpleQueue("urgent")
        taken = simple.get(timeout=5)
        assert broker.exists("unacked", "unacked_index", *LISTS) == 0
        taken.ack()
        simple.close()


def placed(broker: redis.Redis) -> list[dict[str, Any]]:
    """The heads of the periodic tasks that wait, in the order in which a queue's are taken."""
    lists = [publishing.list_of(queue, 0) for queue in PERIODIC_QUEUES]
    told = [one for name in lists for one in reversed(broker.lrange(name, 0, -1))]
    heads: list[dict[str, Any]] = [json.loads(one)["headers"] for one in told]
    return [head for head in heads if head["task"] in PERIODIC]


def test_a_periodic_task_waits_once_in_its_first_place_and_until_its_last_end(
    broker: redis.Redis,
) -> None:
    """So that nobody has to throw the others away, and none is overtaken for ever."""
    sweep, escalate = "messaging.tasks.sweep", "messaging.tasks.escalate"
    ends = [now() + timedelta(seconds=seconds) for seconds in range(3)]
    publishing.place(sweep, ends[0])
    publishing.place(escalate, ends[0])
    publishing.place(sweep, ends[1])
    publishing.place(sweep, ends[2])
    assert [(one["task"], one["expires"]) for one in placed(broker)] == [
        (sweep, ends[2].isoformat()),
        (escalate, ends[0].isoformat()),
    ]
    broker.delete(publishing.list_of("housekeeping", 0))
    publishing.place(sweep)
    assert [(one["task"], one["expires"]) for one in placed(broker)] == [(sweep, None)]


def test_beat_leaves_one_of_each_however_long_nobody_does_them(
    broker: redis.Redis, tmp_path: Path
) -> None:
    assert app.conf.beat_scheduler == "hostsvc.beat:OneOfEach"
    scheduler = OneOfEach(app, schedule_filename=str(tmp_path / "beat"))
    for _ in range(3):
        for entry in list(scheduler.schedule.values()):
            scheduler.apply_entry(entry)
    scheduler.close()
    assert sorted(one["task"] for one in placed(broker)) == sorted(PERIODIC)


def test_a_sweep_is_told_how_much_room_the_workers_have(
    broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "MOST_QUEUED", 3)
    monkeypatch.setattr(wake, "DONE_A_SECOND", 2)
    assert wake.room_in("urgent") == Room(3)
    for queue in ("ALICP1-1", "ALICP1-1 answers"):
        wake.wake([NewDelivery(DELIVERY, TENANT, ENDPOINT, Lane.OPERATOR, queue=queue)])
    half_a_second, a_second = timedelta(seconds=0.5), timedelta(seconds=1)
    assert wake.room_in("urgent") == Room(1, half_a_second, a_second), "answers go first"
    assert wake.room_in("files") == Room(3)
