"""What ended while nobody knew whether the operator had it: those who are told of the end are told
that too, and the operator's word, should it still come, is set beside the end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

import pytest

from messaging.domain.acknowledgements import Result
from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.models import Delivery, Due, Instruction, Message
from messaging.protocols.neso.wa.exchange import Outcome
from messaging.relay import deliver, due, links, verdicts
from messaging.relay.answering import answer_for
from messaging.relay.claim import Claimed
from messaging.relay.codecs import read_message
from messaging.relay.deliver import Report, take_in_hand
from messaging.relay.load import load_locked
from messaging.states import DeliveryState
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.test_from_control_point import mel
from tests.relay.test_from_operator import POINT, UNIT, post, receipt
from tests.relay.test_silence import instructed, past, told

Try = Mapping[str, object] | None
"""What a try came to; None for one whose process died over it."""

REFUSED_FOR_NOW: Try = {"outcome": Outcome.FAILED, "status": 500}
NOTHING_LEFT: Try = {"outcome": None, "left": False}
NOBODY_KNOWS: Try = {"outcome": None, "left": True}


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


def free(person: Person, delivery_id: UUID) -> None:
    """No pause, and no claim: as after a process's death, or once its lease has run out."""
    with tenant_scope(person.tenant_id):
        Delivery.objects.filter(id=delivery_id).update(wait_until=None)
    in_tenant(person.tenant_id, lambda: due.put_off(delivery_id, now()))


def take(person: Person, delivery_id: UUID) -> Claimed:
    free(person, delivery_id)
    claimed = in_tenant(person.tenant_id, lambda: take_in_hand(delivery_id, 1))
    assert isinstance(claimed, Claimed)
    return claimed


def report(**told: object) -> Report:
    values = {"sent_at": now(), "answered_at": None, "status": None, "detail": "a test", **told}
    return Report(**values)  # type: ignore[arg-type]


def settle(person: Person, claimed: Claimed, came: Report) -> None:
    in_tenant(person.tenant_id, lambda: deliver._settle(claimed, came))


def tried(person: Person, delivery_id: UUID, *tries: Try) -> None:
    for one in tries:
        claimed = take(person, delivery_id)
        if one is not None:
            settle(person, claimed, report(**one))


def expire(person: Person, delivery_id: UUID) -> None:
    past(person, delivery_id)
    free(person, delivery_id)
    in_tenant(person.tenant_id, lambda: take_in_hand(delivery_id, 2))


def result_of(person: Person, delivery_id: UUID) -> str:
    with tenant_scope(person.tenant_id):
        row = Delivery.objects.get(id=delivery_id)
        assert row.state == DeliveryState.EXPIRED
        told = Message.objects.select_related("endpoint").get(answers=row.message, kind="RESULT")
        said = read_message(told)
    assert isinstance(said, Result)
    assert said.text == row.outcome_text
    return said.text


def alarms(person: Person, delivery_id: UUID) -> list[str]:
    with tenant_scope(person.tenant_id):
        found = Entry.objects.filter(delivery_id=delivery_id, event="alarmed").order_by("seq")
        return [json.loads(bytes(row.record))["detail"]["alarm"] for row in found]


@pytest.mark.parametrize(
    ("tries", "wanted"),
    [
        ([], verdicts.NOT_IN_TIME),
        ([REFUSED_FOR_NOW], verdicts.NOT_IN_TIME),
        ([NOTHING_LEFT, NOTHING_LEFT], verdicts.NOT_IN_TIME),
        ([NOBODY_KNOWS], verdicts.MAY_BE_THERE),
        ([NOBODY_KNOWS, NOTHING_LEFT], verdicts.MAY_BE_THERE),
        ([None], verdicts.MAY_BE_THERE),
        ([NOTHING_LEFT, None, NOTHING_LEFT], verdicts.MAY_BE_THERE),
    ],
    ids=[
        "never tried",
        "refused for now",
        "nothing left, twice",
        "unanswered",
        "unanswered once",
        "its process died",
        "one of its processes died",
    ],
)
def test_of_what_expired_is_told_whether_the_operator_may_have_it(
    alice: Person, link: OpenLink, tries: list[Try], wanted: str
) -> None:
    (made,) = link.say(mel()).deliveries
    tried(alice, made.id, *tries)
    expire(alice, made.id)
    assert result_of(alice, made.id) == wanted
    assert alarms(alice, made.id)[-1] == wanted


