"""Events read off the chain, and the escalation ladder: each step once, and none once there is an
answer.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.events import alerts, ladder, reading
from messaging.events.alerts import Step
from messaging.events.models import Escalation
from messaging.events.types import EventType, Happening, Way
from messaging.models import Due, Instruction
from tenants.clock import now
from tenants.credentials import THE_HOST
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_operator import POINT, UNIT, acceptance, numbers, post

RECEIVED = EventType.INSTRUCTION_RECEIVED
UNANSWERED = EventType.INSTRUCTION_UNANSWERED
LADDER = (Step(30, (Way.STREAM,)), Step(60, (Way.STREAM, Way.WEBHOOK)), Step(110, tuple(Way)))


@pytest.fixture
def link(alice: Person) -> OpenLink:
    return open_link(alice, POINT)


@pytest.fixture(autouse=True)
def alone(alice: Person) -> None:
    """No instruction of another test is open, and the ladder is known."""
    Due.objects.all().delete()
    with tenant_scope(alice.tenant_id):
        alerts.change([], LADDER, THE_HOST)


def head(person: Person) -> int:
    return in_tenant(person.tenant_id, reading.head)


def since(person: Person, start: int) -> Sequence[Happening]:
    return in_tenant(person.tenant_id, lambda: reading.read(start)).happenings


def instruct(person: Person, **changes: Any) -> tuple[int, datetime]:
    """Its number, and when it came."""
    number = numbers()
    assert post(person, acceptance(number, **changes)).status == 200
    with tenant_scope(person.tenant_id):
        row = Instruction.objects.select_related("message").get(number=number)
        return number, row.message.received_at


def steps(person: Person, start: int) -> list[int]:
    told = [one for one in since(person, start) if one.type is UNANSWERED]
    return [one.data["after_seconds"] for one in told]


def test_an_instruction_and_its_answer_are_events_with_what_a_desk_needs(
    alice: Person, link: OpenLink
) -> None:
    start = head(alice)
    number, _ = instruct(alice)
    given = link.give().outgoing[-1].number
    reference = link.hold.profile.number_text(given)
    link.say(InstructionAnswer(POINT, UNIT, number, Verdict.REJECTED), reply_to=reference)
    came, answered = since(alice, start)
    assert (came.type, answered.type) == (RECEIVED, EventType.INSTRUCTION_ANSWERED)
    wanted = {"kind": "BOA", "control_point": POINT, "bm_unit": UNIT, "number": number}
    for one in (came, answered):
        assert one.data.items() >= wanted.items()
        assert one.data["event_id"] == one.id > start
    assert came.data["message_id"] == answered.data["message_id"]
    assert (answered.data["verdict"], answered.data["origin"]) == ("REJECTED", "CONTROL_POINT")


def test_reading_goes_on_where_it_stopped_and_misses_and_repeats_nothing(alice: Person) -> None:
    start = head(alice)
    for _ in range(5):
        instruct(alice)
    whole = [one.id for one in since(alice, start)]
    pieces, after, more = [], start, True
    while more:
        page = in_tenant(alice.tenant_id, partial(reading.read, after, limit=2))
        pieces += [one.id for one in page.happenings]
        after, more = page.last, page.more
    assert (pieces, len(whole), after) == (whole, 5, head(alice))


def test_another_tenant_reads_nothing_of_it(alice: Person, bob: Person) -> None:
    start = head(bob)
    instruct(alice)
    assert since(bob, start) == ()
    ids = {one.data["message_id"] for one in since(alice, 0) if one.type is RECEIVED}
    assert not ids & {one.data.get("message_id") for one in since(bob, 0)}


@pytest.mark.parametrize(
    ("seconds", "due"), [(29, []), (30, [30]), (61, [30, 60]), (119, [30, 60, 110]), (121, [])]
)
def test_steps_are_taken_when_their_time_has_come_and_before_the_answers_has_passed(
    alice: Person, seconds: int, due: list[int]
) -> None:
    start = head(alice)
    _, at = instruct(alice)
    ladder.attend(at + timedelta(seconds=seconds))
    assert steps(alice, start) == due


def test_each_step_is_taken_once_however_often_it_is_looked(alice: Person) -> None:
    start = head(alice)
    _, at = instruct(alice)
    taken = [ladder.attend(at + timedelta(seconds=second)) for second in (31, 31, 59, 60, 75, 111)]
    assert taken == [1, 0, 0, 1, 0, 1]
    assert steps(alice, start) == [30, 60, 110]


def test_hands_that_climb_at_once_take_each_step_once(alice: Person) -> None:
    start = head(alice)
    _, at = instruct(alice)
    gate, failed = threading.Barrier(4), []

    def climb() -> None:
        from django.db import connection

        try:
            gate.wait()
            ladder.attend(at + timedelta(seconds=65))
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    hands = [threading.Thread(target=climb) for _ in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    ladder.attend(at + timedelta(seconds=65))
    assert (failed, steps(alice, start)) == ([], [30, 60])


def test_a_step_that_was_not_committed_is_taken_by_the_next_look(alice: Person) -> None:
    start = head(alice)
    _, at = instruct(alice)

    class Killed(Exception):
        pass

    def die() -> None:
        assert ladder.climb(at + timedelta(seconds=31)) == 1
        raise Killed

    with pytest.raises(Killed):
        in_tenant(alice.tenant_id, die)
    assert steps(alice, start) == []
    ladder.attend(at + timedelta(seconds=32))
    assert steps(alice, start) == [30]


def test_an_answer_ends_the_climbing(alice: Person, link: OpenLink) -> None:
    start = head(alice)
    number, at = instruct(alice)
    ladder.attend(at + timedelta(seconds=31))
    given = link.give().outgoing[-1].number
    reference = link.hold.profile.number_text(given)
    link.say(InstructionAnswer(POINT, UNIT, number, Verdict.REJECTED), reply_to=reference)
    ladder.attend(at + timedelta(seconds=111))
    assert steps(alice, start) == [30]


def test_an_instruction_that_is_being_answered_is_left_until_that_is_decided(
    alice: Person,
) -> None:
    """Whoever answers holds the instruction's row; nobody waits for them, nor they for us."""
    start = head(alice)
    number, at = instruct(alice)
    held, done = threading.Event(), threading.Event()

    def answer() -> None:
        from django.db import connection

        with tenant_scope(alice.tenant_id):
            Instruction.objects.select_for_update().get(number=number)
            held.set()
            done.wait(20)
        connection.close()

    answering = threading.Thread(target=answer)
    answering.start()
    assert held.wait(20)
    assert ladder.attend(at + timedelta(seconds=31)) == 0
    done.set()
    answering.join()
    assert ladder.attend(at + timedelta(seconds=32)) == 1
    assert steps(alice, start) == [30]


