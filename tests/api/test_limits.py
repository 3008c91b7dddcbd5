"""Quotas: how a bucket is spent and refills, that all processes share it, and what callers are
told.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from redis import Redis
from rest_framework.test import APIClient

from tenants import api_keys, limits
from tenants.api import limiting
from tenants.ids import new_id
from tenants.limits import Bucket, Level
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tests.api.clients import client
from tests.people import Person
from tests.roles import as_role
from tests.servers import TestServers

ROOT = Path(__file__).resolve().parent.parent.parent
Take = Callable[[Sequence[Bucket]], tuple[Level, ...]]


@pytest.fixture(autouse=True)
def redis(database: str) -> Iterator[None]:
    """Whatever a test did to it, the next one finds Redis asked again."""
    limits._away.until = 0.0
    yield
    limits._away.until = 0.0


@pytest.fixture(params=["shared by all", "kept by one"])
def take(request: pytest.FixtureRequest, database: str) -> Take:
    """Both ways of the same sum; within the process, in a moment that does not pass."""
    if request.param == "shared by all":
        return limits.take
    own = limits._Own()
    return lambda buckets: own.take(buckets, 1000.0)


def bucket(quota: int, cost: int = 1, name: str | None = None) -> Bucket:
    return Bucket("key", name or str(new_id()), quota, cost)


def test_a_quota_can_be_spent_at_once_and_no_more(take: Take) -> None:
    one = bucket(7)
    levels = [take([one])[0] for _ in range(9)]
    assert [level.wait_s > 0 for level in levels] == [False] * 7 + [True] * 2
    assert [level.remaining for level in levels[:7]] == [6, 5, 4, 3, 2, 1, 0]
    assert 0 < levels[7].wait_s < 60 / 7 + 0.001
    assert 59 < levels[7].full_in_s < 60.001


def test_a_refusal_takes_from_no_bucket(take: Take) -> None:
    narrow, wide = bucket(1), bucket(5)
    assert limits.wait_s(take([narrow, wide])) == 0
    assert limits.wait_s(take([narrow, wide])) > 0
    (level,) = take([Bucket("key", wide.key, 5, cost=0)])
    assert level.remaining == 4


def test_asking_costs_nothing_and_says_whether_any_is_left(take: Take) -> None:
    name = str(new_id())
    asks, takes = bucket(2, 0, name), bucket(2, 1, name)
    for _ in range(5):
        assert limits.wait_s(take([asks])) == 0
    take([takes])
    assert limits.wait_s(take([asks])) == 0
    take([takes])
    assert limits.wait_s(take([asks])) > 0


def test_what_is_spent_comes_back_evenly() -> None:
    own, one = limits._Own(), bucket(60)
    for _ in range(60):
        own.take([one], 100.0)
    assert [bool(own.take([one], 100.0 + after)[0].wait_s) for after in (0.5, 1.1, 1.2)] == [
        True,
        False,
        True,
    ]


def test_buckets_are_forgotten_once_they_are_full(database: str) -> None:
    one = bucket(1000)
    limits.take([one])
    left = Redis.from_url(settings.REDIS_URL).pttl(f"hostsvc:limit:{one.key}")
    assert 0 < left <= 61


_ELSEWHERE = """
import json, sys
import django
django.setup()
from tenants import limits
from tenants.limits import Bucket, take
limits.WINDOW_S = 86_400  # Nothing comes back while the test runs.
levels = [take([Bucket("key", sys.argv[1], 10)])[0] for _ in range(6)]
print(json.dumps([level.wait_s > 0 for level in levels]))
"""


def test_all_processes_spend_one_quota(servers: TestServers, database: str) -> None:
    name = str(new_id())
    environment = {
        **os.environ,
        **servers.environment(database),
        "DJANGO_SETTINGS_MODULE": "hostsvc.settings",
    }
    refused: list[bool] = []
    for _ in range(2):
        ended = subprocess.run(
            [sys.executable, "-c", _ELSEWHERE, name],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
        )
        refused += json.loads(ended.stdout)
    assert refused == [False] * 10 + [True] * 2


@pytest.fixture
def key(alice: Person) -> str:
    with tenant_scope(alice.tenant_id):
        return api_keys.mint("limited").text


def ask(key: str, address: str = "127.0.0.1") -> Any:
    asker: APIClient = client({"X-API-Key": key})
    return asker.get("/api/v1/me", REMOTE_ADDR=address)


def test_a_key_beyond_its_quota_is_told_when_to_come_again(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "KEY_QUOTA", 3)
    answers = [ask(key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    told = [answer["RateLimit"].split(";t=")[0] for answer in answers[:3]]
    assert told == ['"key";r=2', '"key";r=1', '"key";r=0']
    refused = answers[3]
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "too-many-requests"
    assert 1 <= int(refused["Retry-After"]) <= 20
    assert '"key";q=3;w=60' in refused["RateLimit-Policy"]
    assert '"key";r=0' in refused["RateLimit"]


def test_one_keys_quota_is_not_anothers_and_the_tenants_is_all_its_keys(
    bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tenant_scope(bob.tenant_id):
        keys = [api_keys.mint("limited").text for _ in range(4)]
    monkeypatch.setattr(settings, "KEY_QUOTA", 2)
    assert [ask(keys[0]).status_code for _ in range(3)] == [200, 200, 429]
    assert ask(keys[1]).status_code == 200
    monkeypatch.setattr(settings, "KEY_QUOTA", 100)
    monkeypatch.setattr(settings, "TENANT_QUOTA", 3)
    told = [ask(one).status_code for _ in range(3) for one in keys[2:]]
    assert told == [200, 200, 200, 429, 429, 429]


def test_one_tenants_requests_do_not_cost_another(
    alice: Person, mallory: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "TENANT_QUOTA", 2)
    while ask(mallory.api_key).status_code == 200:
        pass
    assert ask(alice.api_key).status_code == 200


def test_the_vendor_sets_a_tenants_own_quotas(
    servers: TestServers, database: str, mallory: Person
) -> None:
    with as_role("staff", servers, database), tenant_scope(mallory.tenant_id):
        Tenant.objects.update(requests_per_minute=77, key_requests_per_minute=5)
    try:
        told = ask(mallory.api_key)["RateLimit-Policy"]
    finally:
        with as_role("staff", servers, database), tenant_scope(mallory.tenant_id):
            Tenant.objects.update(requests_per_minute=None, key_requests_per_minute=None)
    assert told == '"key";q=5;w=60, "tenant";q=77;w=60'


def test_failures_are_counted_by_address_and_then_told_no_more(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "FAILURE_QUOTA", 3)
    wrong = "hsk_00000000_" + "A" * 43
    answers = [ask(wrong, "192.0.2.7") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert answers[3]["Retry-After"]
    assert "RateLimit" not in answers[3]
    assert ask(wrong, "192.0.2.8").status_code == 401
    # Whoever shares the address with the guesser is not shut out.
    assert ask(key, "192.0.2.7").status_code == 200


def test_an_address_of_ipv6_is_its_whole_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "FAILURE_QUOTA", 2)
    places = ["2001:db8:7::1", "2001:db8:7::2", "2001:db8:7:0:ffff::1", "2001:db8:8::1"]
    told = [ask("hsk_00000000_x", place).status_code for place in places]
    assert told == [401, 401, 429, 401]


def test_guesses_at_one_key_end_in_silence_even_when_right(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as may be tried from one address, then the right one: it is answered as the wrong
    ones are, so the guesser learns nothing; from another address it works.
    """
    monkeypatch.setattr(limiting, "GUESSES_PER_MINUTE", 3)
    wrong = key[:20] + ("A" if key[20] != "A" else "B") + key[21:]
    place = "192.0.2.99"
    tried = [ask(wrong, place).status_code for _ in range(4)]
    assert tried == [401, 401, 401, 429]
    guess, right = ask(wrong, place), ask(key, place)
    assert right.status_code == 429
    assert right.content == guess.content
    assert right.headers.keys() == guess.headers.keys()
    assert ask(key, "192.0.2.98").status_code == 200


def test_negative_control_without_that_count_the_right_guess_would_be_seen(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard switched off: the test above is seen to fail."""
    monkeypatch.setattr(limiting, "GUESSES_PER_MINUTE", 10_000)
    wrong = key[:20] + ("A" if key[20] != "A" else "B") + key[21:]
    tried = [ask(wrong, "192.0.2.97").status_code for _ in range(12)]
    assert tried == [401] * 12
    assert ask(key, "192.0.2.97").status_code == 200


def test_while_redis_is_away_requests_are_answered_and_each_process_counts_for_itself(
    key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(settings, "KEY_QUOTA", 2)
    assert [ask(key).status_code for _ in range(3)] == [200, 200, 429]
    told = [
        record for record in caplog.records if "limits are each process's own" in record.message
    ]
    assert len(told) == 1


def test_negative_control_without_a_quota_nothing_is_refused(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard switched off: the count is taken away, and the 429 is seen to be missing."""
    monkeypatch.setattr(settings, "KEY_QUOTA", 2)
    monkeypatch.setattr(limiting, "take", lambda buckets: tuple(Level(b, 0, 0) for b in buckets))
    assert {ask(key).status_code for _ in range(5)} == {200}
