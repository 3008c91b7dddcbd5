"""Idempotency keys: what is asked twice is done once, whoever dies or hurries meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from rest_framework.response import Response

from messaging.models import Message
from messaging.relay import from_api
from messaging.tasks import clear_away_old_answers
from tenants import api_keys, members, ownership
from tenants.api import idempotency
from tenants.clock import now
from tenants.ids import new_id
from tenants.models import ApiKey, IdempotencyDue, IdempotentAnswer
from tenants.permissions import Permission, Role
from tenants.running import GIVEN_UP_AFTER, Running
from tenants.scope import in_tenant, tenant_scope
from tests.api.carried import Carried
from tests.api.clients import client
from tests.api.conftest import Ask
from tests.api.test_submission import PLACE, ndz
from tests.people import Person


def post(asker: Any, key: str, body: Any, place: str = PLACE) -> Any:
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {"Idempotency-Key": key}
    return asker.generic("POST", place, content, content_type="application/json", headers=headers)


def messages(person: Person) -> int:
    with tenant_scope(person.tenant_id):
        return int(Message.objects.count())


@pytest.fixture(autouse=True)
def no_keys(alice: Person) -> Iterator[None]:
    yield
    with tenant_scope(alice.tenant_id):
        IdempotentAnswer.objects.all().delete()


def test_a_repeat_gets_the_first_answer_and_nothing_is_done_twice(
    alice: Person, asking: Ask
) -> None:
    first = post(asking(alice), '"one"', ndz(1))
    count = messages(alice)
    again = post(asking(alice), "one", ndz(1))
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again["Location"] == first["Location"]
    assert again["Content-Type"] == first["Content-Type"]
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert messages(alice) == count


def test_a_refusal_that_left_a_trace_is_repeated_as_it_was(alice: Person, asking: Ask) -> None:
    first, again = (post(asking(alice), "refused", ndz(-1)) for _ in range(2))
    assert first.status_code == 422
    assert (again.status_code, again.content) == (422, first.content)
    assert again["Content-Type"] == "application/problem+json"
    assert again["Idempotent-Replayed"] == "true"


def test_a_request_that_did_nothing_leaves_its_key_free(alice: Person, asking: Ask) -> None:
    assert post(asking(alice), "free", "{").status_code == 400
    assert post(asking(alice), "free", ndz(1)).status_code == 202


@pytest.mark.parametrize("place", [PLACE, f"{PLACE}?validate_only=false", f"{PLACE}/bulk"])
def test_the_same_key_for_something_else_is_refused(alice: Person, asking: Ask, place: str) -> None:
    post(asking(alice), "other", ndz(1))
    body = [ndz(1)] if place.endswith("bulk") else ndz(2 if place == PLACE else 1)
    answer = post(asking(alice), "other", body, place)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["", '""', '"a', "a,b", "a b", '"a", "b"', "\u00e4", "x" * 256])
def test_what_is_no_key_is_refused(alice: Person, asking: Ask, key: str) -> None:
    answer = post(asking(alice), key, ndz(1))
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-invalid")


def test_a_quoted_key_may_hold_any_printable_character(alice: Person, asking: Ask) -> None:
    first, again = (post(asking(alice), r'"a, b \"c\" \\"', ndz(1)) for _ in range(2))
    assert (first.status_code, again["Idempotent-Replayed"]) == (202, "true")


def test_keys_are_each_tenants_and_each_members_own(
    alice: Person, bob: Person, asking: Ask
) -> None:
    with tenant_scope(alice.tenant_id):
        colleague = members.add("Carol", "carol@alice.example", Role.OPERATOR)
        key = api_keys.mint("carol", member=colleague).text
    first = post(asking(alice), "mine", ndz(1))
    hers = post(client({"X-API-Key": key}), "mine", ndz(1))
    his = post(asking(bob), "mine", {**ndz(1, "BOBCP1-1"), "control_point": "BOBCP1"})
    ids = {answer.json()["id"] for answer in (first, hers, his)}
    assert len(ids) == 3
    assert not any("Idempotent-Replayed" in answer for answer in (first, hers, his))


def test_another_key_of_the_same_member_repeats_the_same_request(
    alice: Person, asking: Ask
) -> None:
    first = post(asking(alice), "rotated", ndz(1))
    with tenant_scope(alice.tenant_id):
        member = ApiKey.objects.select_related("member").get(label="test").member
        key = api_keys.mint("another", member=member).text
    again = post(client({"X-API-Key": key}), "rotated", ndz(1))
    assert again.content == first.content


def test_what_may_no_longer_be_done_is_not_answered_again(alice: Person, asking: Ask) -> None:
    with tenant_scope(alice.tenant_id):
        row = api_keys.mint("robot", scopes=list(Permission))
    asker = client({"X-API-Key": row.text})
    assert post(asker, "robots", ndz(1)).status_code == 202
    with tenant_scope(alice.tenant_id):
        ApiKey.objects.filter(id=row.row.id).update(scopes=["read"])
    assert post(asker, "robots", ndz(1)).status_code == 403


def test_while_the_first_still_runs_a_second_is_told_to_wait(
    alice: Person, asking: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is held up while it works, in a thread of its own; nothing is done twice."""
    entered, go_on = threading.Event(), threading.Event()
    examine = from_api.examine

    def slowly(*arguments: Any) -> Any:
        entered.set()
        assert go_on.wait(30)
        return examine(*arguments)

    monkeypatch.setattr(from_api, "examine", slowly)
    answers: list[Any] = []

    def first() -> None:
        answers.append(post(asking(alice), "slow", ndz(1)))
        connection.close()

    thread, count = threading.Thread(target=first), messages(alice)
    thread.start()
    assert entered.wait(30)
    second = post(asking(alice), "slow", ndz(1))
    go_on.set()
    thread.join(30)
    assert (second.status_code, second.json()["code"]) == (409, "idempotency-key-in-use")
    assert int(second["Retry-After"]) > 0
    assert answers[0].status_code == 202
    third = post(asking(alice), "slow", ndz(1))
    assert third.content == answers[0].content
    assert messages(alice) == count + 1


