"""Master keys: where they come from, and that rotation loses nothing, killed half-way or beside
traffic.
"""

from __future__ import annotations

import base64
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from hostsvc.env import Environment
from tenants import aead, directory, keyproviders, vault
from tenants.ids import new_id
from tenants.keyproviders import EnvironmentKeys, FileKeys, MasterKeyMissing, id_of, keys_in
from tenants.models import DataKey, Tenant
from tenants.scope import tenant_scope
from tests.roles import as_role
from tests.servers import ROOT, SECRETS, TestServers

TENANTS = 30
OLD = settings.MASTER_KEY


def b64(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.fixture(scope="module")
def sealed(database: str, servers: TestServers) -> dict[UUID, tuple[UUID, bytes]]:
    """A secret of each of many tenants, under the old master key: row id and sealed value."""
    made = {}
    with as_role("staff", servers, database):
        for number in range(TENANTS):
            tenant_id, row_id = new_id(), new_id()
            with tenant_scope(tenant_id):
                name = f"tenant {number}"
                Tenant.objects.create(id=tenant_id, name=name, participant_id=name)
                directory.enter(directory.Known.TENANT_NAME, name.encode(), tenant_id)
                made[tenant_id] = (row_id, vault.seal(name.encode(), "a test", row_id))
    return made


@pytest.fixture
def keys_of_old(sealed: dict[UUID, tuple[UUID, bytes]]) -> Iterator[None]:
    """Whatever a test did, the data keys are as they were."""
    before = wrappings()
    yield
    for tenant_id, (key_id, wrapped) in before.items():
        with tenant_scope(tenant_id):
            DataKey.objects.update(master_key_id=key_id, wrapped=wrapped)


def wrappings() -> dict[UUID, tuple[str, bytes]]:
    found = {}
    for tenant_id in directory.all_tenants():
        with tenant_scope(tenant_id):
            for row in DataKey.objects.all():
                found[tenant_id] = (row.master_key_id, bytes(row.wrapped))
    return found


def wrapped_by() -> set[str]:
    return {key_id for key_id, _ in wrappings().values()}


def open_all(sealed: dict[UUID, tuple[UUID, bytes]]) -> None:
    """Every secret, with nothing remembered."""
    vault._data_keys.drop_where(lambda _: True)
    for number, (tenant_id, (row_id, value)) in enumerate(sealed.items()):
        with tenant_scope(tenant_id):
            assert vault.unseal(value, "a test", row_id) == f"tenant {number}".encode()


def environment(servers: TestServers, database: str, *keys: bytes) -> dict[str, str]:
    first, *others = map(b64, keys)
    names = {**os.environ, **servers.environment(database), **SECRETS}
    return {
        **names,
        "HOSTSVC_DATABASE_ROLE": "staff",
        "HOSTSVC_MASTER_KEY": first,
        "HOSTSVC_MASTER_KEY_PREVIOUS": ",".join(others),
    }


def rotate(servers: TestServers, database: str, *keys: bytes) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "manage.py", "rotate_master_key"],
        cwd=ROOT,
        env=environment(servers, database, *keys),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.usefixtures("keys_of_old")
def test_killed_half_way_it_has_lost_nothing_and_goes_on_where_it_was(
    sealed: dict[UUID, tuple[UUID, bytes]], servers: TestServers, database: str
) -> None:
    new = secrets.token_bytes(32)
    process = rotate(servers, database, new, OLD)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("10/"):
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert wrapped_by() == {id_of(OLD), id_of(new)}, "it was half-way"
    with override_settings(MASTER_KEY=new, MASTER_KEYS_PREVIOUS=[OLD]):
        open_all(sealed)
    with override_settings(MASTER_KEY=OLD, MASTER_KEYS_PREVIOUS=[new]):
        open_all(sealed)
    told, _ = rotate(servers, database, new, OLD).communicate(timeout=60)
    assert "nothing to do" in told
    assert "Done" in told
    assert wrapped_by() == {id_of(new)}
    with override_settings(MASTER_KEY=new, MASTER_KEYS_PREVIOUS=[]):
        open_all(sealed)


@pytest.mark.usefixtures("keys_of_old")
def test_secrets_are_read_and_written_meanwhile(
    sealed: dict[UUID, tuple[UUID, bytes]], servers: TestServers, database: str
) -> None:
    """By a process that still has the old key as its current one."""
    new, over, failed = secrets.token_bytes(32), threading.Event(), list[BaseException]()
    written: list[tuple[UUID, UUID, bytes]] = []
    tenants = list(sealed)

    def traffic(offset: int) -> None:
        number = offset
        try:
            while not over.is_set() or number < len(tenants):
                tenant_id, row_id = tenants[number % len(tenants)], new_id()
                vault._data_keys.drop_where(lambda _: True)
                with tenant_scope(tenant_id):
                    vault.unseal(sealed[tenant_id][1], "a test", sealed[tenant_id][0])
                    written.append((tenant_id, row_id, vault.seal(b"new", "written", row_id)))
                number += 1
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    with override_settings(MASTER_KEY=OLD, MASTER_KEYS_PREVIOUS=[new]):
        threads = [threading.Thread(target=traffic, args=(offset,)) for offset in (0, 7)]
        for thread in threads:
            thread.start()
        process = rotate(servers, database, new, OLD)
        told, _ = process.communicate(timeout=60)
        over.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert (process.returncode, wrapped_by()) == (0, {id_of(new)}), told
    with override_settings(MASTER_KEY=new, MASTER_KEYS_PREVIOUS=[]):
        open_all(sealed)
        for tenant_id, row_id, value in written:
            with tenant_scope(tenant_id):
                assert vault.unseal(value, "written", row_id) == b"new"


