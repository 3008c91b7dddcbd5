"""What a person does with deliveries: sees what died, tries it again, stops what waits, closes."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from django.db import connection

from messaging.models import Attempt, Delivery, Due, Instruction, Message
from messaging.relay import links, verdicts
from messaging.relay.claim import Claimed, NotClaimed
from messaging.relay.dead_letters import dead
from messaging.relay.deliver import deliver
from messaging.relay.load import load_locked
from messaging.relay.moves import lock_queue
from messaging.relay.units import carries_unit
from messaging.states import DEAD, MOVES, OPEN, DeliveryState, Lane
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tests.api.conftest import Ask
from tests.api.test_submission import POINT, UNIT, claim, mel, ndz, send, stored
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_control_point import mel as redeclared_mel
from tests.relay.test_from_operator import acceptance, numbers, post
from tests.roles import as_role
from tests.servers import TestServers

PLACE = "/api/v1/dead-letters"
_texts = itertools.count(1)
T = TypeVar("T")


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    """And nothing is dead that was not closed."""
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(endpoint=None).update(endpoint=Endpoint.objects.all()[0])
        Delivery.objects.update(state=DeliveryState.ABANDONED, closed_at=now())
    Due.objects.all().delete()


@pytest.fixture
def link(alice: Person) -> OpenLink:
    return open_link(alice, POINT)


def submit(person: Person, asking: Ask, body: Any = None) -> UUID:
    """The delivery of a message that was just submitted."""
    row = stored(person, send(asking(person), body or ndz(1)))
    with tenant_scope(person.tenant_id):
        return UUID(str(Delivery.objects.get(message=row).id))


def die(person: Person, delivery_id: UUID, how: DeliveryState = DeliveryState.REFUSED) -> None:
    def work() -> None:
        row = load_locked(delivery_id)
        assert row is not None
        if how is DeliveryState.REFUSED:
            verdicts.refuse(row, now(), f"R003 no {next(_texts)}")
        elif how is DeliveryState.EXPIRED:
            verdicts.expire(row, now())
        else:
            verdicts.abandon(row, now(), "a test", {"by": "a test"})

    in_tenant(person.tenant_id, work)


def of(person: Person, delivery_id: UUID) -> Delivery:
    with tenant_scope(person.tenant_id):
        found: Delivery = Delivery.objects.get(id=delivery_id)
    return found


def act(asker: Any, delivery_id: UUID, verb: str, body: Any = None) -> Any:
    return asker.post(f"/api/v1/deliveries/{delivery_id}/{verb}", body or {}, format="json")


def last_event(person: Person, delivery_id: UUID) -> dict[str, Any]:
    with tenant_scope(person.tenant_id):
        entry = Entry.objects.filter(delivery_id=delivery_id).order_by("-seq")[0]
    told: dict[str, Any] = json.loads(bytes(entry.record))
    return told


def listed(asker: Any, **query: Any) -> list[str]:
    answer = asker.get(PLACE, query)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


@pytest.mark.parametrize(
    "how", [DeliveryState.REFUSED, DeliveryState.EXPIRED, DeliveryState.ABANDONED]
)
def test_what_came_to_a_bad_end_is_listed_with_its_reason(
    alice: Person, asking: Ask, how: DeliveryState
) -> None:
    delivery_id = submit(alice, asking)
    assert listed(asking(alice)) == []
    die(alice, delivery_id, how)
    (row,) = asking(alice).get(PLACE).json()["results"]
    assert (row["id"], row["state"], row["kind"], row["bm_unit"]) == (
        *(str(delivery_id), how.value),
        *("NDZ", UNIT),
    )
    assert row["outcome_code"]
    assert row["outcome_text"]


def test_the_list_is_filtered(alice: Person, asking: Ask) -> None:
    refused, expired = submit(alice, asking), submit(alice, asking, mel(unit="ALICP1-2"))
    begun = now()
    die(alice, refused)
    die(alice, expired, DeliveryState.EXPIRED)
    asker = asking(alice)
    both, one, other = [str(expired), str(refused)], [str(refused)], [str(expired)]
    with tenant_scope(alice.tenant_id):
        operator = Endpoint.objects.get(protocol="neso-wa").id
    for query, wanted in (
        ({}, both),
        ({"state": "REFUSED"}, one),
        ({"code": "R031"}, other),
        ({"kind": "MEL"}, other),
        ({"bm_unit": UNIT}, one),
        ({"bm_unit": "ALICP1-2"}, other),
        ({"endpoint_id": operator}, both),
        ({"endpoint_id": refused}, []),
        ({"settled_since": begun.isoformat()}, both),
        ({"settled_until": begun.isoformat()}, []),
    ):
        assert listed(asker, **query) == wanted, query
    assert asker.get(PLACE, {"state": "PENDING"}).status_code == 400


def test_a_dead_letter_is_not_looked_for_among_all_messages_of_its_unit(alice: Person) -> None:
    """Whatever the planner takes a unit for: each message is found by its id."""
    with tenant_scope(alice.tenant_id), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = dead().filter(carries_unit(UNIT)).explain()
    assert "message_by_unit" not in plan
    assert plan.count("messaging_message_pkey") == 2
    assert re.search(r"bm_unit\)::text = '[\w-]+'::text\) AND \(received_at = ", plan)


def test_a_replay_is_the_same_message_id_and_payload_and_a_new_attempt(
    alice: Person, asking: Ask
) -> None:
    """Nothing listens where the operator should be: each try leaves an attempt."""
    delivery_id = submit(alice, asking)
    deliver(alice.tenant_id, delivery_id)
    before = of(alice, delivery_id)
    die(alice, delivery_id)
    answer = act(asking(alice), delivery_id, "replay")
    assert answer.status_code == 202, answer.content
    assert (answer.json()["state"], answer.json()["outcome_code"]) == ("PENDING", "")
    assert listed(asking(alice)) == []
    told = last_event(alice, delivery_id)
    assert (told["event"], told["detail"]["was"]) == ("replayed", "REFUSED")
    assert told["detail"]["by"] == "alice the owner"
    deliver(alice.tenant_id, delivery_id)
    after = of(alice, delivery_id)
    assert (after.reference, after.message_id) == (before.reference, before.message_id)
    assert bytes(after.payload_digest or b"") == bytes(before.payload_digest or b"x")
    assert after.deadline > before.deadline
    assert after.attempts == before.attempts + 1
    with tenant_scope(alice.tenant_id):
        assert Attempt.objects.filter(delivery_id=delivery_id).count() == 2
    shown = asking(alice).get(f"/api/v1/deliveries/{delivery_id}").json()
    assert (shown["attempt_count"], len(shown["attempts"])) == (2, 2)


def test_a_replay_goes_behind_what_waits(alice: Person, asking: Ask) -> None:
    first = submit(alice, asking)
    die(alice, first)
    second = submit(alice, asking)
    act(asking(alice), first, "replay")
    assert isinstance(claim(alice, first), NotClaimed)
    assert isinstance(claim(alice, second), Claimed)


def test_a_replay_that_is_accepted_is_a_delivery_like_another(
    alice: Person, asking: Ask, link: OpenLink
) -> None:
    """A control point that was told REFUSE is told OK when the operator takes it after all."""
    (made,) = link.say(redeclared_mel(UNIT)).deliveries
    die(alice, made.id)
    act(asking(alice), made.id, "replay")

    def accept() -> None:
        row = load_locked(made.id)
        assert row is not None
        verdicts.accept(row, now())

    in_tenant(alice.tenant_id, accept)
    assert of(alice, made.id).state == DeliveryState.ACKNOWLEDGED
    with tenant_scope(alice.tenant_id):
        kinds = Message.objects.filter(answers__deliveries=made.id).values_list("kind", flat=True)
        assert list(kinds) == ["RESULT", "RESULT"]


@pytest.mark.parametrize("verb", ["replay", "close"])
def test_what_has_not_died_can_be_neither_replayed_nor_closed(
    alice: Person, asking: Ask, verb: str
) -> None:
    answer = act(asking(alice), submit(alice, asking), verb, {"reason": "r"})
    assert (answer.status_code, answer.json()["code"]) == (409, "delivery-not-dead")


def test_closing_takes_it_off_the_list_for_good(alice: Person, asking: Ask) -> None:
    delivery_id = submit(alice, asking)
    die(alice, delivery_id)
    answer = act(asking(alice), delivery_id, "close", {"reason": "sent by telephone"})
    assert answer.status_code == 200, answer.content
    assert (answer.json()["closed_reason"], answer.json()["state"]) == (
        "sent by telephone",
        "REFUSED",
    )
    assert listed(asking(alice)) == []
    told = last_event(alice, delivery_id)
    assert (told["event"], told["detail"]["reason"]) == ("closed", "sent by telephone")
    for verb in ("replay", "close"):
        answer = act(asking(alice), delivery_id, verb, {"reason": "r"})
        assert (answer.status_code, answer.json()["code"]) == (409, "delivery-closed")


def test_stopping_a_stuck_head_lets_those_behind_it_go(
    alice: Person, asking: Ask, link: OpenLink
) -> None:
    (head,) = link.say(redeclared_mel(UNIT)).deliveries
    behind = submit(alice, asking)
    assert isinstance(claim(alice, behind), NotClaimed)
    answer = act(asking(alice), head.id, "abandon", {"reason": "wrong day"})
    assert (answer.status_code, answer.json()["state"]) == (200, "ABANDONED")
    assert isinstance(claim(alice, behind), Claimed)
    told = last_event(alice, head.id)
    assert told["event"] == "abandoned"
    assert (told["detail"]["text"], told["detail"]["was"]) == ("wrong day", "PENDING")
    with tenant_scope(alice.tenant_id):
        assert Message.objects.get(answers__deliveries=head.id).kind == "RESULT"
    assert act(asking(alice), head.id, "abandon", {"reason": "r"}).json()["code"] == (
        "delivery-settled"
    )


def only_received(person: Person, link: OpenLink) -> UUID:
    """The operator has it, and has said no more than that."""
    (made,) = link.say(redeclared_mel(UNIT)).deliveries
    assert isinstance(claim(person, made.id), Claimed)

    def work() -> None:
        row = load_locked(made.id)
        assert row is not None
        verdicts.await_final(row, now())

    in_tenant(person.tenant_id, work)
    return made.id


@pytest.mark.parametrize(
    ("verdict", "state", "told"),
    [
        ("ACCEPTED", DeliveryState.ACKNOWLEDGED, b"OK"),
        ("REJECTED", DeliveryState.REFUSED, b"REFUSE"),
    ],
)
def test_a_person_says_what_became_of_what_the_operator_only_received(
    alice: Person, asking: Ask, link: OpenLink, verdict: str, state: DeliveryState, told: bytes
) -> None:
    delivery_id = only_received(alice, link)
    body = {"verdict": verdict, "reason": "by telephone"}
    answer = act(asking(alice), delivery_id, "settle", body)
    assert (answer.status_code, answer.json()["state"]) == (200, state.value)
    with tenant_scope(alice.tenant_id):
        (said,) = Entry.objects.filter(delivery_id=delivery_id, event="verdict said")
        result = Message.objects.get(answers__deliveries=delivery_id, kind="RESULT")
        assert told in bodies.read(bytes(result.body_digest), result.received_at)
    detail = json.loads(bytes(said.record))["detail"]
    assert (detail["by"], detail["reason"]) == ("alice the owner", "by telephone")
    again = act(asking(alice), delivery_id, "settle", body)
    assert (again.status_code, again.json()["code"]) == (409, "no-verdict-awaited")


def test_what_the_operator_does_not_have_is_settled_by_nobody(
    alice: Person, asking: Ask, link: OpenLink
) -> None:
    boa_id, waiting = boa(alice), submit(alice, asking)
    for delivery_id in (boa_id, waiting):
        answer = act(asking(alice), delivery_id, "settle", {"verdict": "ACCEPTED", "reason": "r"})
        assert (answer.status_code, answer.json()["code"]) == (409, "no-verdict-awaited")
    for body in ({"reason": "r"}, {"verdict": "PERHAPS", "reason": "r"}, {"verdict": "ACCEPTED"}):
        assert act(asking(alice), waiting, "settle", body).status_code == 400


@pytest.mark.parametrize("verb", ["abandon", "close"])
@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 501}], ids=str)
def test_a_person_gives_a_reason(alice: Person, asking: Ask, verb: str, body: Any) -> None:
    answer = act(asking(alice), submit(alice, asking), verb, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def boa(person: Person) -> UUID:
    number = numbers()
    post(person, acceptance(number))
    with tenant_scope(person.tenant_id):
        row = Instruction.objects.get(kind="BOA", number=number)
        return UUID(str(Delivery.objects.get(message_id=row.message_id, lane=Lane.LINK).id))


def pass_time(person: Person) -> None:
    with tenant_scope(person.tenant_id):
        Instruction.objects.update(respond_by=now() - timedelta(seconds=1))


def test_an_instruction_is_replayed_within_its_time_and_not_after(
    alice: Person, asking: Ask, link: OpenLink
) -> None:
    delivery_id = boa(alice)
    (given,) = link.give().outgoing
    links.refused(link.hold, given.number, "R001", "what?", now())
    assert listed(asking(alice)) == [str(delivery_id)]
    answer = act(asking(alice), delivery_id, "replay")
    assert answer.status_code == 202
    (again,) = link.give().outgoing
    assert again.delivery_id == delivery_id
    links.refused(link.hold, again.number, "R001", "what?", now())
    pass_time(alice)
    answer = act(asking(alice), delivery_id, "replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-replayable")
    assert of(alice, delivery_id).state == DeliveryState.REFUSED


def test_an_answer_that_expired_cannot_be_replayed(alice: Person, asking: Ask) -> None:
    boa(alice)
    with tenant_scope(alice.tenant_id):
        row = Instruction.objects.filter(verdict="").latest("id")
    told = asking(alice).post(f"/api/v1/instructions/{row.id}/accept", {}, format="json").json()
    with tenant_scope(alice.tenant_id):
        delivery_id = Delivery.objects.get(message_id=told["answer_id"]).id
    die(alice, delivery_id, DeliveryState.EXPIRED)
    pass_time(alice)
    answer = act(asking(alice), delivery_id, "replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-replayable")


def test_many_are_replayed_by_a_filter_oldest_first(alice: Person, asking: Ask) -> None:
    dead = [submit(alice, asking) for _ in range(3)]
    for delivery_id in dead:
        die(alice, delivery_id)
    other = submit(alice, asking)
    die(alice, other, DeliveryState.EXPIRED)
    answer = asking(alice).post(f"{PLACE}/replay", {"code": "R030", "limit": 2}, format="json")
    assert answer.status_code == 202, answer.content
    assert answer.json() == {"replayed": 2, "left": [], "more": True}
    assert [of(alice, one).state for one in dead] == ["PENDING", "PENDING", "REFUSED"]
    answer = asking(alice).post(f"{PLACE}/replay", {"code": "R030", "limit": 2}, format="json")
    assert answer.json() == {"replayed": 1, "left": [], "more": False}
    assert of(alice, other).state == DeliveryState.EXPIRED


def test_one_of_many_that_cannot_be_replayed_is_told_and_keeps_none_back(
    alice: Person, asking: Ask, link: OpenLink
) -> None:
    late, good = boa(alice), submit(alice, asking)
    (given,) = link.give().outgoing
    links.refused(link.hold, given.number, "R001", "what?", now())
    die(alice, good)
    pass_time(alice)
    told = asking(alice).post(f"{PLACE}/replay", {}, format="json").json()
    assert (told["replayed"], told["more"]) == (1, False)
    assert [(one["id"], one["code"]) for one in told["left"]] == [(str(late), "not-replayable")]


def test_a_bulk_replay_knows_its_filters(alice: Person, asking: Ask) -> None:
    for body in ({"colour": "red"}, {"limit": 201}, {"limit": 0}, {"state": "PENDING"}):
        answer = asking(alice).post(f"{PLACE}/replay", body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), body


@contextmanager
def without_operator(person: Person, servers: TestServers, database: str) -> Iterator[None]:
    """The endpoint that leads to the operator is of another environment for a while."""

    def move(environment: str) -> None:
        with as_role("staff", servers, database), tenant_scope(person.tenant_id):
            Endpoint.objects.filter(protocol="neso-wa").update(environment=environment)

    move("production")
    try:
        yield
    finally:
        move("simulator")


def test_what_has_nowhere_to_go_is_kept_and_alarmed_and_goes_when_there_is_a_way(
    alice: Person, asking: Ask, servers: TestServers, database: str
) -> None:
    with without_operator(alice, servers, database):
        row = stored(alice, send(asking(alice), ndz(1)))
        (letter,) = asking(alice).get(PLACE).json()["results"]
        assert (letter["message_id"], letter["state"]) == (str(row.id), "UNROUTABLE")
        assert (letter["endpoint_id"], letter["outcome_code"]) == (None, "UNROUTABLE")
        told = last_event(alice, UUID(letter["id"]))
        assert told["event"] == "alarmed"
        answer = act(asking(alice), UUID(letter["id"]), "replay")
        assert (answer.status_code, answer.json()["code"]) == (409, "unroutable")
        answer = act(asking(alice), UUID(letter["id"]), "abandon", {"reason": "r"})
        assert (answer.status_code, answer.json()["code"]) == (409, "delivery-settled")
    answer = act(asking(alice), UUID(letter["id"]), "replay")
    assert (answer.status_code, answer.json()["state"]) == (202, "PENDING")
    assert isinstance(claim(alice, UUID(letter["id"])), Claimed)


def test_the_control_points_message_that_has_nowhere_to_go_is_kept_as_well(
    alice: Person, asking: Ask, link: OpenLink, servers: TestServers, database: str
) -> None:
    with without_operator(alice, servers, database):
        assert link.say(redeclared_mel(UNIT)).deliveries == ()
        assert len(listed(asking(alice), code="UNROUTABLE")) == 1


def test_anothers_dead_letter_is_none(alice: Person, bob: Person, asking: Ask) -> None:
    delivery_id = submit(alice, asking)
    die(alice, delivery_id)
    for verb in ("replay", "close", "abandon"):
        assert act(asking(bob), delivery_id, verb, {"reason": "r"}).status_code == 404
    asking(bob).post(f"{PLACE}/replay", {}, format="json")
    assert of(alice, delivery_id).state == DeliveryState.REFUSED


def test_every_dead_state_is_an_end() -> None:
    assert all(not MOVES[state] for state in DEAD)
    assert set(DEAD).isdisjoint(OPEN)
    assert {*DEAD, *OPEN, DeliveryState.ACKNOWLEDGED, DeliveryState.SUPERSEDED} == set(
        DeliveryState
    )


def test_a_late_hand_that_saw_it_dead_leaves_a_replayed_one_its_turn(
    alice: Person, asking: Ask
) -> None:
    """It has read that the delivery is dead, and waits for the queue while it is replayed."""
    delivery_id = submit(alice, asking)
    die(alice, delivery_id)
    with ThreadPoolExecutor(1) as late:
        with tenant_scope(alice.tenant_id):
            found = of(alice, delivery_id)
            assert found.endpoint_id is not None
            lock_queue(found.endpoint_id, found.queue)
            hand = late.submit(lambda: closing(lambda: claim(alice, delivery_id)))
            until_somebody_waits_for_a_lock()
            replayed = on_its_own(lambda: act(asking(alice), delivery_id, "replay"))
        assert replayed.status_code == 202
        assert isinstance(hand.result(10), NotClaimed)
    assert Due.objects.filter(delivery_id=delivery_id).exists()
    assert isinstance(claim(alice, delivery_id), Claimed)


def closing(work: Callable[[], T]) -> T:
    """On a thread, which leaves no connection behind."""
    try:
        return work()
    finally:
        connection.close()


def on_its_own(work: Callable[[], T]) -> T:
    """On a thread of its own, and so in no scope of this one's."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(lambda: closing(work)).result(10)


def until_somebody_waits_for_a_lock() -> None:
    asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(asked)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")
