"""Who may deliver what, and when: in order within a BM unit, by one worker at a time, with bytes
that are committed first.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from datetime import timedelta
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection, models, transaction

from messaging.events.models import WebhookDue
from messaging.models import ConnectionDue, Delivery, Due, FetchDue, LinkWatch, Message
from messaging.protocols.base import Parcel
from messaging.relay import dead_letters, deadlines, deliver, due, verdicts
from messaging.relay.bulkheads import Berth, Bulkheads, Share
from messaging.relay.carry_file import ClaimedFile
from messaging.relay.claim import Claimed, NotClaimed
from messaging.relay.codecs import legacy_codec, operator_codec
from messaging.relay.deliver import take_in_hand
from messaging.relay.due import Room
from messaging.relay.load import load_locked
from messaging.smp_models import SmpDue
from messaging.states import DeliveryState, Lane
from tenants import ownership
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.certificates import thumbprint
from tenants.changes import WATCH
from tenants.clock import now
from tenants.keys import store
from tenants.models import Certificate
from tenants.ownership import orphaned
from tenants.scope import in_tenant, tenant_scope
from tests.keys.papers import ROOT, issue
from tests.owners import living
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.test_from_control_point import mel
from tests.servers import TestServers

CLAIMED = (Due, SmpDue, WebhookDue, ConnectionDue, FetchDue)
ONE, OTHER = "ALICP1-1", "ALICP1-2"


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    """Each test starts with an empty queue."""
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


def say(link: OpenLink, unit: str = ONE) -> UUID:
    (made,) = link.say(mel(unit)).deliveries
    return made.id


def claim(person: Person, delivery_id: UUID, owner: int = 1) -> Claimed | ClaimedFile | NotClaimed:
    return in_tenant(person.tenant_id, lambda: take_in_hand(delivery_id, owner))


def accept(person: Person, delivery_id: UUID) -> verdicts.Made:
    def work() -> verdicts.Made:
        row = load_locked(delivery_id)
        assert row is not None
        return verdicts.accept(row, now())

    return in_tenant(person.tenant_id, work)


def test_what_is_about_to_leave_is_committed_with_its_entries(
    alice: Person, link: OpenLink
) -> None:
    claimed = claim(alice, say(link))
    assert isinstance(claimed, Claimed)
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(id=claimed.delivery_id)
        assert row.state == DeliveryState.CLAIMED
        assert row.sealed_digest is not None
        assert row.sealed_at is not None
        assert bodies.read(bytes(row.sealed_digest), row.sealed_at) == claimed.sealed.record
        events = Entry.objects.filter(delivery_id=row.id).order_by("seq")
        assert [entry.event for entry in events] == ["signed", "sending"]


def test_the_payload_says_what_the_control_point_said(alice: Person, link: OpenLink) -> None:
    claimed = claim(alice, say(link))
    assert isinstance(claimed, Claimed)
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(id=claimed.delivery_id)
        assert row.payload_digest is not None
        assert row.payload_at is not None
        payload = bodies.read(bytes(row.payload_digest), row.payload_at)
    sent = operator_codec({}).decode(Parcel(payload, "Redeclaration"))
    said = legacy_codec({}).decode(Parcel(link.sent[-1].content))
    assert sent.messages == said.messages
    assert sent.stamp.reference == str(claimed.delivery_id)
    assert json.loads(payload)["messageId"] == claimed.reference


def test_a_second_claim_gets_nothing(alice: Person, link: OpenLink) -> None:
    delivery_id = say(link)
    assert isinstance(claim(alice, delivery_id, 1), Claimed)
    assert isinstance(claim(alice, delivery_id, 2), NotClaimed)


def test_of_many_that_claim_at_once_one_gets_it(alice: Person, link: OpenLink) -> None:
    delivery_id, start = say(link), threading.Barrier(6)
    won: list[int] = []

    def work(owner: int) -> None:
        start.wait()
        if isinstance(claim(alice, delivery_id, owner), Claimed):
            won.append(owner)
        connection.close()

    threads = [threading.Thread(target=work, args=(owner,)) for owner in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_within_a_unit_the_second_waits_for_the_first_and_is_woken_by_it(
    alice: Person, link: OpenLink
) -> None:
    first, second = say(link), say(link)
    assert isinstance(claim(alice, second), NotClaimed)
    assert isinstance(claim(alice, first), Claimed)
    assert isinstance(claim(alice, second), NotClaimed)
    woken = accept(alice, first)
    assert second in {made.id for made in woken}
    assert isinstance(claim(alice, second), Claimed)


def test_different_units_do_not_wait_for_each_other(alice: Person, link: OpenLink) -> None:
    first, other = say(link, ONE), say(link, OTHER)
    assert isinstance(claim(alice, other), Claimed)
    assert isinstance(claim(alice, first), Claimed)


def test_a_resend_while_the_signature_is_fresh_is_byte_for_byte_the_same(
    alice: Person, link: OpenLink
) -> None:
    delivery_id = say(link)
    first = claim(alice, delivery_id)
    assert isinstance(first, Claimed)
    release(alice, delivery_id)
    again = claim(alice, delivery_id, 2)
    assert isinstance(again, Claimed)
    assert again.sealed.body == first.sealed.body


def test_once_the_signature_has_aged_the_same_payload_is_sealed_anew_and_said_so(
    alice: Person, link: OpenLink
) -> None:
    delivery_id = say(link)
    first = claim(alice, delivery_id)
    assert isinstance(first, Claimed)
    with tenant_scope(alice.tenant_id):
        aged = now() - timedelta(seconds=241)
        Delivery.objects.filter(id=delivery_id).update(sealed_at=aged)
        payload = bytes(Delivery.objects.get(id=delivery_id).payload_digest or b"")
    release(alice, delivery_id)
    again = claim(alice, delivery_id, 2)
    assert isinstance(again, Claimed)
    assert again.sealed.body != first.sealed.body
    with tenant_scope(alice.tenant_id):
        assert bytes(Delivery.objects.get(id=delivery_id).payload_digest or b"") == payload
        signed = Entry.objects.filter(delivery_id=delivery_id, event="signed").order_by("seq")
        assert [json.loads(bytes(e.record))["detail"]["again"] for e in signed] == [False, True]


def test_what_a_revoked_key_signed_is_sealed_anew_under_the_next(
    alice: Person, link: OpenLink
) -> None:
    """While it is fresh as well: the operator would refuse it by then."""
    delivery_id = say(link)
    first = claim(alice, delivery_id)
    assert isinstance(first, Claimed)
    following, purpose = issue(ROOT), Certificate.Purpose.SIGNING
    with tenant_scope(alice.tenant_id):
        before = Certificate.objects.get(purpose=purpose, state="ACTIVE")
        store.install(purpose, following.pem, following.key, environment="simulator")
    release(alice, delivery_id)
    rotated = claim(alice, delivery_id, 2)
    assert isinstance(rotated, Claimed)
    assert rotated.sealed.body == first.sealed.body, "a rotation alone changes nothing"
    with tenant_scope(alice.tenant_id):
        store.revoke(before, "stolen", "a test")
    # What is remembered may be a second old; a watch that has just begun remembers nothing.
    WATCH.stop()
    release(alice, delivery_id)
    again = claim(alice, delivery_id, 3)
    assert isinstance(again, Claimed)
    assert again.sealed.body != first.sealed.body
    protected = json.loads(again.sealed.body)["protected"]
    header = json.loads(base64.urlsafe_b64decode(protected + "=="))
    assert header["kid"] == thumbprint(following.fingerprint)


def release(person: Person, delivery_id: UUID) -> None:
    def work() -> verdicts.Made:
        row = load_locked(delivery_id)
        assert row is not None
        return verdicts.retry(row, now(), timedelta(0))

    in_tenant(person.tenant_id, work)


def test_a_head_that_does_not_get_through_is_alarmed_once_and_can_be_stopped_with_a_reason(
    alice: Person, link: OpenLink
) -> None:
    head, behind = say(link), say(link)
    for seconds in (0, 119, 121, 300):
        with tenant_scope(alice.tenant_id):
            received = now() - timedelta(seconds=seconds)
            Delivery.objects.filter(id=head).update(created_at=received)
        claim(alice, head)
        release(alice, head)
        assert len(alarms_of(alice, head)) == (seconds > deadlines.STUCK_AFTER.total_seconds())
    assert alarms_of(alice, head) == [
        "stuck: not through after 3 tries in 121 s; those behind it wait"
    ]
    assert isinstance(claim(alice, behind), NotClaimed)
    by = {"by": "a person"}
    in_tenant(alice.tenant_id, lambda: dead_letters.abandon(head, "wrong day", now(), by))
    assert isinstance(claim(alice, behind), Claimed)
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.get(id=head).stuck_at is not None
        dead_letters.replay(head, now(), by)
        assert Delivery.objects.get(id=head).stuck_at is None, "it may get stuck again"


def alarms_of(person: Person, delivery_id: UUID) -> list[str]:
    with tenant_scope(person.tenant_id):
        rows = Entry.objects.filter(delivery_id=delivery_id, event="alarmed").order_by("seq")
        return [json.loads(bytes(row.record))["detail"]["alarm"] for row in rows]


@pytest.mark.parametrize(
    ("kind", "seconds"), [("ACCEPT", 30), ("MEL", 120), ("SUBMISSION", 120), ("ACK_FILE", 120)]
)
def test_an_answer_that_does_not_get_through_is_alarmed_while_there_is_time(
    kind: str, seconds: int
) -> None:
    assert deadlines.stuck_after(kind) == timedelta(seconds=seconds)


def test_one_that_was_overtaken_and_knows_nothing_takes_nothing_out_of_anothers_hands(
    alice: Person, link: OpenLink
) -> None:
    delivery_id = say(link)
    overtaken = claim(alice, delivery_id)
    assert isinstance(overtaken, Claimed)
    in_tenant(alice.tenant_id, lambda: due.put_off(delivery_id, now()))
    assert isinstance(claim(alice, delivery_id, 2), Claimed)
    report = deliver.Report(None, now(), None, None, "no answer")
    in_tenant(alice.tenant_id, lambda: deliver._settle(overtaken, report))
    assert Due.objects.get(delivery_id=delivery_id).owner == 2
    assert isinstance(claim(alice, delivery_id, 3), NotClaimed)


def test_after_its_deadline_it_expires_and_the_control_point_is_told(
    alice: Person, link: OpenLink
) -> None:
    delivery_id = say(link)
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=delivery_id).update(deadline=now() - timedelta(seconds=1))
    gone = claim(alice, delivery_id)
    assert isinstance(gone, NotClaimed)
    with tenant_scope(alice.tenant_id):
        row = Delivery.objects.get(id=delivery_id)
        assert (row.state, row.outcome_code) == (DeliveryState.EXPIRED, "R031")
        told = Message.objects.filter(answers=row.message, kind="RESULT").get()
        content = bodies.read(bytes(told.body_digest), told.received_at)
        assert b"REFUSER031" in content
        assert "alarmed" in set(
            Entry.objects.filter(delivery_id=row.id).values_list("event", flat=True)
        )


def test_a_settled_delivery_cannot_be_claimed_again(alice: Person, link: OpenLink) -> None:
    delivery_id = say(link)
    assert isinstance(claim(alice, delivery_id), Claimed)
    accept(alice, delivery_id)
    assert isinstance(claim(alice, delivery_id, 2), NotClaimed)
    assert not Due.objects.filter(delivery_id=delivery_id).exists()


def test_another_tenant_can_neither_claim_it_nor_make_it_forgotten(
    alice: Person, bob: Person, link: OpenLink
) -> None:
    delivery_id = say(link)
    assert isinstance(claim(bob, delivery_id), NotClaimed)
    assert Due.objects.filter(delivery_id=delivery_id).exists()
    assert isinstance(claim(alice, delivery_id), Claimed)


def test_the_sweep_hands_out_what_is_due_and_nothing_twice_within_two_seconds(
    alice: Person, link: OpenLink
) -> None:
    delivery_id = say(link)
    Due.objects.filter(delivery_id=delivery_id).update(due_at=now())
    assert [found.delivery_id for found in due.pick(Room(100), Room(100))] == [delivery_id]
    assert due.pick(Room(100), Room(100)) == []


def test_a_living_process_keeps_what_it_claimed(alice: Person, link: OpenLink) -> None:
    delivery_id = say(link)
    claim(alice, delivery_id, ownership.owner())
    assert due.pick(Room(100), Room(100)) == []


def test_what_a_dead_process_had_claimed_is_due_at_the_next_sweep(
    alice: Person, link: OpenLink, servers: TestServers, database: str
) -> None:
    delivery_id = say(link)
    with living(servers, database) as owner:
        claim(alice, delivery_id, owner)
        assert due.pick(Room(100), Room(100)) == []
    assert [found.delivery_id for found in due.pick(Room(100), Room(100))] == [delivery_id]
    assert isinstance(claim(alice, delivery_id, 2), Claimed)


def test_what_a_dead_process_had_parked_is_due_at_the_next_sweep(
    alice: Person, link: OpenLink, servers: TestServers, database: str
) -> None:
    """Whoever lives keeps what it parked until there is room, and anybody may claim it."""
    first, second = say(link), say(link, OTHER)
    long = now() + timedelta(hours=1)
    with living(servers, database) as owner, tenant_scope(alice.tenant_id):
        due.park(first, owner, long)
        due.park(second, owner, long)
        assert due.pick(Room(100), Room(100)) == []
        assert due.claim(second, 2, long)
    Due.objects.filter(delivery_id=second).update(owner=ownership.owner())
    assert [found.delivery_id for found in due.pick(Room(100), Room(100))] == [first]
    assert Due.objects.get(delivery_id=first).parked_by is None


def test_what_finds_no_room_is_parked_as_this_processs(alice: Person, link: OpenLink) -> None:
    bulkheads = Bulkheads(Share.of(4, 25))
    delivery_id, other = say(link), say(link, OTHER)
    berth = Berth(bulkheads)
    in_tenant(alice.tenant_id, lambda: take_in_hand(other, 1, berth=berth))
    late = Berth(bulkheads)
    found = in_tenant(alice.tenant_id, lambda: take_in_hand(delivery_id, 1, berth=late))
    assert isinstance(found, NotClaimed)
    row = Due.objects.get(delivery_id=delivery_id)
    assert (row.owner, row.parked_by) == (None, 1)
    assert isinstance(claim(alice, delivery_id), Claimed)
    assert Due.objects.get(delivery_id=delivery_id).parked_by is None


@pytest.mark.parametrize(
    ("model", "column", "index"),
    [
        *((model, "owner", r"\w*due_by_owner") for model in CLAIMED),
        (Due, "parked_by", "due_by_parker"),
    ],
)
def test_a_sweep_looks_at_what_is_claimed_and_no_further(
    database: str, model: type[models.Model], column: str, index: str
) -> None:
    """By an index of what is claimed at all; whose locks there are is asked where it is any."""
    table = model._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = NULL")
        cursor.execute("SET LOCAL enable_seqscan = off")
        update = f"UPDATE {table} SET due_at = now() WHERE {orphaned(column)}"
        cursor.execute(f"EXPLAIN (ANALYZE) {update}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        transaction.set_rollback(True)
    assert re.search(rf"Index Scan (on|using) {index}", plan)
    assert re.search(r"Function Scan on pg_lock_status.*never executed", plan)


def test_every_table_of_what_is_due_and_claimed_is_among_them() -> None:
    owned = {
        model
        for model in apps.get_app_config("messaging").get_models()
        if {"owner", "due_at"} <= {field.name for field in model._meta.fields}
    }
    assert owned == {*CLAIMED, LinkWatch}, "a link is a gateway's, which beats"


def test_a_held_head_holds_back_its_unit_and_tells_those_behind_it(
    alice: Person, link: OpenLink
) -> None:
    first, second = say(link), say(link)
    claim(alice, first)

    def hold() -> verdicts.Made:
        row = load_locked(first)
        assert row is not None
        return verdicts.hold(row, now(), now() + timedelta(seconds=30), "out")

    woken = in_tenant(alice.tenant_id, hold)
    assert second in {made.id for made in woken}
    told = claim(alice, second)
    assert isinstance(told, NotClaimed)
    assert [made.lane for made in told.deliveries][:1] == [Lane.LINK]
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.get(id=second).state == DeliveryState.HELD