def test_of_many_at_once_one_is_done(alice: Person, asking: Ask) -> None:
    start, answers, count = threading.Barrier(6), [], messages(alice)

    def work() -> None:
        start.wait()
        answers.append(post(asking(alice), "race", ndz(1)))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({a.json()["id"] for a in answers if a.status_code == 202}) == 1
    assert messages(alice) == count + 1


def test_when_it_dies_half_way_neither_the_effect_nor_the_key_is_there(
    alice: Person, asking: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is stored already when it dies; the transaction takes it back."""
    count, asker = messages(alice), asking(alice)
    asker.raise_request_exception = False

    def dies(*_: object) -> None:
        raise RuntimeError("the process is gone")

    with monkeypatch.context() as patched:
        patched.setattr(idempotency, "_put", dies)
        assert post(asker, "dies", ndz(1)).status_code == 500
    assert messages(alice) == count
    again = post(asker, "dies", ndz(1))
    assert (again.status_code, "Idempotent-Replayed" in again) == (202, False)


def test_any_other_request_that_writes_may_have_one_and_a_secret_is_kept_sealed(
    alice: Person, asking: Ask
) -> None:
    first, again = (
        post(asking(alice), "mint", {"label": "minted once"}, "/api/v1/api-keys") for _ in range(2)
    )
    assert first.status_code == 201
    assert again.json()["key"] == first.json()["key"]
    assert again["Cache-Control"] == "no-store"
    with tenant_scope(alice.tenant_id):
        assert ApiKey.objects.filter(label="minted once").count() == 1
        row = IdempotentAnswer.objects.get(key="mint")
        assert row.sealed_body is not None
        assert first.json()["key"].encode() not in bytes(row.sealed_body)
        assert first.json()["key"] not in json.dumps(row.headers)


def test_an_answer_without_a_body_is_repeated_too(alice: Person, asking: Ask) -> None:
    with tenant_scope(alice.tenant_id):
        key_id = api_keys.mint("to go").row.id
    place, headers = f"/api/v1/api-keys/{key_id}", {"Idempotency-Key": "gone"}
    first, again = (asking(alice).delete(place, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (204, 204)
    assert (again.content, again["Idempotent-Replayed"]) == (b"", "true")


def test_a_key_on_what_only_reads_is_passed_over(alice: Person, asking: Ask) -> None:
    answer = asking(alice).get("/api/v1/tenant", headers={"Idempotency-Key": "a b"})
    assert answer.status_code == 200


def test_a_day_later_the_key_is_free_and_housekeeping_clears_it_away(
    alice: Person, asking: Ask
) -> None:
    post(asking(alice), "old", ndz(1))
    with tenant_scope(alice.tenant_id):
        row = IdempotentAnswer.objects.get(key="old")
        long_ago = now() - idempotency.KEPT_FOR - timedelta(seconds=1)
        IdempotentAnswer.objects.filter(id=row.id).update(created_at=long_ago)
    answer = post(asking(alice), "old", ndz(2))
    assert (answer.status_code, "Idempotent-Replayed" in answer) == (202, False)
    post(asking(alice), "young", ndz(1))
    with tenant_scope(alice.tenant_id):
        IdempotentAnswer.objects.filter(key="old").update(created_at=long_ago)
    clear_away_old_answers()
    with tenant_scope(alice.tenant_id):
        assert IdempotentAnswer.objects.filter(key="old").exists(), "it is not its turn yet"
    IdempotencyDue.objects.filter(tenant_id=alice.tenant_id).update(due_at=now())
    clear_away_old_answers()
    with tenant_scope(alice.tenant_id):
        assert [one.key for one in IdempotentAnswer.objects.all()] == ["young"]
    assert IdempotencyDue.objects.get(tenant_id=alice.tenant_id).due_at > now()


class Outside:
    """A view's work that takes a while and has no transaction open."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Response:
        self.calls += 1
        return Response({"calls": self.calls})


NOBODY = 4_711_004_712
"""A process that is gone: nobody holds the lock of this number."""


def asked(alice: Person, key: str = "outside", body: bytes = b"f" * 32) -> idempotency.Asked:
    return idempotency.Asked(alice.tenant_id, key, body)


def unanswered(alice: Person, key: str, **changes: Any) -> None:
    """As if whoever ran it had not come to its end."""
    with tenant_scope(alice.tenant_id):
        IdempotentAnswer.objects.filter(key=key).update(status=None, **changes)


def test_what_runs_outside_a_transaction_is_done_once_too(alice: Person) -> None:
    work, one = Outside(), asked(alice)
    first, again = (idempotency.once_outside(alice.tenant_id, one, work) for _ in range(2))
    assert (first.data, again.data, work.calls) == ({"calls": 1}, {"calls": 1}, 1)


def test_what_runs_outside_is_under_way_until_it_answers_or_fails(alice: Person) -> None:
    one = asked(alice, "under way")

    def again() -> Response:
        return idempotency.once_outside(alice.tenant_id, one, Outside())

    def first() -> Response:
        with pytest.raises(idempotency.StillRunning):
            again()
        raise RuntimeError("it fails")

    with pytest.raises(RuntimeError):
        idempotency.once_outside(alice.tenant_id, one, first)
    assert again().data == {"calls": 1}


@pytest.mark.parametrize(
    ("is_gone", "was_heard", "is_free"),
    [(False, timedelta(0), False), (True, timedelta(0), True), (False, GIVEN_UP_AFTER, True)],
    ids=["lives", "gone", "host lost"],
)
def test_the_key_of_a_process_that_is_gone_is_free_at_once(
    alice: Person, is_gone: bool, was_heard: timedelta, is_free: bool
) -> None:
    one, work = asked(alice, "taken"), Outside()
    idempotency.once_outside(alice.tenant_id, one, Outside())
    owner = NOBODY if is_gone else ownership.owner()
    until = now() + GIVEN_UP_AFTER / 2 - was_heard
    unanswered(alice, "taken", owner=owner, held_until=until)
    with nullcontext() if is_free else pytest.raises(idempotency.StillRunning):
        idempotency.once_outside(alice.tenant_id, one, work)
    assert work.calls == is_free


def test_while_a_transaction_of_the_former_stands_its_key_is_taken(alice: Person) -> None:
    """Its process may be frozen in the middle of it. Nobody waits for that."""
    one, work = asked(alice, "stands"), Outside()
    idempotency.once_outside(alice.tenant_id, one, Outside())
    unanswered(alice, "stands", owner=NOBODY)
    has_it, is_told = threading.Event(), threading.Event()

    def former() -> None:
        with tenant_scope(alice.tenant_id):
            list(IdempotentAnswer.objects.select_for_update())
            has_it.set()
            assert is_told.wait(30)
        connection.close()

    thread = threading.Thread(target=former)
    thread.start()
    assert has_it.wait(30)
    with pytest.raises(idempotency.StillRunning):
        idempotency.once_outside(alice.tenant_id, one, work)
    is_told.set()
    thread.join(30)
    assert idempotency.once_outside(alice.tenant_id, one, work).data == {"calls": 1}


def test_what_is_run_again_after_a_death_runs_under_the_same_key(alice: Person) -> None:
    found = []

    def work() -> Response:
        running = idempotency.running()
        assert running is not None
        found.append(running)
        return Response({})

    one, other = asked(alice, "died"), asked(alice, "another")
    for each in (one, other, one):
        idempotency.once_outside(alice.tenant_id, each, work)
        unanswered(alice, each.key, owner=NOBODY)
    first, another, again = found
    assert first.key_id == again.key_id != another.key_id
    assert first.run != again.run
    assert idempotency.running() is None


def test_a_key_whose_taking_was_committed_and_not_said_is_still_ones_own(alice: Person) -> None:
    """The lost commit's second run finds what the first did; another's run does not."""
    one, run, owner = asked(alice, "lost"), new_id(), ownership.owner()
    first, again = (
        in_tenant(alice.tenant_id, lambda: idempotency._take(one, owner, run)) for _ in range(2)
    )
    assert isinstance(first, Running)
    assert isinstance(again, Running)
    assert (first.key_id, first.run) == (again.key_id, again.run)
    with pytest.raises(idempotency.StillRunning):
        in_tenant(alice.tenant_id, lambda: idempotency._take(one, owner, new_id()))


def test_a_dead_requests_key_is_no_other_requests(alice: Person) -> None:
    """It may have been done."""
    idempotency.once_outside(alice.tenant_id, asked(alice, "dead"), Outside())
    unanswered(alice, "dead", owner=NOBODY)
    with pytest.raises(idempotency.KeyReused):
        idempotency.once_outside(alice.tenant_id, asked(alice, "dead", b"g" * 32), Outside())


@pytest.mark.parametrize("holds", [True, False], ids=["as it goes on", "as it answers"])
def test_what_thaws_once_another_has_its_key_commits_nothing_more(
    alice: Person, holds: bool
) -> None:
    """Frozen for as long as another does the whole of it: that one's answer is the answer."""
    one, later = asked(alice, "frozen"), Outside()
    went_on: list[bool] = []

    def frozen() -> Response:
        running = idempotency.running()
        assert running is not None
        unanswered(alice, "frozen", owner=NOBODY)
        idempotency.once_outside(alice.tenant_id, one, later)
        if holds:
            with tenant_scope(alice.tenant_id):
                running.hold()
        went_on.append(True)
        return Response({"calls": "the frozen one's"})

    with pytest.raises(idempotency.StillRunning):
        idempotency.once_outside(alice.tenant_id, one, frozen)
    assert bool(went_on) is not holds
    assert idempotency.once_outside(alice.tenant_id, one, later).data == {"calls": 1}


def test_a_refusal_frees_the_key_unless_somebody_has_run_it_before(alice: Person) -> None:
    """What was made then must be found again."""

    def refuses() -> Response:
        raise idempotency.BadKey

    one, other = asked(alice, "refused"), asked(alice, "refused", b"g" * 32)
    with pytest.raises(idempotency.BadKey):
        idempotency.once_outside(alice.tenant_id, one, refuses)
    idempotency.once_outside(alice.tenant_id, other, Outside())
    unanswered(alice, "refused", owner=NOBODY)
    with pytest.raises(idempotency.BadKey):
        idempotency.once_outside(alice.tenant_id, other, refuses)
    with pytest.raises(idempotency.KeyReused):
        idempotency.once_outside(alice.tenant_id, one, Outside())


def test_a_connection_test_takes_a_key(alice: Person, asking: Ask, of_alice: Carried) -> None:
    place = f"/api/v1/endpoints/{of_alice.endpoint}/connection-test"
    first, again = (post(asking(alice), "tested", "", place) for _ in range(2))
    assert first.status_code == 200
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
