"""Files on a tenant's own server that are half-written, renamed, or replaced: none is taken in
part, in the wrong turn, or for another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from messaging.files import fetching, looking, stillness
from messaging.relay.file_places import place_of
from messaging.transports.connecting import Guard
from messaging.transports.directories import Directories, take_turn
from messaging.transports.remote_files import RemoteFiles, RemoteName, connected
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.files.remote_servers import OwnServer, Taken, alarms, led_to
from tests.people import Person
from tests.relay.filing.trading import Trading, forget_what_waits

pytestmark = pytest.mark.usefixtures("folder")
NAME, SECOND = "ALITA_000001.sub", "ALITA_000002.sub"


def leave(own: OwnServer, name: str, content: bytes, *, at: int = 0) -> None:
    """With a time of its own, as if it had been left `at` seconds later."""
    path = own.root / "outgoing" / name
    path.write_bytes(content)
    os.utime(path, (1_000_000_000 + at,) * 2)


def later(row: Endpoint, seconds: float) -> None:
    """What was seen was seen so long before."""
    path = Directories.of(row.tenant_id, row.id).home / "seen.json"
    text = path.read_text()
    moved = stillness._read(Directories.of(row.tenant_id, row.id))
    assert moved, text
    ago = timedelta(seconds=seconds)
    stillness._write(
        Directories.of(row.tenant_id, row.id),
        {name: (one, since - ago) for name, (one, since) in moved.items()},
    )


def due_in(row: Endpoint) -> float:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM due_at - now()) FROM messaging_fetchdue"
            " WHERE endpoint_id = %s",
            [row.id],
        )
        return float(cursor.fetchone()[0])


def test_a_file_that_grows_is_taken_once_it_is_still(own: OwnServer, alice: Person) -> None:
    row, taken = led_to(own, alice, still_seconds=10, poll_seconds=60), Taken()
    leave(own, NAME, b"ha")
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert due_in(row) < 11, "it is looked at again before its turn"
    later(row, 9)
    leave(own, NAME, b"half", at=1)
    fetching.fetch(alice.tenant_id, row.id, taken)
    later(row, 9)
    leave(own, NAME, b"HALF", at=2)
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == []
    later(row, 11)
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.contents == [b"HALF"]
    assert own.names("outgoing") == []
    assert due_in(row) > 50


def test_what_comes_after_one_that_is_not_still_waits_for_it(own: OwnServer, alice: Person) -> None:
    row, taken = led_to(own, alice, still_seconds=10), Taken()
    for name in (SECOND, "OTHER_000001.sub"):
        leave(own, name, name.encode())
    fetching.fetch(alice.tenant_id, row.id, taken)
    later(row, 11)
    leave(own, NAME, b"begun")
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == ["OTHER_000001.sub"]
    later(row, 11)
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == ["OTHER_000001.sub", NAME, SECOND]


def while_copied(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> None:
    """Something happens there once, when the bytes of a file have been read."""
    copied = looking._copied
    left = [work]

    def late(files: RemoteFiles, file: RemoteName, copy: Path, limit: int) -> int:
        size = copied(files, file, copy, limit)
        while left:
            left.pop()()
        return size

    monkeypatch.setattr(looking, "_copied", late)


def test_a_file_that_is_replaced_while_it_is_read_is_read_anew(
    own: OwnServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, taken = led_to(own, alice), Taken()
    leave(own, NAME, b"first")
    while_copied(monkeypatch, lambda: leave(own, NAME, b"again", at=1))
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == []
    assert own.names("outgoing") == [NAME]
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.contents == [b"again"]


def test_a_file_that_is_renamed_while_it_is_read_is_taken_by_its_last_name(
    own: OwnServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, taken = led_to(own, alice), Taken()
    leave(own, NAME, b"whole")
    outgoing = own.root / "outgoing"
    while_copied(monkeypatch, lambda: os.rename(outgoing / NAME, outgoing / SECOND))
    for _ in range(2):
        fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == [SECOND]


def test_a_file_that_is_gone_when_it_is_to_be_read_is_no_fault_of_the_server(
    own: OwnServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, taken = led_to(own, alice), Taken()
    leave(own, NAME, b"whole")
    outgoing = own.root / "outgoing"

    def late(*asked: Any) -> frozenset[str]:
        (outgoing / NAME).unlink(missing_ok=True)
        return stillness.at_rest(*asked)

    monkeypatch.setattr(looking, "at_rest", late)
    before = len(alarms(alice))
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == []
    assert len(alarms(alice)) == before


def test_what_took_its_place_after_it_was_taken_is_not_put_away(
    own: OwnServer, alice: Person
) -> None:
    row, taken = led_to(own, alice), Taken()
    leave(own, NAME, b"first")

    def take(arrived: Any) -> Any:
        leave(own, NAME, b"again", at=1)
        return taken(arrived)

    fetching.fetch(alice.tenant_id, row.id, take)
    assert (own.root / "outgoing" / NAME).read_bytes() == b"again"
    assert own.names("archive") == []
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.contents == [b"first", b"again"]


def test_what_took_its_place_in_the_moment_it_was_moved_goes_back(
    own: OwnServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, taken = led_to(own, alice), Taken()
    leave(own, NAME, b"first")
    archive = looking._archive

    def late(*asked: Any) -> None:
        monkeypatch.setattr(looking, "_archive", archive)
        leave(own, NAME, b"again", at=1)
        archive(*asked)

    monkeypatch.setattr(looking, "_archive", late)
    for _ in range(2):
        fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.contents == [b"first", b"again"]
    assert len(own.names("archive")) == 1


def test_files_that_are_too_large_stay_and_are_alarmed_together(
    own: OwnServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.FILES_QUOTA_MB", 1)
    row, taken = led_to(own, alice), Taken()
    before = len(alarms(alice))
    for name in ("a", "b", "c"):
        leave(own, name, b"")
        os.truncate(own.root / "outgoing" / name, 2**20 + 1)
        fetching.fetch(alice.tenant_id, row.id, taken)
    assert own.names("outgoing") == ["a", "b", "c"]
    assert taken.names == []
    (told,) = alarms(alice)[before:]
    assert b"a is larger than 1048576 bytes" in told


def test_a_server_is_asked_what_one_name_is_now(own: OwnServer, alice: Person) -> None:
    row = led_to(own, alice)
    leave(own, NAME, b"whole")
    with tenant_scope(alice.tenant_id):
        remote = place_of(row).remote
    assert remote is not None
    with connected(remote, Guard.of_vendor()) as files:
        (there,) = files.names("outgoing")
        assert (there.name, there.size) == (NAME, 5)
        assert files.look("outgoing", NAME) == there
        assert files.look("outgoing", SECOND) is None
        assert files.look("", "outgoing") is None, "a directory is no file"


@pytest.fixture
def held(alice: Person, folder: Path) -> Iterator[None]:
    """Another worker speaks with a server of alice's."""
    turn = take_turn(alice.tenant_id)
    assert turn is not None
    with turn:
        yield


