"""What goes wrong on the way to the platform: nothing is lost, no Create goes twice of itself."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection

from messaging.inbound.exchange import HttpAnswer
from messaging.relay import maintenance
from messaging.relay.maintenance import Switched
from messaging.relay.smp import asking, checking, deciding, due, jobs, logins, sending
from messaging.relay.smp.logins import TOKEN
from messaging.relay.smp.places import find_platform, get_platform
from messaging.relay.smp.posting import Reply
from messaging.relay.smp.work import work_on
from messaging.smp_models import (
    RegisteredAsset,
    SmpBatch,
    SmpDue,
    SmpJob,
    SmpLogin,
    SmpPart,
    SmpRow,
)
from tenants import vault
from tenants.changes import WATCH
from tenants.clock import now
from tenants.ids import new_id
from tenants.models import Endpoint
from tests.owners import living
from tests.roles import as_role
from tests.servers import TestServers
from tests.smp.assets import asset, table
from tests.smp.rig import PASSWORD, Rig, until

State, Batch = SmpJob.State, SmpBatch.State
CREATE = "Asset/Create"


def small(rig: Rig, count: int = 2, **changes: Any) -> UUID:
    return rig.upload(table(asset(n) for n in range(count)), **changes)


def created(rig: Rig) -> int:
    return len(rig.asked(CREATE))


def to_unknown(rig: Rig, fault: str = "timeout_after") -> tuple[UUID, SmpBatch]:
    """A job whose one batch was sent and not answered."""
    rig.set(answer_seconds=1)
    rig.fault(fault, CREATE)
    job_id = small(rig)
    until(lambda: rig.step() and rig.batches(job_id) and rig.batches(job_id)[0].attempts)
    (batch,) = rig.batches(job_id)
    assert batch.state == Batch.UNKNOWN
    return job_id, batch


@pytest.mark.parametrize(
    "fault",
    ["timeout_before", "timeout_after", "reset", "http_500", "bad_signature", "wrong_in_reply_to"],
)
def test_an_unanswered_create_is_unknown_and_not_sent_again(rig: Rig, fault: str) -> None:
    job_id, batch = to_unknown(rig, fault)
    rig.no_faults()
    for _ in range(4):
        rig.step()
    (after,) = rig.batches(job_id)
    assert (after.state, after.attempts) == (Batch.UNKNOWN, 1)
    assert (batch.maybe_taken, rig.job(job_id).state) == (True, State.SENDING)


def test_the_batch_return_settles_what_nobody_answered(rig: Rig) -> None:
    job_id, _ = to_unknown(rig)
    assert rig.give_back("a transaction of its own").status == 200
    job = rig.job(job_id)
    assert (job.state, job.rows_registered) == (State.REGISTERED, 2)
    (after,) = rig.batches(job_id)
    assert after.transaction_id == "a transaction of its own"
    assert after.settled_by == SmpBatch.SettledBy.RETURN


def test_a_return_that_names_the_message_it_answers_settles_that_one(rig: Rig) -> None:
    job_id, batch = to_unknown(rig)
    assert rig.give_back("another's", answers=new_id()).status == 404
    assert rig.give_back("its own", answers=batch.id).status == 200
    assert rig.job(job_id).state == State.REGISTERED


def test_a_return_that_cannot_be_its_own_does_not_settle_it(rig: Rig) -> None:
    job_id, _ = to_unknown(rig)
    errors = [{"index": 5, "field": "postcode", "code": "R003", "text": "beyond the batch"}]
    assert rig.give_back("of somebody with more rows", "FAILED", errors).status == 404
    assert rig.job(job_id).state == State.SENDING


def test_while_a_return_is_waited_for_nothing_else_goes_and_then_a_person_is_called(
    rig: Rig,
) -> None:
    job_id, batch = to_unknown(rig)
    other = rig.upload(table([asset(50)]))
    for _ in range(3):
        rig.step()
    assert rig.batches(other)[0].state == Batch.WAITING
    rig.set(return_seconds=1)
    until(lambda: rig.step() and rig.batches(job_id)[0].person_called_at)
    assert rig.run(other).state == State.REGISTERED
    assert rig.batches(job_id)[0].state == Batch.UNKNOWN
    alarms = rig.entries("alarmed", what=f"registration, {batch}")
    assert "find out, and resolve the batch" in alarms[-1]["text"]


def resolved(rig: Rig, batch: SmpBatch, **verdict: Any) -> None:
    told = {"taken": False, "transaction": "", "reason": "asked them", "by": "ann", **verdict}
    rig.within(lambda: deciding.resolve(batch.id, **told))


def test_a_person_says_it_was_not_taken_and_it_goes_again_under_the_same_id(rig: Rig) -> None:
    before = created(rig)
    job_id, batch = to_unknown(rig)
    resolved(rig, batch)
    assert rig.run(job_id).state == State.REGISTERED
    sent = rig.asked(CREATE)[before:]
    assert len({row["payloadSha256"] for row in sent}) == 1
    assert sent[-1]["payload"]["messageId"] == str(batch.id)
    told = rig.entries("registration", verb=f"{batch}: not taken")
    assert (told[-1]["by"], told[-1]["reason"]) == ("ann", "asked them")


def test_a_person_says_it_was_taken_and_it_counts_as_registered(rig: Rig) -> None:
    before = created(rig)
    job_id, batch = to_unknown(rig)
    resolved(rig, batch, taken=True)
    assert rig.job(job_id).state == State.REGISTERED
    (after,) = rig.batches(job_id)
    assert (after.settled_by, created(rig) - before) == (SmpBatch.SettledBy.PERSON, 1)
    with pytest.raises(deciding.NotUnknown):
        resolved(rig, batch)


def test_a_person_tells_its_transaction_and_it_is_asked_about(rig: Rig) -> None:
    job_id, batch = to_unknown(rig)
    transaction = list(rig.simulator._smp._transactions._known)[-1]
    resolved(rig, batch, taken=True, transaction=transaction)
    assert rig.run(job_id).state == State.REGISTERED
    assert rig.batches(job_id)[0].settled_by == SmpBatch.SettledBy.STATUS


def test_where_the_platform_refuses_duplicates_it_goes_again_by_itself(rig: Rig) -> None:
    before = created(rig)
    rig.set(answer_seconds=1, unanswered="repeat")
    rig.fault("timeout_after", CREATE)
    job = rig.run(small(rig))
    assert (job.state, job.rows_registered) == (State.REGISTERED, 2)
    sent = rig.asked(CREATE)[before:]
    assert len(sent) == 2
    assert len({row["payloadSha256"] for row in sent}) == 1


def test_what_certainly_was_not_taken_goes_again(rig: Rig) -> None:
    for fault in ("http_503", "r999"):
        rig.fault(fault, CREATE, retryAfter=0)
        job = rig.run(small(rig))
        assert job.state == State.REGISTERED
        assert rig.batches(job.id)[0].attempts == 2
        rig.within(lambda: RegisteredAsset.objects.update(valid_to="2026-01-01T00:00Z"))


def test_while_nobody_listens_nothing_is_unknown(rig: Rig) -> None:
    rig.set(address="https://127.0.0.1:9")
    job_id = small(rig)
    until(lambda: rig.step() and rig.batches(job_id) and rig.batches(job_id)[0].attempts)
    assert rig.batches(job_id)[0].state == Batch.WAITING
    rig.set()
    assert rig.run(job_id).state == State.REGISTERED


def test_a_token_is_kept_and_shared_until_it_ends(rig: Rig) -> None:
    before = len(rig.asked("Authenticate"))
    rig.run(small(rig))
    rig.run(rig.upload(table([asset(50)])))
    assert len(rig.asked("Authenticate")) == before + 1
    assert rig.entries("logged in")


def test_a_token_is_replaced_before_it_ends(rig: Rig) -> None:
    rig.times(token=1)
    before = len(rig.asked("Authenticate"))
    for n in range(3):
        assert rig.run(rig.upload(table([asset(60 + n)]))).state == State.REGISTERED
        threading.Event().wait(0.9)
    assert len(rig.asked("Authenticate")) >= before + 3


def test_a_token_that_is_refused_is_replaced_once_and_nothing_is_unknown(rig: Rig) -> None:
    rig.run(small(rig))
    rig.simulator._smp._tokens = type(rig.simulator._smp._tokens)()
    job = rig.run(rig.upload(table([asset(70)])))
    assert job.state == State.REGISTERED
    assert rig.batches(job.id)[0].attempts == 1


def test_a_token_that_a_dead_process_was_asking_for_is_asked_for_by_the_next_that_looks(
    rig: Rig, servers: TestServers, database: str
) -> None:
    rig.login()
    platform = rig.within(lambda: get_platform(rig.endpoint_id))
    before = len(rig.asked("Authenticate"))
    with living(servers, database) as other, living(servers, database, 5) as third:
        turn = rig.within(lambda: logins._find(platform, None, other))
        assert isinstance(turn, logins._MayAsk)
        assert rig.within(lambda: logins._find(platform, None, third)) is None
    bearer = logins.bearer(rig.person.tenant_id, platform)
    assert len(rig.asked("Authenticate")) == before + 1
    # The one that was at it, were it only frozen, leaves all as it is.
    rig.within(lambda: logins._let_go(platform, turn, now()))
    assert rig.within(lambda: logins._find(platform, None, 5)) == bearer


def test_a_refused_login_is_an_alarm_and_tried_again_only_when_it_is_set_anew(rig: Rig) -> None:
    rig.login("wrong")
    job_id = small(rig)
    before = len(rig.asked("Authenticate"))
    for _ in range(5):
        rig.step()
    assert len(rig.asked("Authenticate")) == before + 1
    assert rig.batches(job_id)[0].state == Batch.WAITING
    assert rig.entries("alarmed", text="the platform refuses the login")
    rig.login()
    assert rig.run(job_id).state == State.REGISTERED


def test_neither_password_nor_token_stands_anywhere_in_clear(
    rig: Rig, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    rig.simulator._smp._tokens = type(rig.simulator._smp._tokens)()
    rig.run(small(rig))
    token = rig.within(lambda: _token(rig))
    told = caplog.text + "".join(capfd.readouterr())
    for text in (PASSWORD, token):
        assert text not in told
        assert not rig.within(lambda sought=text: _in_database(sought))  # type: ignore[misc]


def _token(rig: Rig) -> str:
    row = SmpLogin.objects.get(endpoint_id=rig.endpoint_id)
    assert row.token is not None
    return vault.unseal(bytes(row.token), TOKEN, row.id).decode()


def _in_database(text: str) -> bool:
    tables = ("messaging_smplogin", "audit_entry", "audit_body", "messaging_smpjob")
    with connection.cursor() as cursor:
        for table_name in tables:
            statement = f"SELECT count(*) FROM {table_name} t WHERE position(%s in t::text) > 0"
            cursor.execute(statement, [text])
            if cursor.fetchone()[0]:
                return True
            cursor.execute(statement, [text.encode().hex()])
            if cursor.fetchone()[0]:
                return True
    return False


def open_batch(rig: Rig) -> tuple[UUID, SmpBatch]:
    rig.times(pending=600)
    job_id = small(rig)
    until(lambda: rig.step() and rig.batches(job_id) and rig.batches(job_id)[0].transaction_id)
    return job_id, rig.batches(job_id)[0]


def test_a_return_before_the_answer_to_a_question_wins_and_the_other_changes_nothing(
    rig: Rig,
) -> None:
    job_id, batch = open_batch(rig)
    assert rig.give_back(batch.transaction_id).status == 200
    assert rig.give_back(batch.transaction_id, "FAILED").status == 200
    job = rig.job(job_id)
    assert (job.state, job.rows_registered, job.rows_failed) == (State.REGISTERED, 2, 0)
    assert rig.entries("alarmed", text="the batch return says failed, and it counts as REGISTERED")


def test_a_return_sent_twice_gets_the_same_answer_and_one_of_another_body_none(rig: Rig) -> None:
    _, batch = open_batch(rig)
    message_id = new_id()
    first = rig.give_back(batch.transaction_id, message_id=message_id)
    again = rig.give_back(batch.transaction_id, "FAILED", message_id=message_id)
    assert (first.status, again.status) == (200, 409)
    payload: dict[str, Any] = {"messageId": str(new_id())}
    payload |= {"transactionId": batch.transaction_id}
    payload |= {"status": "SUCCESS", "errors": []}
    told = json.dumps(payload).encode()
    answers = [rig.post(told, UUID(str(payload["messageId"]))) for _ in range(2)]
    assert [one.status for one in answers] == [200, 200]


def test_a_return_of_an_unknown_transaction_is_404_and_not_remembered(rig: Rig) -> None:
    message_id = new_id()
    job_id, batch = open_batch(rig)
    payload = {"messageId": str(message_id), "transactionId": "not yet", "status": "SUCCESS"}
    told = json.dumps({**payload, "errors": []}).encode()
    assert rig.post(told, message_id).status == 404
    rig.within(lambda: SmpBatch.objects.filter(id=batch.id).update(transaction_id="not yet"))
    assert rig.post(told, message_id).status == 200
    assert rig.job(job_id).state == State.REGISTERED


@contextmanager
def under_maintenance(servers: TestServers, database: str) -> Iterator[None]:
    def switch(verb: Callable[[Switched], object]) -> None:
        with as_role("staff", servers, database):
            verb(Switched("ada", "new disks", now()))
        # A watch that has just begun remembers nothing.
        WATCH.stop()

    switch(maintenance.begin)
    try:
        yield
    finally:
        switch(maintenance.end)


def test_under_maintenance_nothing_goes_and_a_return_is_put_off_and_not_remembered(
    rig: Rig, servers: TestServers, database: str
) -> None:
    job_id, batch = open_batch(rig)
    message_id = new_id()
    payload = {"messageId": str(message_id), "transactionId": batch.transaction_id}
    told = json.dumps({**payload, "status": "SUCCESS", "errors": []}).encode()
    with under_maintenance(servers, database):
        other, asked = rig.upload(table([asset(50)])), len(rig.asked("TransactionStatus"))
        for _ in range(3):
            rig.step()
        assert (rig.batches(other)[0].state, rig.batches(other)[0].attempts) == (Batch.WAITING, 0)
        assert len(rig.asked("TransactionStatus")) == asked
        answer = rig.post(told, message_id)
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
        assert said(answer)["errors"][0]["code"] == "R999"
        assert said(answer)["inReplyTo"] == str(message_id)
        assert rig.job(job_id).state == State.SENDING
    assert rig.post(told, message_id).status == 200
    assert rig.job(job_id).state == State.REGISTERED
    rig.times()
    assert rig.run(other).state == State.REGISTERED


def said(answer: HttpAnswer) -> dict[str, Any]:
    """An answer's payload; whether its seal holds is looked at elsewhere."""
    payload = json.loads(answer.body)["payload"]
    told: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return told


