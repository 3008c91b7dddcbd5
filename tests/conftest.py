"""Sets Django up as the application role and gives each test module a database of its own, with the
cast enrolled.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from xdist.remote import Producer

from tests.os_tool_fixture import os_tool  # noqa: F401 - a fixture for every test
from tests.scheduling import ByFile
from tests.servers import (
    SECRETS,
    TestServers,
    fresh_database,
    running_servers,
    shared_servers,
)

# Settings are read once, at setup: before any test module imports a model. The servers come later,
# if a test needs them.
_PLACEHOLDER = "postgresql://nobody@127.0.0.1:1/none"
os.environ |= {
    "DJANGO_SETTINGS_MODULE": "hostsvc.settings",
    "HOSTSVC_DATABASE_ROLE": "app",
    "DATABASE_URL": _PLACEHOLDER,
    "DATABASE_OWNER_URL": _PLACEHOLDER,
    "DATABASE_STAFF_URL": _PLACEHOLDER,
    "REDIS_URL": "redis://127.0.0.1:1/0",
    # Tests ask quickly, and all from one address; those of the quotas set their own.
    "HOSTSVC_TENANT_QUOTA": "10000000",
    "HOSTSVC_KEY_QUOTA": "10000000",
    "HOSTSVC_FAILURE_QUOTA": "10000000",
    **SECRETS,
}

import django  # noqa: E402

django.setup()

from tests import minutes  # noqa: E402
from tests.people import Cast, Person, enrol_cast  # noqa: E402
from tests.roles import as_role, let_go, point_django_at  # noqa: E402


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile | None:
    """`--dist loadfile` is ours."""
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(autouse=True)
def one_minute() -> Iterator[None]:
    """However short before a minute's end a test begins."""
    with minutes.held():
        yield


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServers]:
    """PostgreSQL and Redis: the runner's, or this session's own."""
    shared = shared_servers()
    if shared is not None:
        yield shared
        return
    with running_servers(tmp_path_factory.mktemp("servers")) as started:
        yield started


@pytest.fixture(scope="module")
def database(servers: TestServers) -> Iterator[str]:
    """The name of this module's database, which Django is connected to as the application role."""
    with fresh_database(servers) as name:
        point_django_at(servers, name)
        yield name
        let_go()


@pytest.fixture(scope="module")
def cast(database: str, servers: TestServers) -> Cast:
    """Two tenants, and a hostile third, enrolled by the vendor's staff."""
    with as_role("staff", servers, database):
        return enrol_cast()


@pytest.fixture(scope="module")
def alice(cast: Cast) -> Person:
    return cast.alice


@pytest.fixture(scope="module")
def bob(cast: Cast) -> Person:
    return cast.bob


@pytest.fixture(scope="module")
def mallory(cast: Cast) -> Person:
    return cast.mallory
