"""The collector: in order, one at a time, and safe wherever a crash comes."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from messaging.files import collecting, keeping, spells
from messaging.files.uploads import Limits, Upload
from messaging.relay import backlog, from_trading_point
from messaging.relay.from_trading_point import Arrived, Filed
from messaging.relay.register import FILE_PROTOCOL
from messaging.transports.directories import Directories
from tenants import endpoints
from tenants.clock import now
from tenants.endpoints import Draft
from tenants.models import Environment
from tenants.scope import tenant_scope
from tests.files.rig import Point, collected, filed
from tests.people import Person


class Crash(BaseException):
    """The process is gone."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, database: str) -> Iterator[None]:
    before, settings.FILES_DIR = settings.FILES_DIR, tmp_path / "files"
    yield
    settings.FILES_DIR = before


@pytest.fixture
def point(alice: Person, tmp_path: Path) -> Point:
    with tenant_scope(alice.tenant_id):
        draft = Draft(f"point {tmp_path.name}", FILE_PROTOCOL, "sftp", Environment.SIMULATOR)
        row = endpoints.add(draft)
    made = Point(alice.tenant_id, row.id, row.id, "", "", tmp_path)
    made.directories.make()
    return made


def leave(point: Point, *names: str) -> None:
    for name in names:
        (point.directories.outgoing / name).write_bytes(name.encode())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_files_that_are_there_together_are_taken_in_order(point: Point) -> None:
    leave(point, "ALITA_000003.sub", "ALITA_000001.sub", "odd", "ALITA_000002.sub")
    taken: list[bytes] = []
    collected(point, taken)
    assert [name.decode() for name in taken] == [
        *("ALITA_000001.sub", "ALITA_000002.sub", "ALITA_000003.sub", "odd")
    ]
    assert names(point.directories.outgoing) == names(point.directories.taking) == []
    assert len(names(point.directories.archive)) == 4


def test_what_is_unfinished_or_hidden_is_left_alone(point: Point) -> None:
    left = [".hidden.sub", "ALITA_000001.tmp", "ALITA_000002.sub.TMP"]
    leave(point, *left)
    taken: list[bytes] = []
    collected(point, taken)
    assert taken == []
    assert names(point.directories.outgoing) == sorted(left)


def test_a_crash_before_it_was_taken_takes_it_again_under_the_same_moment(point: Point) -> None:
    leave(point, "ALITA_000001.sub")
    seen: list[Arrived] = []

    def crash(arrived: Arrived) -> Filed:
        seen.append(arrived)
        raise Crash

    with pytest.raises(Crash):
        collecting.collect(point.tenant_id, point.endpoint_id, crash)
    assert names(point.directories.outgoing) == []
    assert collecting.waiting(point.tenant_id, point.endpoint_id)

    def take(arrived: Arrived) -> Filed:
        seen.append(arrived)
        return filed(arrived)

    collecting.collect(point.tenant_id, point.endpoint_id, take)
    assert seen[0] == seen[1]
    assert not collecting.waiting(point.tenant_id, point.endpoint_id)