def test_a_return_that_is_none_is_refused(rig: Rig) -> None:
    message_id = new_id()
    told = json.dumps({"messageId": str(message_id), "status": "DONE"}).encode()
    assert rig.post(told, message_id).status == 422
    assert rig.post(told, message_id).status == 422


def test_a_return_that_the_platform_did_not_sign_is_refused(rig: Rig) -> None:
    job_id, batch = open_batch(rig)
    assert rig.give_back(batch.transaction_id, signer=rig.person.signing).status == 401
    assert rig.job(job_id).state == State.SENDING


def test_a_transaction_that_the_platform_forgets_is_a_persons_to_find_out(rig: Rig) -> None:
    job_id, _ = open_batch(rig)
    rig.simulator._smp._transactions._known.clear()
    until(lambda: rig.step() and rig.batches(job_id)[0].state == Batch.UNKNOWN)
    (batch,) = rig.batches(job_id)
    assert batch.person_called_at is not None
    assert "does not know its transaction" in batch.text


class Killed(BaseException):
    """As good as kill -9: nothing of ours looks after it."""


def killed_at(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *, after: int = 0
) -> Callable[[], None]:
    """Has the relay stop dead at the call of a function."""
    whole, calls = getattr(module, name), [0]

    def stop(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] > after:
            raise Killed
        return whole(*arguments, **named)

    monkeypatch.setattr(module, name, stop)
    return monkeypatch.undo


