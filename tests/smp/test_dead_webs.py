"""Web processes that are killed, and one that is frozen, in the middle of a request: whatever dies
and whenever, one idempotency key makes one job, or one message, and has one answer.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest

from messaging.models import Message
from messaging.smp_models import SmpJob, SmpPart
from tests.api.test_submission import PLACE, ndz
from tests.people import Person
from tests.servers import TestServers
from tests.smp.assets import asset, table
from tests.smp.rig import Rig
from tests.webs import Answer, Web, until, webs

UPLOADS = "/api/v1/smp/uploads?file_name=assets.csv"
FREE_WITHIN = 60.0
"""Seconds until the key of a killed process is free: two, on a machine that has them to spare, and
far from those after which one is given up that may live.
"""

DEATHS = ("after-api-key-taken", "after-smp-parts", "after-smp-hand-over")
FROZEN = "frozen"
_WAITS = """
SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'
"""
_END = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = %s AND application_name IN (%s, 'hostsvc owner')
"""


@pytest.fixture(scope="module")
def survivor(alice: Person, servers: TestServers, database: str) -> Iterator[Web]:
    with webs(servers, database, alice.api_key, {}) as (web,):
        yield web


def upload(web: Web, key: str) -> Answer | None:
    return web.post(UPLOADS, table([asset(1), asset(2)]), "text/csv", key)


def send(web: Web, key: str) -> Answer | None:
    return web.post(PLACE, json.dumps(ndz(17)).encode(), "application/json", key)


def dies_of_it(web: Web) -> bool:
    """Until the one before is known to be gone, it is told to wait."""
    answer = upload(web, "killed")
    assert answer is None or answer.told["code"] == "idempotency-key-in-use"
    return answer is None and web.process.wait(10) == -signal.SIGKILL


def taken(web: Web, key: str) -> Answer:
    """The first answer that is none of a request that still runs."""

    def answered() -> Answer | None:
        answer = upload(web, key)
        assert answer is not None
        return answer if answer.status != 409 else None

    answer = until(answered, FREE_WITHIN)
    assert answer.status == 202, answer.told
    return answer


def is_one_job(rig: Rig, told: Answer, others: int) -> None:
    """The one that was told of is the one that will be sent, and the others never were."""
    jobs = rig.within(lambda: list(SmpJob.objects.order_by("-created_at")[: others + 1]))
    assert [str(job.id) for job in jobs if job.digest is not None] == [told.told["id"]]
    assert {job.state for job in jobs if job.digest is None} <= {"CANCELLED"}
    assert len({job.asked_under for job in jobs}) == 1
    parts = rig.within(lambda: set(SmpPart.objects.values_list("job_id", flat=True)))
    assert {str(one) for one in parts & {job.id for job in jobs}} == {told.told["id"]}


def test_whoever_is_killed_and_however_often_one_key_makes_one_job(
    rig: Rig, survivor: Web, servers: TestServers, database: str
) -> None:
    armed = [{"HOSTSVC_CRASH_AT": point} for point in DEATHS]
    with webs(servers, database, rig.person.api_key, *armed) as victims:
        for victim in victims:
            until(partial(dies_of_it, victim), FREE_WITHIN)
    told = taken(survivor, "killed")
    again = taken(survivor, "killed")
    assert (again.told, again.is_repeat) == (told.told, True)
    is_one_job(rig, told, others=1)


def test_a_message_whose_web_process_was_killed_is_one_message(
    alice: Person, survivor: Web, servers: TestServers, database: str, rig: Rig
) -> None:
    count = rig.within(lambda: Message.objects.count())
    armed = [{"HOSTSVC_CRASH_AT": point} for point in ("before-api", "after-api")]
    with webs(servers, database, alice.api_key, *armed) as victims:
        for victim in victims:
            assert send(victim, "one") is None
    told = until(lambda: send(survivor, "one"))
    assert (told.status, told.is_repeat) == (202, True)
    assert rig.within(lambda: Message.objects.count()) == count + 1


def test_a_frozen_process_that_thaws_after_another_took_its_key_commits_nothing(
    rig: Rig, survivor: Web, servers: TestServers, database: str
) -> None:
    """Frozen while it stores the file; its sessions end, as those of a host that is lost do."""
    named = f"{servers.url('app', database)}?application_name={FROZEN}"
    with (
        webs(servers, database, rig.person.api_key, {"DATABASE_URL": named}) as (frozen,),
        psycopg.connect(servers.url("owner", database)) as lock,
        psycopg.connect(servers.admin, autocommit=True) as admin,
        ThreadPoolExecutor(1) as threads,
    ):
        lock.execute("LOCK TABLE messaging_smppart IN EXCLUSIVE MODE")
        first = threads.submit(upload, frozen, "frozen")
        until(lambda: admin.execute(_WAITS, [FROZEN]).fetchone())
        frozen.process.send_signal(signal.SIGSTOP)
        lock.rollback()
        admin.execute(_END, [database, FROZEN])
        told = taken(survivor, "frozen")
        frozen.process.send_signal(signal.SIGCONT)
        thawed = first.result()
    assert thawed is not None
    assert (thawed.status, thawed.told["code"]) == (409, "idempotency-key-in-use")
    assert taken(survivor, "frozen").told == told.told
    is_one_job(rig, told, others=1)
