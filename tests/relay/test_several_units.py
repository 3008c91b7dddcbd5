"""A message that redeclares several BM units: one stored message, a delivery for each of them, a
result for each of them, and all or nothing where it is refused.
"""

from __future__ import annotations

import json
from functools import partial

import pytest

from messaging.domain.acknowledgements import Result, ResultVerdict
from messaging.domain.messages import BmMessage
from messaging.domain.redeclarations import (
    LevelRedeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.units import RefusalCode
from messaging.models import Delivery, Due, Message
from messaging.protocols.base import Envelope, Parcel, Stamp
from messaging.relay import from_control_point, verdicts
from messaging.relay.claim import Claimed
from messaging.relay.codecs import operator_codec, read_messages
from messaging.relay.deliver import take_in_hand
from messaging.relay.from_control_point import Answer, Arrival
from messaging.relay.load import load_locked
from messaging.states import DeliveryState, Lane
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tests.api.clients import client
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_control_point import mel
from tests.roles import as_role
from tests.servers import TestServers

POINT, ONE, OTHER = "ALICP1", "ALICP1-1", "ALICP1-2"


@pytest.fixture(scope="module", autouse=True)
def speaks_delimited(alice: Person, servers: TestServers, database: str) -> None:
    """Alice's first control point speaks the second profile from the start."""
    with as_role("staff", servers, database), tenant_scope(alice.tenant_id):
        Endpoint.objects.filter(name=POINT).update(settings={"profile": "delimited-1"})


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    """Each test starts with empty queues."""
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


@pytest.fixture
def link(alice: Person) -> OpenLink:
    return open_link(alice, POINT)


def arrival(link: OpenLink, *messages: BmMessage) -> Arrival:
    number = link.last + 1
    reference = link.hold.profile.number_text(number)
    parcel = link.hold.codec.encode(Envelope(Stamp(reference, now()), messages))
    return Arrival(number, reference, parcel.name, "", parcel.content, now())


def say(link: OpenLink, *messages: BmMessage) -> Answer:
    return link.deliver(arrival(link, *messages))


def ndz(unit: str, value: int = 5) -> ScalarRedeclaration:
    return ScalarRedeclaration(POINT, unit, ScalarParameter.NDZ, value)


def units_of(answer: Answer) -> list[str]:
    return [Delivery.objects.get(id=made.id).queue for made in answer.deliveries]


def test_it_is_stored_once_and_delivered_for_each_of_its_units(
    alice: Person, link: OpenLink
) -> None:
    answer = say(link, mel(ONE, 100), mel(OTHER, 50))
    assert answer.code is RefusalCode.OK
    sent = link.sent[-1]
    with tenant_scope(alice.tenant_id):
        row = Message.objects.select_related("endpoint").get(
            reference=sent.reference, kind="MEL", received_at=sent.at
        )
        assert row.bm_unit == ""
        assert units_of(answer) == [ONE, OTHER]
        assert {d.message_id for d in Delivery.objects.filter(message=row)} == {row.id}
        assert [unit.bm_unit for unit in read_messages(row) if isinstance(unit, LevelRedeclaration)]
        events = Entry.objects.filter(message_id=row.id).order_by("seq")
        assert [entry.event for entry in events] == ["received", "decoded", "stored"]
        decoded, stored = (json.loads(bytes(entry.record))["detail"] for entry in events[1:])
        assert decoded == {"bm_units": f"{ONE} {OTHER}", "kind": "MEL"}
        assert stored == {"deliveries": 2}


def test_each_delivery_carries_the_part_of_its_unit(alice: Person, link: OpenLink) -> None:
    parts = (mel(ONE, 100), mel(OTHER, 50))
    for part, made in zip(parts, say(link, *parts).deliveries, strict=True):
        claimed = in_tenant(alice.tenant_id, partial(take_in_hand, made.id, 1))
        assert isinstance(claimed, Claimed)
        with tenant_scope(alice.tenant_id):
            row = Delivery.objects.get(id=made.id)
            assert row.payload_digest is not None
            assert row.payload_at is not None
            payload = bodies.read(bytes(row.payload_digest), row.payload_at)
        assert operator_codec({}).decode(Parcel(payload)).messages == (part,)


def test_each_of_them_gets_a_result_of_its_own_in_reply_to_the_same_number(
    alice: Person, link: OpenLink
) -> None:
    first, second = say(link, ndz(ONE), ndz(OTHER)).deliveries

    def settle() -> verdicts.Made:
        taken, refused = load_locked(first.id), load_locked(second.id)
        assert taken is not None
        assert refused is not None
        return verdicts.accept(taken, now()) + verdicts.refuse(refused, now(), "R003 too high")

    made = [one for one in in_tenant(alice.tenant_id, settle) if one.lane is Lane.LINK]
    assert len(made) == 2
    with tenant_scope(alice.tenant_id):
        rows = [Message.objects.get(deliveries__id=one.id) for one in made]
        contents = [bodies.read(bytes(row.body_digest), row.received_at) for row in rows]
    read = [link.hold.codec.decode(Parcel(content)) for content in contents]
    assert [envelope.stamp.in_reply_to for envelope in read] == [link.sent[-1].reference] * 2
    assert [envelope.messages for envelope in read] == [
        (Result(POINT, ResultVerdict.OK, "OK", "", ONE),),
        (Result(POINT, ResultVerdict.REFUSE, "R030", "R003 too high", OTHER),),
    ]
    assert [row.bm_unit for row in rows] == [ONE, OTHER]


def test_only_its_own_unit_finds_the_dead_letter_of_a_part(alice: Person, link: OpenLink) -> None:
    _, refused = say(link, ndz(ONE), ndz(OTHER)).deliveries

    def settle() -> None:
        row = load_locked(refused.id)
        assert row is not None
        verdicts.refuse(row, now(), "R003 too high")

    in_tenant(alice.tenant_id, settle)
    asker = client({"Authorization": f"Bearer {alice.api_key}"})
    for unit, wanted in ((OTHER, 1), (ONE, 0)):
        told = asker.get("/api/v1/dead-letters", {"bm_unit": unit}).json()["results"]
        assert [row["id"] for row in told].count(str(refused.id)) == wanted


def test_results_go_out_on_the_link_in_the_profiles_words(alice: Person, link: OpenLink) -> None:
    (made,) = say(link, ndz(ONE)).deliveries

    def settle() -> verdicts.Made:
        row = load_locked(made.id)
        assert row is not None
        return verdicts.accept(row, now())

    in_tenant(alice.tenant_id, settle)
    given = link.give(20)
    finals = [one.content for one in given.outgoing if b"|FINAL|" in one.content]
    number = str(link.sent[-1].number).encode()
    assert any(f"|{ONE}|ACCEPTED|0||".encode() in one for one in finals)
    assert any(one.split(b"|")[3] == number for one in finals)


@pytest.mark.parametrize(
    ("parts", "code", "text"),
    [
        ((ndz(ONE), ndz("NOSUCH-1")), RefusalCode.UNKNOWN_UNIT, "NOSUCH-1 unknown BM unit"),
        ((ndz(ONE), ndz("BOBCP1-1")), RefusalCode.UNKNOWN_UNIT, "BOBCP1-1 unknown BM unit"),
        ((ndz("ALICP2-1"), ndz(ONE)), RefusalCode.UNKNOWN_UNIT, "ALICP2-1 unknown BM unit"),
        ((ndz(ONE), ndz(OTHER, 1000)), RefusalCode.OUT_OF_RANGE, f"{OTHER} value 1000: "),
    ],
)
def test_one_that_is_at_fault_refuses_them_all_and_is_named(
    alice: Person, link: OpenLink, parts: tuple[BmMessage, ...], code: RefusalCode, text: str
) -> None:
    answer = say(link, *parts)
    assert answer.code is code
    assert answer.text.startswith(text)
    sent = link.sent[-1]
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference=sent.reference, received_at=sent.at)
        assert row.refusal_code == code
        assert not Delivery.objects.filter(message=row).exists()


