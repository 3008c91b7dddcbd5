"""The embedded Redis: behind a password, in memory only, and gone with its program."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from hostsvc.embedded import EmbeddedError, EmbeddedRedis
from hostsvc.embedded.redis import AT_ONCE, quoted
from tests.platform.waiting import BOUND_SECONDS


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / 'with blank, ünd "quotes"') as started:
        yield started


def test_it_answers_in_each_database_behind_its_password(server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(server.url(0)) as zero, redis.Redis.from_url(server.url(3)) as three:
        zero.set("name", "zero")
        assert three.get("name") is None
        assert zero.get("name") == b"zero"
    with (
        redis.Redis(host="127.0.0.1", port=server.port, retry=AT_ONCE) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_its_password_shows_in_no_list_of_programs_and_no_open_file(server: EmbeddedRedis) -> None:
    assert server.running is not None
    assert not any(server.secret in word for word in server.argv())
    for name in ("redis.conf", "passwords.json", "redis.log"):
        assert stat.S_IMODE((server.directory / name).stat().st_mode) == 0o600


def test_it_never_throws_a_queued_task_away(server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(server.url()) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "no"}
        assert client.config_get("save") == {"save": ""}


def test_it_keeps_port_and_password_and_nothing_else(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as first, redis.Redis.from_url(first.url()) as client:
        client.set("name", "value")
    with EmbeddedRedis(tmp_path) as second, redis.Redis.from_url(second.url()) as client:
        assert second.url() == first.url()
        assert client.get("name") is None


def test_an_orphan_is_stopped_first_and_a_living_one_is_not(tmp_path: Path) -> None:
    orphaned = EmbeddedRedis(tmp_path)
    orphaned.start()
    assert orphaned.running is not None
    with pytest.raises(EmbeddedError, match="in use by pid"):
        EmbeddedRedis(tmp_path).start()
    assert orphaned.running.poll() is None
    orphaned.lock.release()
    with EmbeddedRedis(tmp_path):
        assert orphaned.running.wait(BOUND_SECONDS) == 0


@pytest.mark.parametrize(
    ("text", "written"),
    [("/a b", '"/a b"'), ('/"', '"/\\x22"'), ("/ü", '"/\\xc3\\xbc"'), ("/\\", '"/\\x5c"')],
)
def test_a_path_is_written_as_the_configuration_reads_it(text: str, written: str) -> None:
    assert quoted(text) == written