def test_a_crash_before_it_was_archived_takes_it_again(
    point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(point, "ALITA_000001.sub")
    taken: list[bytes] = []

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(collecting, "_archive", crash)
        with pytest.raises(Crash):
            collected(point, taken)
    collected(point, taken)
    assert len(taken) == 2
    assert len(names(point.directories.archive)) == 1
    assert names(point.directories.taking) == []


def test_a_file_of_the_same_name_waits_behind_the_one_before_it(point: Point) -> None:
    def fails(arrived: Arrived) -> Filed:
        raise OSError("not now")

    for content in (b"first", b"second"):
        (point.directories.outgoing / "ALITA_000001.sub").write_bytes(content)
        with pytest.raises(OSError, match="not now"):
            collecting.collect(point.tenant_id, point.endpoint_id, fails)
    taken: list[bytes] = []
    collected(point, taken)
    assert taken == [b"first", b"second"]
    assert len(names(point.directories.archive)) == 2


def test_nothing_in_the_archive_is_written_over(point: Point) -> None:
    def take(arrived: Arrived) -> Filed:
        return Filed("ALITA_000001.20261231T235959Z.sub")

    for content in (b"first", b"second"):
        (point.directories.outgoing / "ALITA_000001.sub").write_bytes(content)
        collecting.collect(point.tenant_id, point.endpoint_id, take)
    kept = {path.name: path.read_bytes() for path in point.directories.archive.glob("*.sub")}
    assert kept == {
        "ALITA_000001.20261231T235959Z.sub": b"first",
        "ALITA_000001.20270101T000000Z.sub": b"second",
    }


def test_one_at_a_time_collects(point: Point) -> None:
    leave(point, "ALITA_000001.sub")
    under_way, go_on, taken = threading.Event(), threading.Event(), list[bytes]()

    def slow(arrived: Arrived) -> Filed:
        under_way.set()
        assert go_on.wait(20)
        return filed(arrived)

    def work() -> None:
        from django.db import connection

        collecting.collect(point.tenant_id, point.endpoint_id, slow)
        connection.close()

    first = threading.Thread(target=work)
    first.start()
    assert under_way.wait(20)
    leave(point, "ALITA_000002.sub")
    collected(point, taken)
    assert taken == []
    go_on.set()
    first.join(20)
    collected(point, taken)
    assert taken == [b"ALITA_000002.sub"]


def test_a_file_with_a_writer_is_left_until_it_has_none(point: Point) -> None:
    leave(point, "ALITA_000001.sub")
    descriptor = os.open(point.directories.outgoing / "ALITA_000001.sub", os.O_WRONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    taken: list[bytes] = []
    collected(point, taken)
    assert taken == []
    os.close(descriptor)
    collected(point, taken)
    assert taken == [b"ALITA_000001.sub"]


def test_what_a_server_that_died_was_writing_is_put_aside_and_sent_again(point: Point) -> None:
    """Its locks went with it. Nothing but the file itself tells that it is half."""
    name, outgoing = "ALITA_000001.sub", point.directories.outgoing
    upload = begun(point, name)
    upload.write(b"half", 0)
    os.close(upload._descriptor)
    taken: list[bytes] = []
    collected(point, taken)
    assert taken == []
    assert names(outgoing) == [f"{name}.broken.tmp"]
    again = begun(point, name)
    again.write(b"whole", 0)
    again.close()
    collected(point, taken)
    assert taken == [b"whole"]


def test_a_half_file_that_was_moved_for_another_is_put_aside_too(point: Point) -> None:
    """It took the other's name in the moment that one was moved, and then its server died."""
    upload = begun(point, "ALITA_000001.sub")
    upload.write(b"half", 0)
    os.close(upload._descriptor)
    file = point.directories.outgoing / "ALITA_000001.sub"
    collecting.admit(point.directories, file, file.name)
    taken: list[bytes] = []
    collected(point, taken)
    assert taken == []
    assert names(point.directories.outgoing) == ["ALITA_000001.sub.broken.tmp"]


def test_one_that_is_closed_while_another_writes_to_it_is_not_yet_whole(point: Point) -> None:
    first, second = (begun(point, "ALITA_000001.sub") for _ in range(2))
    first.write(b"first", 0)
    first.close()
    second.write(b"second", 0)
    os.close(second._descriptor)
    taken: list[bytes] = []
    collected(point, taken)
    assert taken == []


def begun(point: Point, name: str) -> Upload:
    limits = Limits.of_vendor()
    return Upload.begin(point.directories, name, limits, create=True, empty=True, exclusive=False)


def test_none_is_taken_before_the_one_ahead_of_it_that_is_written_still(point: Point) -> None:
    """It would be out of sequence. Other agents' go on."""
    leave(point, "ALITA_000001.sub", "ALITA_000002.sub", "OTHER_000001.sub", "odd")
    with (point.directories.outgoing / "ALITA_000001.sub").open("ab") as writer:
        fcntl.flock(writer, fcntl.LOCK_SH)
        taken: list[bytes] = []
        collected(point, taken)
        assert taken == [b"OTHER_000001.sub", b"odd"]
    collected(point, taken)
    assert taken[2:] == [b"ALITA_000001.sub", b"ALITA_000002.sub"]


def test_a_file_that_is_renamed_to_another_final_name_is_taken_once(point: Point) -> None:
    leave(point, "ALITA_000001.sub")
    outgoing = point.directories.outgoing
    in_turns = from_trading_point.in_turns

    def late(*asked: Any) -> list[list[str]]:
        (outgoing / "ALITA_000001.sub").rename(outgoing / "ALITA_000002.sub")
        return in_turns(*asked)

    taken: list[bytes] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(from_trading_point, "in_turns", late)
        collected(point, taken)
    assert taken == []
    collected(point, taken)
    assert taken == [b"ALITA_000001.sub"]
    assert names(outgoing) == names(point.directories.taking) == []


def test_a_file_that_is_replaced_while_it_is_read_is_read_as_it_was(point: Point) -> None:
    (point.directories.outgoing / "ALITA_000001.sub").write_bytes(b"first")
    taken: list[bytes] = []

    def take(arrived: Arrived) -> Filed:
        new = point.directories.outgoing / "ALITA_000001.tmp"
        new.write_bytes(b"second")
        new.rename(point.directories.outgoing / arrived.name)
        taken.append(arrived.path.read_bytes())
        return filed(arrived)

    collecting.collect(point.tenant_id, point.endpoint_id, take)
    collected(point, taken)
    assert taken == [b"first", b"second"]


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_file_is_not_taken(point: Point, kind: str, tmp_path: Path) -> None:
    place = point.directories.outgoing / "ALITA_000001.sub"
    if kind == "link":
        (tmp_path / "secret").write_text("x")
        place.symlink_to(tmp_path / "secret")
    elif kind == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    taken: list[bytes] = []
    collected(point, taken)
    assert taken == []


def test_a_full_incoming_stops_it_and_is_told_once(
    point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "REPLIES_LIMIT", 2)
    for name in ("a.ack", "b.ack"):
        (point.directories.incoming / name).touch()
    leave(point, "ALITA_000001.sub")
    taken: list[bytes] = []
    for _ in range(3):
        collected(point, taken)
    assert taken == []
    assert len([record for record in point.told("alarmed") if b"replies wait" in record]) == 1
    (point.directories.incoming / "a.ack").unlink()
    collected(point, taken)
    assert taken == [b"ALITA_000001.sub"]


def ill_named(arrived: Arrived) -> Filed:
    return Filed(f"bad/{arrived.name}", alarm=f"a file is named {arrived.name}")


def test_ill_named_files_are_alarmed_at_once_and_then_counted(
    point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        leave(point, name)
        collecting.collect(point.tenant_id, point.endpoint_id, ill_named)
    leave(point, "d", "e")
    collecting.collect(point.tenant_id, point.endpoint_id, ill_named)
    assert alarms_of(point) == ["a file is named a"]
    assert not collecting.waiting(point.tenant_id, point.endpoint_id)
    monkeypatch.setattr(spells, "LASTS", timedelta(0))
    assert collecting.waiting(point.tenant_id, point.endpoint_id)
    collecting.collect(point.tenant_id, point.endpoint_id, ill_named)
    first, then = alarms_of(point)
    assert then.startswith("4 more since ")
    assert then.endswith("the last: a file is named e")
    collecting.collect(point.tenant_id, point.endpoint_id, ill_named)
    assert not collecting.waiting(point.tenant_id, point.endpoint_id)
    assert alarms_of(point) == [first, then]


def alarms_of(point: Point) -> list[str]:
    told = [json.loads(record)["detail"] for record in point.told("alarmed")]
    return [one["alarm"] for one in told if one.get("endpoint") == str(point.endpoint_id)]


def test_what_is_taken_makes_room_in_the_archive_at_once(
    point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.FILES_ARCHIVE_MB", 1)
    for number in range(1, 6):
        file = point.directories.outgoing / f"ALITA_00000{number}.sub"
        file.write_bytes(b"x" * 400_000)
        collected(point, [])
    kept = [name.split(".")[0] for name in names(point.directories.archive)]
    assert kept == ["ALITA_000004", "ALITA_000005"]


def test_the_archive_is_kept_for_its_time_and_within_its_size(
    point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.FILES_ARCHIVE_MB", 1)
    directories: Directories = point.directories
    for number in range(4):
        (directories.archive / f"{number}").write_bytes(b"x" * 400_000)
    leave(point, "ALITA_000001.sub", "ALITA_000002.tmp")
    assert keeping.tidy(directories, now()) == 2
    assert names(directories.archive) == ["2", "3"]
    later = now() + timedelta(days=settings.FILES_ARCHIVE_DAYS + 1)
    keeping.tidy(directories, later)
    assert names(directories.archive) == []
    assert names(directories.outgoing) == ["ALITA_000001.sub"]


def test_files_stay_where_they_are_while_too_much_waits(point: Point) -> None:
    """What their directory may hold then bounds what can be uploaded."""
    leave(point, "ALITA_000001.sub")
    taken: list[str] = []

    def take(arrived: Arrived) -> Filed:
        taken.append(arrived.name)
        return filed(arrived)

    backlog.forget()
    with override_settings(HOST_BACKLOG=0):
        assert not collecting.collect(point.tenant_id, point.endpoint_id, take)
    assert names(point.directories.outgoing) == ["ALITA_000001.sub"]
    backlog.forget()
    assert collecting.collect(point.tenant_id, point.endpoint_id, take)
    assert taken == ["ALITA_000001.sub"]