@pytest.mark.usefixtures("keys_of_old")
def test_without_the_old_key_nothing_is_touched_and_it_says_what_is_missing(
    sealed: dict[UUID, tuple[UUID, bytes]], servers: TestServers, database: str
) -> None:
    process = rotate(servers, database, secrets.token_bytes(32))
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"no master key has the id {id_of(OLD)}" in told
    assert f"{TENANTS} by {id_of(OLD)}" in told
    assert "Traceback" not in told
    open_all(sealed)


def test_negative_control_a_master_key_dropped_too_early_opens_nothing(
    sealed: dict[UUID, tuple[UUID, bytes]],
) -> None:
    """The guard of rotation left out: the new key alone, over data keys that the old one wraps."""
    with (
        override_settings(MASTER_KEY=secrets.token_bytes(32), MASTER_KEYS_PREVIOUS=[]),
        pytest.raises(MasterKeyMissing),
    ):
        open_all(sealed)


@pytest.mark.usefixtures("keys_of_old")
def test_a_wrapped_data_key_moved_to_another_tenant_does_not_open(
    sealed: dict[UUID, tuple[UUID, bytes]],
) -> None:
    one, other, *_ = sealed
    taken = wrappings()[one][1]
    with tenant_scope(other):
        DataKey.objects.update(wrapped=taken)
    vault._data_keys.drop_where(lambda _: True)
    with tenant_scope(other), pytest.raises(vault.VaultError):
        vault.unseal(sealed[other][1], "a test", sealed[other][0])


class Forgetful(EnvironmentKeys):
    """Writes what it can't read."""

    def wrap(self, clear: bytes, bound: bytes) -> tuple[str, bytes]:
        return self.current(), aead.encrypt(self.keys()[0], clear, bound + b"?")


@pytest.mark.usefixtures("keys_of_old")
def test_a_provider_that_cannot_read_what_it_wrote_loses_nothing(
    sealed: dict[UUID, tuple[UUID, bytes]],
) -> None:
    """Another provider than ours, chosen by its dotted path."""
    new, tenant_id = secrets.token_bytes(32), next(iter(sealed))
    name = f"{__name__}.{Forgetful.__name__}"
    sys.modules.setdefault(__name__, sys.modules[Forgetful.__module__])
    with (
        override_settings(KEY_PROVIDER=name, MASTER_KEY=new, MASTER_KEYS_PREVIOUS=[OLD]),
        pytest.raises(vault.VaultError),
        tenant_scope(tenant_id),
    ):
        vault.rewrap()
    open_all(sealed)


def test_a_key_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(
    tmp_path: Path,
) -> None:
    file, first, second = tmp_path / "master_key", secrets.token_bytes(32), secrets.token_bytes(32)
    file.write_text(b64(first) + "\n")
    with override_settings(MASTER_KEY_FILE=file, MASTER_KEYS_PREVIOUS=[]):
        keys = FileKeys()
        key_id, wrapped = keys.wrap(b"data key", b"bound")
        file.write_text(f"{b64(second)}\n{b64(first)}\n")
        assert keys.current() == id_of(second)
        assert keys.unwrap(key_id, wrapped, b"bound") == b"data key"
        for broken in ("", "not base64!", b64(b"short"), "\N{SNOWMAN}"):
            file.write_text(broken)
            assert keys.current() == id_of(second)
        file.unlink()
        assert keys.current() == id_of(second)
        with pytest.raises(vault.VaultError):
            FileKeys().current()
        with pytest.raises(vault.VaultError):
            keys.unwrap(key_id, wrapped, b"another tenant's")


@pytest.mark.parametrize("text", ["", "  ", "AAAA", "%", b64(b"x" * 32) + ",AA"])
def test_bad_keys_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|32 bytes"):
        keys_in(text)


def test_several_keys_can_stand_in_the_environment() -> None:
    one, other = secrets.token_bytes(32), secrets.token_bytes(32)
    told = Environment({"KEY": f"{b64(one)},{b64(other)}"})
    assert told.keys("KEY", 32) == [one, other]
    assert Environment({}).keys("KEY", 32, default="") == []


def test_the_ids_of_keys_tell_nothing_of_them() -> None:
    assert keyproviders.id_of(OLD) not in b64(OLD)
    assert len(keyproviders.id_of(OLD)) == 16


@pytest.mark.parametrize(
    ("content", "told"),
    [(b64(OLD), "tenants.keyproviders.FileKeys"), ("garbage!", "HOSTSVC_MASTER_KEY is not base64")],
    ids=["a key", "no key"],  # else the key, made anew by each worker, would be the test's name
)
def test_with_a_key_file_the_file_is_asked_and_looked_at_from_the_start(
    tmp_path: Path, content: str, told: str
) -> None:
    program = "from django.conf import settings; print(settings.KEY_PROVIDER)"
    file = tmp_path / "master_key"
    file.write_text(content)
    names: dict[str, Any] = {**os.environ, **SECRETS, "DJANGO_SETTINGS_MODULE": "hostsvc.settings"}
    del names["HOSTSVC_MASTER_KEY"]
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**names, "HOSTSVC_MASTER_KEY_FILE": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told in run.stdout + run.stderr