def test_killed_while_reading_it_goes_on_where_it_was(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "ROWS_AT_ONCE", 10)
    job_id = small(rig, 45)
    undo = killed_at(monkeypatch, checking, "_store", after=2)
    with pytest.raises(Killed):
        rig.work(job_id)
    assert rig.job(job_id).rows_read == 20
    undo()
    job = rig.run(job_id)
    assert (job.state, job.rows_read, job.rows_registered) == (State.REGISTERED, 45, 45)
    assert rig.within(lambda: SmpRow.objects.filter(job=job).count()) == 45


def test_killed_between_sealing_and_the_answer_it_is_unknown_and_not_sent_twice(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = created(rig)
    job_id = small(rig)
    rig.work(job_id)
    undo = killed_at(monkeypatch, sending, "_settle")
    with pytest.raises(Killed):
        rig.work(job_id)
    assert (created(rig) - before, rig.batches(job_id)[0].state) == (1, Batch.SENDING)
    undo()
    for _ in range(3):
        rig.step()
    assert (created(rig) - before, rig.batches(job_id)[0].state) == (1, Batch.UNKNOWN)
    assert rig.give_back("its transaction").status == 200
    assert rig.job(job_id).state == State.REGISTERED


def test_killed_while_asking_it_is_asked_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, batch = open_batch(rig)
    undo = killed_at(monkeypatch, asking, "_settle")
    with pytest.raises(Killed):
        rig.work(batch.id)
    undo()
    rig.times()
    assert rig.give_back(batch.transaction_id).status == 200
    assert rig.job(job_id).state == State.REGISTERED


def test_what_another_process_has_in_hand_is_left_to_it(rig: Rig) -> None:
    job_id = small(rig)
    rig.work(job_id)
    rig.within(lambda: SmpBatch.objects.filter(job_id=job_id).update(state=Batch.SENDING))
    assert rig.within(lambda: due.claim(job_id, 12345, now()))
    work_on(rig.person.tenant_id, job_id)
    assert rig.batches(job_id)[0].state == Batch.SENDING
    rig.step()
    assert rig.batches(job_id)[0].state == Batch.UNKNOWN


def test_what_a_dead_process_had_in_hand_is_due_at_the_next_sweep(
    rig: Rig, servers: TestServers, database: str
) -> None:
    job_id = small(rig)
    later = now() + timedelta(minutes=30)
    with living(servers, database) as other:
        assert rig.within(lambda: due.claim(job_id, other, later))
        assert job_id not in [item_id for _, item_id in due.pick(100)]
    assert job_id in [item_id for _, item_id in due.pick(100)]
    row = SmpDue.objects.get(item_id=job_id)
    assert (row.owner, row.due_at <= now() + timedelta(seconds=2)) == (None, True)
    assert rig.run(job_id).state == State.REGISTERED


def test_a_sender_that_was_frozen_until_another_sent_it_again_takes_nothing_from_it(
    rig: Rig, servers: TestServers, database: str
) -> None:
    rig.set(unanswered="repeat")
    job_id = small(rig)
    rig.work(job_id)
    with living(servers, database) as frozen, living(servers, database, 5) as other:
        sent = rig.within(lambda: sending._claim(job_id, frozen))
        assert sent is not None
        rig.within(lambda: due.put(job_id, now()))
        assert rig.within(lambda: sending._claim(job_id, other)) is None, "it waits before it"
        rig.within(lambda: SmpBatch.objects.filter(job_id=job_id).update(wait_until=None))
        assert rig.within(lambda: sending._claim(job_id, other)) is not None
        nothing = Reply(now(), "no answer")
        assert not rig.within(lambda: sending._settle(job_id, sent, nothing))
        (batch,) = rig.batches(job_id)
        assert (batch.state, batch.attempts) == (Batch.SENDING, 2)
        assert SmpDue.objects.get(item_id=job_id).owner == other
    assert rig.run(job_id).state == State.REGISTERED


def test_a_cancelled_job_sends_no_more_and_settles_what_was_sent(rig: Rig) -> None:
    rig.times(pending=600)
    job_id = small(rig, 1200)
    until(lambda: rig.step() and rig.batches(job_id) and rig.batches(job_id)[0].transaction_id)
    rig.within(
        lambda: SmpBatch.objects.filter(job_id=job_id, position=2).update(
            state=Batch.WAITING, transaction_id=""
        )
    )
    rig.within(lambda: jobs.cancel(job_id, "ann"))
    first, second = rig.batches(job_id)
    assert (rig.job(job_id).state, second.state) == (State.CANCELLING, Batch.NOT_SENT)
    assert rig.give_back(first.transaction_id).status == 200
    job = rig.job(job_id)
    assert (job.state, job.rows_registered) == (State.CANCELLED, 1000)
    with pytest.raises(jobs.CannotCancel):
        rig.within(lambda: jobs.cancel(job_id, "ann"))


def test_a_job_cancelled_while_it_is_checked_ends_at_once(rig: Rig) -> None:
    job_id = small(rig)
    rig.within(lambda: jobs.cancel(job_id, "ann"))
    rig.step()
    assert rig.job(job_id).state == State.CANCELLED
    assert rig.within(lambda: SmpPart.objects.filter(job_id=job_id).count()) == 0


def test_uploads_are_bounded_in_size_and_number(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = rig.within(lambda: find_platform("simulator"))
    assert platform is not None
    monkeypatch.setattr(settings, "SMP_UPLOAD_MB", 1)
    with pytest.raises(jobs.TooLarge):
        rig.upload(b"x" * (2**20 + 1))
    with pytest.raises(jobs.Empty):
        rig.upload(b"")
    assert rig.within(lambda: SmpPart.objects.count()) == 0
    monkeypatch.setattr(settings, "SMP_OPEN_JOBS", 1)
    small(rig)
    with pytest.raises(jobs.TooManyJobs):
        small(rig)


def test_a_file_of_too_many_rows_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SMP_ROWS", 10)
    job = rig.run(small(rig, 11))
    assert (job.state, job.reason) == (State.REFUSED, "row 12: more than 10 rows")


def test_a_held_endpoint_sends_nothing(rig: Rig) -> None:
    job_id = small(rig)
    rig.within(lambda: Endpoint.objects.filter(id=rig.endpoint_id).update(state="HELD"))
    for _ in range(3):
        rig.step()
    assert rig.batches(job_id)[0].attempts == 0
    rig.within(lambda: Endpoint.objects.filter(id=rig.endpoint_id).update(state="ACTIVE"))
    assert rig.run(job_id).state == State.REGISTERED


def aged(rig: Rig, job_id: UUID) -> None:
    past = now() - timedelta(hours=24)
    rig.within(lambda: SmpJob.objects.filter(id=job_id).update(created_at=past))


def test_what_the_platform_does_not_take_within_a_day_expires_and_is_not_sent_late(
    rig: Rig,
) -> None:
    rig.fault("http_503", CREATE, times=None)
    job_id = small(rig)
    until(lambda: rig.step() and rig.batches(job_id) and rig.batches(job_id)[0].attempts)
    asked = created(rig)
    aged(rig, job_id)
    rig.no_faults()
    rig.within(lambda: SmpBatch.objects.filter(job_id=job_id).update(wait_until=now()))
    rig.work(job_id)
    job, (batch,) = rig.job(job_id), rig.batches(job_id)
    assert job.state == State.FAILED
    assert (batch.state, created(rig)) == (Batch.NOT_SENT, asked)
    assert "expired: not taken within a day" in batch.text
    assert job.rows_failed == batch.rows
    assert [source for _, _, source in rig.findings(job_id)] == ["HOST"]
    assert [len(rig.entries(event)) > 0 for event in ("expired", "alarmed")] == [True, True]


def test_what_a_person_put_back_a_day_later_has_one_more_try(rig: Rig) -> None:
    job_id, batch = to_unknown(rig)
    rig.no_faults()
    aged(rig, job_id)
    resolved(rig, batch)
    rig.run(job_id, State.REGISTERED)