def test_the_same_bytes_again_are_not_delivered_again(alice: Person, link: OpenLink) -> None:
    first = say(link, ndz(ONE), ndz(OTHER))
    again = from_control_point.take_again(link.hold, link.sent[-1])
    assert (again.code, again.text, again.deliveries) == (first.code, first.text, ())


def test_a_single_unit_is_named_on_its_row_as_ever(alice: Person, link: OpenLink) -> None:
    say(link, ndz(ONE))
    sent = link.sent[-1]
    with tenant_scope(alice.tenant_id):
        assert Message.objects.get(reference=sent.reference, received_at=sent.at).bm_unit == ONE


def test_each_of_its_units_finds_it_in_the_api(alice: Person, link: OpenLink) -> None:
    """Also where it was refused for one of them, and never twice."""
    with tenant_scope(alice.tenant_id):
        before = set(Message.objects.values_list("id", flat=True))
    say(link, ndz(ONE), ndz(OTHER))
    say(link, ndz(ONE), ndz(OTHER), ndz("NOSUCH-1"))
    with tenant_scope(alice.tenant_id):
        rows = Message.objects.filter(kind="NDZ").exclude(id__in=before)
        wanted = [str(row.id) for row in rows.order_by("-received_at")]
    asker = client({"Authorization": f"Bearer {alice.api_key}"})
    for unit in (ONE, OTHER):
        told = asker.get("/api/v1/messages", {"bm_unit": unit, "kind": "NDZ"}).json()["results"]
        ids = [row["id"] for row in told]
        assert ids[:2] == wanted
        assert len(set(ids)) == len(ids)
    assert asker.get("/api/v1/messages", {"bm_unit": "NOSUCH-2"}).json()["results"] == []


def test_pages_of_a_units_messages_join_up_forwards_and_backwards(
    alice: Person, link: OpenLink
) -> None:
    """Those about it alone and those about it among others in one order."""
    for parts in ((ONE, OTHER), (ONE,), (OTHER,), (ONE, OTHER), (ONE,)):
        say(link, *(ndz(unit) for unit in parts))
    asker = client({"Authorization": f"Bearer {alice.api_key}"})
    asked = {"bm_unit": ONE, "kind": "NDZ"}
    whole = asker.get("/api/v1/messages", {**asked, "limit": "500"}).json()["results"]
    times = [row["received_at"] for row in whole]
    assert times == sorted(times, reverse=True)
    assert len({row["id"] for row in whole}) == len(whole) >= 4
    page = asker.get("/api/v1/messages", {**asked, "limit": "1"}).json()
    forwards = list(page["results"])
    while page["next"]:
        page = asker.get(page["next"]).json()
        forwards += page["results"]
    assert forwards == whole
    backwards = list(page["results"])
    while page["previous"]:
        page = asker.get(page["previous"]).json()
        backwards = page["results"] + backwards
    assert backwards == whole
    since = {"received_since": whole[1]["received_at"]}
    told = asker.get("/api/v1/messages", {**asked, **since}).json()["results"]
    assert told == whole[:2]