@pytest.mark.parametrize(
    ("tries", "wanted"),
    [
        ([], "could not be delivered to the system operator"),
        ([NOBODY_KNOWS], "may not have reached the system operator"),
    ],
)
def test_an_answer_that_was_given_for_a_control_point_is_told_likewise(
    alice: Person, link: OpenLink, tries: list[Try], wanted: str
) -> None:
    number, _ = instructed(alice)
    links.acknowledge(link.hold, link.give().outgoing[-1].number, now())
    with tenant_scope(alice.tenant_id):
        row = Instruction.objects.get(number=number)
        (made,) = answer_for(row.id, Verdict.ACCEPTED, now(), {"by": "a test"}).deliveries
    tried(alice, made.id, *tries)
    expire(alice, made.id)
    (text,) = told(alice, number)
    assert wanted in text


def test_a_frozen_worker_that_brings_the_operators_word_after_the_end_is_heard(
    alice: Person, link: OpenLink
) -> None:
    """The operator took the acceptance; here it expired meanwhile, and the plant was told so."""
    number, _ = instructed(alice)
    reference = link.hold.profile.number_text(link.give().outgoing[-1].number)
    answer = InstructionAnswer(POINT, UNIT, number, Verdict.ACCEPTED)
    (made,) = link.say(answer, reply_to=reference).deliveries
    claimed = take(alice, made.id)
    expire(alice, made.id)
    assert result_of(alice, made.id) == verdicts.MAY_BE_THERE
    came = report(outcome=Outcome.VERDICT, status=200, answered_at=now())
    settle(alice, claimed, came)
    settle(alice, claimed, came)
    said = "the system operator says ACCEPTED of what ended as EXPIRED: telephone"
    assert alarms(alice, made.id) == [verdicts.MAY_BE_THERE, said]
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.get(id=made.id).state == DeliveryState.EXPIRED


def end(person: Person, delivery_id: UUID, how: str) -> None:
    """By whatever ends it while its worker has it in hand."""

    def work() -> None:
        row = load_locked(delivery_id)
        assert row is not None
        match how:
            case "accepted":
                verdicts.accept(row, now())
            case "refused":
                verdicts.refuse(row, now(), "C1 no")
            case "stopped":
                verdicts.abandon(row, now(), "a test", {})

    in_tenant(person.tenant_id, work)


@pytest.mark.parametrize(
    ("ended", "came", "is_otherwise"),
    [
        ("accepted", Outcome.VERDICT, False),
        ("accepted", Outcome.REFUSED, True),
        ("accepted", None, False),
        ("refused", Outcome.VERDICT, True),
        ("refused", Outcome.REFUSED, False),
        ("stopped", Outcome.VERDICT, True),
        ("stopped", Outcome.REFUSED, False),
        ("stopped", Outcome.HELD, False),
    ],
)
def test_a_word_that_comes_after_the_end_changes_nothing_and_is_alarmed_where_it_is_another(
    alice: Person, link: OpenLink, ended: str, came: Outcome | None, is_otherwise: bool
) -> None:
    (made,) = link.say(mel()).deliveries
    claimed = take(alice, made.id)
    end(alice, made.id, ended)
    with tenant_scope(alice.tenant_id):
        before = Delivery.objects.values("state", "outcome_text").get(id=made.id)
    settle(alice, claimed, report(outcome=came))
    assert bool(alarms(alice, made.id)) is is_otherwise
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.values("state", "outcome_text").get(id=made.id) == before


def test_a_receipt_that_says_it_came_is_alarmed_where_it_had_expired(
    alice: Person, link: OpenLink
) -> None:
    (made,) = link.say(mel()).deliveries
    tried(alice, made.id, NOBODY_KNOWS)
    expire(alice, made.id)
    assert post(alice, receipt(made.id, "RECEIVED"), "Redeclaration").status == 200
    said = "the system operator says RECEIVED of what ended as EXPIRED: telephone"
    assert alarms(alice, made.id)[-1] == said
