"""A file is taken once and in its turn, and answered with replies that name line, field and code;
what is refused is relayed in no part.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from messaging.domain.clock import next_operational_day_start
from messaging.domain.redeclarations import ScalarParameter
from messaging.domain.submissions import ScalarRecord, Submission
from messaging.models import AgentSequence, Delivery, Message
from messaging.protocols.base import Parcel
from messaging.protocols.edt.names import Turn
from messaging.protocols.edt.replies import read_reply
from messaging.relay import from_trading_point, sequences, submitting
from messaging.relay.codecs import read_messages
from messaging.relay.deliver import deliver
from messaging.relay.sequences import BadNumber
from messaging.relay.submitting import take_submission
from messaging.relay.trading_points import get_trading_point
from messaging.states import DeliveryState, Lane
from tenants import endpoints
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import BmUnit, Endpoint, Tenant
from tenants.scope import tenant_scope
from tests.people import Person
from tests.protocols.edt.rows import PROFILE
from tests.relay.filing.trading import (
    OTHER,
    UNIT,
    Trading,
    first_time,
    golden,
    notification,
    open_trading_point,
    scalar,
)
from tests.roles import as_role
from tests.servers import TestServers

ACK, REJ = "ALITA_000001.ack", "ALITA_000001.rej"


TYPED = Submission(
    "ALITA",
    1,
    (
        ScalarRecord(
            ScalarParameter.NDZ, UNIT, next_operational_day_start(now() + timedelta(days=9)), 5
        ),
    ),
)


def good(trading: Trading) -> list[str]:
    return ["* a comment", *notification(trading.agent, 0, 10, 20), "", scalar(trading.agent)]


def test_a_file_is_received_stored_and_on_its_way_to_the_operator(
    alice: Person, trading: Trading
) -> None:
    filed = trading.leave(trading.name(1), good(trading))
    assert trading.replies() == {ACK: golden("a_submission_that_is_received.ack")}
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference="ALITA_000001", endpoint_id=trading.endpoint_id)
        assert (row.kind, row.origin, row.bm_unit) == ("SUBMISSION", "TRADING_POINT", UNIT)
        path = trading.folder / f"taking-{trading.sent}"
        assert bodies.read(bytes(row.body_digest), row.received_at) == path.read_bytes()
        (delivery,) = Delivery.objects.filter(message=row)
        assert (delivery.lane, delivery.queue) == (Lane.OPERATOR, "ALITA submissions")
        assert delivery.deadline == first_time() - timedelta(hours=1)
        events = Entry.objects.filter(message_id=row.id).order_by("seq")
        assert [entry.event for entry in events] == ["received", "decoded", "stored"]
        assert filed.archive_as == f"ALITA_000001.{row.received_at:%Y%m%dT%H%M%SZ}.sub"
    assert {one.lane for one in filed.deliveries} == {Lane.OPERATOR, Lane.FILES}


# Each: what the file says instead of a good second line, and the reply's first fault.
FAULTS: dict[str, tuple[Callable[[], str], str]] = {
    "too few fields": (lambda: "PN,ALITA,ALICP1-1", "REJ,2,E001,,3 fields, where PN has 7"),
    "no record type": (lambda: "XYZ,ALITA", "REJ,2,E005,type,XYZ: not a record type"),
    "an agent that is not the file's": (
        lambda: scalar("BOBTA"),
        "REJ,2,E002,agent,BOBTA: the file's name says ALITA",
    ),
    "an unknown unit": (
        lambda: scalar("ALITA", unit="NOSUCH-1"),
        "REJ,2,E002,BMU,NOSUCH-1: unknown or not yours",
    ),
    "another tenant's unit": (
        lambda: scalar("ALITA", unit="BOBCP1-1"),
        "REJ,2,E002,BMU,BOBCP1-1: unknown or not yours",
    ),
    "a value out of range": (
        lambda: scalar("ALITA", 1000),
        "REJ,2,E003,value,1000: ",
    ),
    "a time that is no operational day's start": (
        lambda: f"NDZ,ALITA,{UNIT},{first_time() + timedelta(minutes=7):%Y-%m-%d %H:%M},5",
        "REJ,2,E004,effective time,",
    ),
    "an overlap": (
        lambda: "\n".join(notification("ALITA", 1, 2) * 2),
        "REJ,3,E007,time from,",
    ),
    "a NUL": (lambda: scalar("ALITA") + "\0", "REJ,2,E001,,holds a NUL"),
    "a letter that is not ASCII": (
        lambda: scalar("ALITA") + "\u00e9",
        "REJ,2,E001,,holds a character that is not ASCII",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_is_wrong_is_told_with_line_field_and_code_and_nothing_is_relayed(
    alice: Person, trading: Trading, what: str
) -> None:
    make, told = FAULTS[what]
    trading.leave(trading.name(1), [scalar("ALITA", unit=OTHER), make()])
    replies = trading.replies()
    assert list(replies) == [ACK, REJ]
    first, fault, *_, end = replies[REJ].splitlines()
    assert first == "* reply to ALITA_000001.sub"
    assert fault.startswith(told)
    assert end == replies[ACK].splitlines()[-1]
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference="ALITA_000001", endpoint_id=trading.endpoint_id)
        assert row.refusal_code == fault.split(",")[2]
        assert not Delivery.objects.filter(message=row).exists()
        events = Entry.objects.filter(message_id=row.id).order_by("seq")
        assert [entry.event for entry in events] == ["received", "refused"]
    trading.leave(trading.name(2), good(trading))
    assert "ALITA_000002.ack" in trading.replies(), "what is refused has used its number"


def test_another_tenants_unit_is_answered_exactly_as_one_that_does_not_exist(
    trading: Trading,
) -> None:
    for sequence, unit in enumerate(("NOSUC1-1", "BOBCP1-1"), start=1):
        trading.leave(trading.name(sequence), [scalar("ALITA", unit=unit)])
    replies = trading.replies()
    told = [replies[f"ALITA_00000{n}.rej"].splitlines()[1] for n in (1, 2)]
    assert told[0].replace("NOSUC1-1", "BOBCP1-1") == told[1]
    trading.leave(trading.name(3), [scalar("ALITA"), scalar("ALITA", unit="BOBCP1-1")])
    wanted = golden("another_tenants_unit.rej").replace("000001", "000003")
    assert trading.replies()["ALITA_000003.rej"] == wanted


@pytest.mark.parametrize("agent", ["BOBTA", "NOSUCH", "-", "-A-"])
def test_a_file_of_an_agent_that_is_not_the_tenants_is_refused_whole(
    trading: Trading, agent: str
) -> None:
    trading.leave(f"{agent}_000001.sub", [scalar(agent)])
    replies = trading.replies()
    assert sorted(replies) == [f"{agent}_000001.ack", f"{agent}_000001.rej"]
    told = golden("a_file_of_another_agent.rej").replace("BOBTA", agent)
    assert replies[f"{agent}_000001.rej"] == told


def test_crlf_makes_no_difference_and_a_byte_order_mark_is_refused(trading: Trading) -> None:
    lines = "".join(f"{line}\r\n" for line in good(trading)).encode()
    trading.leave(trading.name(1), lines)
    trading.leave(trading.name(2), b"\xef\xbb\xbf" + lines)
    replies = trading.replies()
    assert replies[ACK].endswith("END,3,0\n")
    assert "REJ,1,E001,,begins with a byte order mark" in replies["ALITA_000002.rej"]


@pytest.mark.parametrize("content", [b"", b"\n\n* nothing\n"])
def test_a_file_without_records_is_refused(trading: Trading, content: bytes) -> None:
    trading.leave(trading.name(1), content)
    assert trading.replies()[REJ] == golden("a_file_without_records.rej")


def test_a_file_of_a_gigabyte_is_refused_by_its_size_and_is_not_kept_whole(
    alice: Person, trading: Trading
) -> None:
    arrived = trading.arrived(trading.name(1), b"x")
    os.truncate(arrived.path, 1 << 30)
    from_trading_point.take(arrived)
    assert trading.replies()[REJ] == golden("a_file_of_a_gigabyte.rej")
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference="ALITA_000001", endpoint_id=trading.endpoint_id)
        assert len(bodies.read(bytes(row.body_digest), row.received_at)) == 65_536


def test_of_two_large_files_under_one_number_the_second_is_another(trading: Trading) -> None:
    for size in ((1 << 30), (1 << 30), (1 << 30) + 1):
        arrived = trading.arrived(trading.name(1), b"x")
        os.truncate(arrived.path, size)
        from_trading_point.take(arrived)
    replies = trading.replies()
    (reused,) = (text for name, text in replies.items() if name not in (ACK, REJ))
    assert "REJ,0,E010,," in reused


def test_more_than_two_hundred_thousand_records_are_refused(trading: Trading) -> None:
    trading.leave(trading.name(1), [scalar("ALITA")] * 200_001)
    assert "REJ,0,E006,,more than 200000 records" in trading.replies()[REJ]


def test_a_gap_is_refused_under_a_name_of_its_own_and_uses_no_number(trading: Trading) -> None:
    filed = trading.leave(trading.name(3), good(trading))
    ((name, text),) = trading.replies().items()
    assert text == golden("a_number_out_of_sequence.rej")
    stamp = filed.archive_as.split(".")[1]
    assert name == f"ALITA_000003.{stamp}.rej"
    assert filed.archive_as == f"ALITA_000003.{stamp}.sub"
    trading.leave(trading.name(1), good(trading))
    assert ACK in trading.replies()


def test_the_same_bytes_again_get_the_same_replies_again_and_are_not_relayed_twice(
    alice: Person, trading: Trading
) -> None:
    content = [scalar("ALITA"), "XYZ"]
    trading.leave(trading.name(1), content)
    first = trading.replies()
    trading.clear()
    assert trading.replies() == {}
    trading.leave(trading.name(1), content)
    assert trading.replies() == first
    assert sorted(first) == [ACK, REJ]
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference="ALITA_000001", endpoint_id=trading.endpoint_id)
        assert Entry.objects.filter(message_id=row.id, event="repeated").count() == 1


def test_other_bytes_under_a_number_that_was_taken_are_refused_under_another_name(
    trading: Trading,
) -> None:
    trading.leave(trading.name(1), good(trading))
    trading.leave(trading.name(1), [scalar("ALITA")])
    replies = trading.replies()
    assert replies[ACK].endswith("END,3,0\n")
    (other,) = replies.keys() - {ACK}
    assert replies[other] == golden("a_number_used_before_with_other_bytes.rej")


def test_a_number_below_the_first_that_was_taken_is_out_of_turn(
    alice: Person, tmp_path: Path, trading: Trading
) -> None:
    later = open_trading_point(alice, tmp_path, "begins at 42", first_sequence=42)
    later.leave(later.name(42), good(later))
    later.leave(later.name(41), good(later))
    replies = later.replies()
    (refused,) = replies.keys() - {"ALITA_000042.ack"}
    assert "REJ,0,E011,,expected 000043" in replies[refused]


def test_after_the_last_number_comes_the_first(
    alice: Person, tmp_path: Path, trading: Trading
) -> None:
    late = open_trading_point(alice, tmp_path, "near the end", first_sequence=999_999)
    late.leave(late.name(999_999), good(late))
    late.leave(late.name(1), good(late))
    assert sorted(late.replies()) == [ACK, "ALITA_999999.ack"]


@pytest.mark.parametrize("name", ["ALITA_1.sub", "alita_000001.sub", "ALITA_000001.SUB", "../x"])
def test_an_ill_named_file_is_set_aside_and_told_of(
    alice: Person, trading: Trading, name: str
) -> None:
    filed = trading.leave(name, good(trading))
    assert filed.archive_as.startswith("bad/")
    assert filed.archive_as.count("/") == 1
    assert ".." not in filed.archive_as.split(".20")[0]
    assert trading.replies() == {}
    assert filed.alarm.startswith("a file is named")
    with tenant_scope(alice.tenant_id):
        entry = Entry.objects.order_by("-seq")[0]
        assert entry.event == "refused"
        assert b"a file is named" in bytes(entry.record)


def test_an_arrival_that_is_taken_again_after_a_crash_changes_nothing(
    alice: Person, trading: Trading
) -> None:
    for sequence, content in ((1, good(trading)), (2, ["XYZ"]), (9, good(trading))):
        lines = "".join(f"{line}\n" for line in content).encode()
        arrived = trading.arrived(trading.name(sequence), lines)
        filed = from_trading_point.take(arrived)
        again = from_trading_point.take(arrived)
        assert again.archive_as == filed.archive_as
        assert again.deliveries == ()
    with tenant_scope(alice.tenant_id):
        rows = Message.objects.filter(endpoint_id=trading.endpoint_id)
        assert rows.filter(origin="TRADING_POINT").count() == 3
        assert rows.filter(origin="HOST").count() == 4


def test_of_many_that_take_one_file_at_once_one_does(alice: Person, trading: Trading) -> None:
    lines = "".join(f"{line}\n" for line in good(trading)).encode()
    arrived, start = trading.arrived(trading.name(1), lines), threading.Barrier(6)
    made = []

    def work() -> None:
        start.wait()
        made.append(from_trading_point.take(arrived).deliveries)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, made)) == [0, 0, 0, 0, 0, 2]
    with tenant_scope(alice.tenant_id):
        assert AgentSequence.objects.get(endpoint_id=trading.endpoint_id).expected == 2


def test_what_cannot_be_read_is_not_taken(trading: Trading) -> None:
    arrived = trading.arrived(trading.name(1), b"")
    link = trading.folder / "link"
    link.symlink_to(arrived.path)
    for path in (link, trading.folder / "missing", trading.folder):
        with pytest.raises(OSError, match=r"link|missing|directory|regular"):
            from_trading_point.take(replace(arrived, path=path))
    assert trading.replies() == {}


def test_a_suspended_tenant_is_told_so_and_what_it_says_is_not_looked_at(
    mallory: Person, trading: Trading, tmp_path: Path, servers: TestServers, database: str
) -> None:
    def set_state(state: Tenant.State) -> None:
        with as_role("staff", servers, database), tenant_scope(mallory.tenant_id):
            Tenant.objects.update(state=state)

    point = open_trading_point(mallory, tmp_path, "suspended")
    set_state(Tenant.State.SUSPENDED)
    point.leave(point.name(1), ["XYZ"])
    set_state(Tenant.State.ACTIVE)
    replies = point.replies()
    assert sorted(replies) == ["MALTA_000001.ack", "MALTA_000001.rej"]
    assert replies["MALTA_000001.rej"] == golden("a_file_of_a_suspended_tenant.rej")


def test_warnings_stand_in_no_reply_and_are_an_alarm(
    alice: Person, trading: Trading, servers: TestServers, database: str
) -> None:
    with as_role("staff", servers, database), tenant_scope(alice.tenant_id):
        BmUnit.objects.filter(name=OTHER).update(generation_capacity_mw=5)
    trading.leave(trading.name(1), notification("ALITA", 4, 6, 7, 8, 9, unit=OTHER))
    assert sorted(trading.replies()) == [ACK]
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference="ALITA_000001", endpoint_id=trading.endpoint_id)
        (alarm,) = Entry.objects.filter(message_id=row.id, event="alarmed")
        assert b"4 warnings in what was relayed: line 1 level_to 6" in bytes(alarm.record)
        assert Delivery.objects.filter(message=row, state=DeliveryState.PENDING).count() == 1


def test_files_that_are_there_together_are_taken_in_the_order_of_their_numbers(
    alice: Person, trading: Trading
) -> None:
    trading.leave(trading.name(1), good(trading))
    names = ["x.sub", trading.name(4), trading.name(2), trading.name(1), trading.name(3)]
    turns = from_trading_point.in_turns(alice.tenant_id, trading.endpoint_id, names)
    ordered = [name for turn in turns for name in turn]
    assert ordered == [*map(trading.name, (1, 2, 3, 4)), "x.sub"]


def test_replies_lie_in_no_other_tenants_directory(
    alice: Person, bob: Person, trading: Trading, tmp_path: Path
) -> None:
    his = open_trading_point(bob, tmp_path, "bob's")
    trading.leave(trading.name(1), good(trading))
    trading.carry()
    assert his.replies() == {}
    his.leave(his.name(1), [scalar("BOBTA", unit="BOBCP1-1")])
    assert sorted(his.replies()) == ["BOBTA_000001.ack"]


def test_a_moment_far_from_any_calendar_does_no_harm(trading: Trading) -> None:
    lines = [f"MEL,ALITA,{UNIT},0001-01-01 00:00,1,9999-12-31 23:30,1"]
    trading.leave(trading.name(1), lines)
    assert sorted(trading.replies()) == [ACK]


def set_next(trading: Trading, number: int, agent: str = "ALITA") -> int:
    with tenant_scope(trading.person.tenant_id):
        point = get_trading_point(trading.endpoint_id)
        return sequences.set_next(point, agent, number, reason="a test", by="the test")


def test_a_person_sets_the_next_number_forwards_and_then_what_was_left_out_is_a_gap(
    trading: Trading,
) -> None:
    trading.leave(trading.name(1), good(trading))
    assert set_next(trading, 500) == 2
    trading.leave(trading.name(2), good(trading))
    trading.leave(trading.name(500), good(trading))
    replies = trading.replies()
    assert {ACK, "ALITA_000500.ack"} <= replies.keys()
    (refused,) = replies.keys() - {ACK, "ALITA_000500.ack"}
    assert "REJ,0,E011,,expected 000500" in replies[refused]


def test_a_number_that_was_taken_is_a_new_one_where_a_person_says_so(
    alice: Person, trading: Trading
) -> None:
    trading.leave(trading.name(1), [scalar("ALITA")])
    trading.clear()
    assert set_next(trading, 1) == 2
    trading.leave(trading.name(1), good(trading))
    assert trading.replies() == {ACK: "* reply to ALITA_000001.sub\nEND,3,0\n"}
    with tenant_scope(alice.tenant_id):
        rows = Message.objects.filter(reference="ALITA_000001", endpoint_id=trading.endpoint_id)
        assert rows.count() == 2
        assert Delivery.objects.filter(message__in=rows).count() == 2


@pytest.mark.parametrize("agent", ["BOBTA", "", "nobody"])
def test_the_number_of_another_tenants_agent_cannot_be_set(trading: Trading, agent: str) -> None:
    with pytest.raises(BadNumber):
        set_next(trading, 5, agent)


def test_without_an_endpoint_to_the_operator_a_submission_leaves_a_trace_and_an_alarm(
    alice: Person, trading: Trading
) -> None:
    with tenant_scope(alice.tenant_id):
        point = replace(get_trading_point(trading.endpoint_id), operator=None)
        offer = submitting.offer_of(point, TYPED, now(), Message.Origin.TRADING_POINT)
        taken = take_submission(point, offer)
        assert (taken.turn, taken.refusals, taken.deliveries) == (Turn.NEW, (), ())
    with tenant_scope(alice.tenant_id):
        (alarm,) = Entry.objects.filter(message_id=taken.message_id, event="alarmed")
        assert b"no endpoint leads to the system operator" in bytes(alarm.record)


# The same taking for a submission that did not come as a file.


def test_a_typed_submission_takes_the_next_number_of_the_same_row(
    alice: Person, trading: Trading
) -> None:
    trading.leave(trading.name(1), good(trading))
    with tenant_scope(alice.tenant_id):
        point = get_trading_point(trading.endpoint_id)
        offer = submitting.offer_of(
            point, TYPED, now(), Message.Origin.HOST, by="somebody", numbered=False
        )
        taken = take_submission(point, offer)
        assert (taken.turn, taken.name.sequence) == (Turn.NEW, 2)
        row = Message.objects.get(id=taken.message_id)
        (told,) = read_messages(row)
        assert told == replace(TYPED, sequence=2)
        assert taken.deliveries[0].queue == "ALITA submissions"
    trading.leave(trading.name(3), good(trading))
    assert sorted(trading.replies()) == [ACK, "ALITA_000003.ack"]


@pytest.mark.parametrize(
    ("sequence", "turn", "code"),
    [(1, Turn.REPEAT, None), (2, Turn.NEW, "E002"), (7, Turn.GAP, "E011")],
)
def test_a_typed_submission_is_held_against_the_same_numbers_and_rules(
    alice: Person, trading: Trading, sequence: int, turn: Turn, code: str | None
) -> None:
    with tenant_scope(alice.tenant_id):
        point = get_trading_point(trading.endpoint_id)
        origin = Message.Origin.TRADING_POINT
        take_submission(point, submitting.offer_of(point, TYPED, now(), origin))
        records = (
            TYPED.records
            if turn is Turn.REPEAT
            else (replace(TYPED.records[0], bm_unit="BOBCP1-1"),)
        )
        again = replace(TYPED, sequence=sequence, records=records)
        taken = take_submission(point, submitting.offer_of(point, again, now(), origin))
        assert taken.turn is turn
        assert [one.file_code for one in taken.refusals] == ([code] if code else [])
        if turn is Turn.NEW:
            assert taken.refusals[0].path == ("records", 0, "bm_unit")


def mangled(content: bytes, seed: int) -> bytes:
    """The same with a few bytes changed, left out, doubled or put in."""
    chance, out = random.Random(seed), bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(out))
        piece = chance.choice([b"\0", b"\r", b"\n", b",", b"\xff", b"-", b"9" * 30, out[:40], b""])
        out[at : at + chance.choice([0, 0, 1, 7])] = piece
    return bytes(out)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_file_holds_it_is_answered_whole_and_relayed_whole_or_not_at_all(
    alice: Person, trading: Trading, seed: int
) -> None:
    lines = "".join(f"{line}\n" for line in good(trading) * 3).encode()
    trading.leave(trading.name(1), mangled(lines, seed))
    replies = trading.replies()
    told = {
        name: read_reply(PROFILE, Parcel(text.encode(), name)) for name, text in replies.items()
    }
    assert told.keys() in ({ACK}, {ACK, REJ})
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference="ALITA_000001", endpoint_id=trading.endpoint_id)
        assert Delivery.objects.filter(message=row).exists() is (REJ not in told)
        assert bool(row.refusal_code) is (REJ in told)


def test_replies_wait_while_their_endpoint_is_held_and_go_once_it_is_released(
    alice: Person, trading: Trading
) -> None:
    def set_state(state: str) -> None:
        with tenant_scope(alice.tenant_id):
            row = Endpoint.objects.get(id=trading.endpoint_id)
            endpoints.change(row, state=state)

    set_state("HELD")
    trading.leave(trading.name(1), ["XYZ"])
    assert trading.replies() == {}
    set_state("ACTIVE")
    with tenant_scope(alice.tenant_id):
        rows = Delivery.objects.filter(endpoint_id=trading.endpoint_id).order_by("position")
        assert [row.state for row in rows] == ["HELD", "HELD"]
        rows.update(wait_until=None)
        waiting = list(rows)
    for row in waiting:
        deliver(alice.tenant_id, row.id, large=True)
    assert sorted(trading.replies()) == [ACK, REJ]