@pytest.mark.usefixtures("held")
def test_of_one_tenant_one_look_at_a_server_is_under_way(own: OwnServer, alice: Person) -> None:
    row, taken = led_to(own, alice, poll_seconds=60), Taken()
    leave(own, NAME, b"whole")
    fetching.fetch(alice.tenant_id, row.id, taken)
    assert taken.names == []
    assert due_in(row) < 6


def test_another_tenants_turn_is_its_own(alice: Person, bob: Person) -> None:
    first, second = take_turn(alice.tenant_id), take_turn(bob.tenant_id)
    assert first is not None
    assert second is not None
    assert take_turn(alice.tenant_id) is None
    first.close()
    second.close()
    again = take_turn(alice.tenant_id)
    assert again is not None
    again.close()


def test_a_reply_waits_for_its_tenants_turn_and_is_no_attempt_till_then(
    own: OwnServer, alice: Person, tmp_path: Path
) -> None:
    forget_what_waits(alice)
    row = led_to(own, alice)
    trading = Trading(alice, row.id, tmp_path)
    turn = take_turn(alice.tenant_id)
    assert turn is not None
    with turn:
        trading.leave(trading.name(1), ["XYZ"])
        trading.carry()
    assert own.names("incoming") == []
    trading.carry()
    assert own.names("incoming") == ["ALITA_000001.ack", "ALITA_000001.rej"]