def test_a_tenant_without_steps_is_not_told_and_one_without_settings_has_the_usual_ladder(
    alice: Person, bob: Person
) -> None:
    start = head(alice)
    with tenant_scope(alice.tenant_id):
        alerts.change([], [], THE_HOST)
    _, at = instruct(alice)
    assert ladder.attend(at + timedelta(seconds=111)) == 0
    assert steps(alice, start) == []
    with tenant_scope(bob.tenant_id):
        usual = alerts.ladder_of(alerts.find())
    assert [step.after_seconds for step in usual] == [30, 60, 90, 110]
    assert usual[-1].ways == tuple(Way)


def test_a_step_tells_by_its_own_ways_alone(alice: Person) -> None:
    start = head(alice)
    _, at = instruct(alice)
    ladder.attend(at + timedelta(seconds=119))
    ways = [one.ways for one in since(alice, start) if one.type is UNANSWERED]
    assert ways == [frozenset(step.ways) for step in LADDER]
    assert "ways" not in since(alice, start)[-1].data


def test_a_step_has_one_row(alice: Person) -> None:
    _, at = instruct(alice)
    ladder.attend(at + timedelta(seconds=119))
    with tenant_scope(alice.tenant_id):
        rows = list(Escalation.objects.values_list("instruction_id", "after_seconds"))
    assert len(rows) == len(set(rows)) > 0
    assert now() > at
