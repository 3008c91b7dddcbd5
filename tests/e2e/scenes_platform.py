"""What passes between the host and the Single Markets Platform, to each outcome of the matrix; and
how an operator misbehaves that asks the host something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

from tenants.clock import now
from tests.e2e.lanes import Json, Lane
from tests.e2e.matrix import Message, Outcome
from tests.e2e.rig import stamp
from tests.e2e.scenes_up import FAULTS, faults_of, first_status
from tests.smp.assets import asset, listed

AUTHENTICATE, RESULT = "Authenticate", "TransactionResult"
ASSET, UNIT, STATUS = "Asset/Create", "Unit/Create", "TransactionStatus"
NO_RETURN: Json = {"fault": "receipt_missing", "times": 1}
NO_STATUS: Json = {"fault": "http_500", "path": STATUS, "times": None}
Later = Callable[[], object]
"""How a scene goes on, once the host takes messages again."""

REPEATING: Final = (Outcome.NOT_TAKEN, Outcome.HTTP_500, Outcome.REPEAT)
"""Played with an endpoint that sends again what was not answered; else the batch return settles
it."""


def number_of(lane: Lane) -> int:
    """Another for each lane and scene: MPANs are one tenant's only once."""
    return 1000 * int(lane.told["participantId"][-1]) + lane.number()


def upload(lane: Lane, path: str) -> str:
    """A job's id."""
    number = number_of(lane)
    unit = {"unitName": f"Unit {number}"} if path == UNIT else None
    kind = "UNIT" if path == UNIT else "ASSETS"
    content = listed([asset(number)], unit)
    return str(lane.api("POST", f"smp/uploads?kind={kind}", content=content)["id"])


def finished(lane: Lane, job_id: str) -> Json:
    statement = "SELECT 1 FROM messaging_smpjob WHERE id = %s AND finished_at IS NOT NULL"
    lane.until(lambda: lane.query(statement, job_id), f"the end of job {job_id}")
    job = lane.api("GET", f"smp/jobs/{job_id}")
    assert isinstance(job, dict)
    return job


def batch_of(lane: Lane, job_id: str) -> Json:
    (batch,) = lane.api("GET", f"smp/jobs/{job_id}/batches")["results"]
    assert isinstance(batch, dict)
    return batch


def create(lane: Lane, outcome: Outcome, path: str) -> None:
    if outcome in (Outcome.LATER, Outcome.REJECTED_LATER):
        _returned(lane, outcome, path)
        return
    no_return = [{**NO_RETURN, "path": path}] if outcome is Outcome.REPEAT else []
    lane.smp.faults(*no_return, *faults_of(outcome, path))
    since = lane.smp.noted()
    job_id = upload(lane, path)
    job = finished(lane, job_id)
    said = lane.smp.exchanges(since, path)
    noted = [one for one in said if one.payload]
    assert len({one.digest for one in noted}) == 1, "other bytes under the same id"
    assert said[0].status == first_status(outcome), said
    if outcome is Outcome.REFUSED:
        assert job["state"] == "FAILED", job
        return
    assert job["state"] == "REGISTERED", job
    batch = batch_of(lane, job_id)
    assert batch["transaction_id"], batch
    if outcome is not Outcome.AT_ONCE:
        assert FAULTS[outcome]["fault"] in said[0].faults, said
    if outcome in (*REPEATING, Outcome.OUT, Outcome.BARE_503):
        assert {one.status for one in said[1:]} == {200}, said
    else:
        assert (len(said), batch["attempts"]) == (1, 1), "a Create is not sent again of itself"
    if outcome is Outcome.REPEAT:
        assert len({one.said["transactionId"] for one in said}) == 1, said
    if outcome not in (*REPEATING, Outcome.OUT, Outcome.BARE_503, Outcome.AT_ONCE):
        assert batch["settled_by"] == "RETURN", batch


def _returned(lane: Lane, outcome: Outcome, path: str) -> None:
    """By a batch return, good or bad; asking brings nothing meanwhile."""
    transaction, job_id = open_transaction(lane, path)
    failed = outcome is Outcome.REJECTED_LATER
    answer = lane.post(RESULT, result(transaction, failed=failed))
    assert (answer.status, answer.verified) == (200, True), answer
    assert finished(lane, job_id)["state"] == ("FAILED" if failed else "REGISTERED")
    assert batch_of(lane, job_id)["settled_by"] == "RETURN"


def open_transaction(lane: Lane, path: str = ASSET) -> tuple[str, str]:
    """A transaction of which the platform says nothing more, and its job."""
    lane.smp.faults({**NO_RETURN, "path": path}, NO_STATUS)
    job_id = upload(lane, path)

    statement = (
        "SELECT transaction_id FROM messaging_smpbatch WHERE job_id = %s AND transaction_id <> ''"
    )
    ((transaction,),) = lane.until(
        lambda: lane.query(statement, job_id), f"a transaction of job {job_id}"
    )
    return str(transaction), job_id


def result(transaction: str, *, failed: bool = False) -> Json:
    errors = [{"index": 0, "field": "postcode", "code": "R003", "text": "not there"}]
    return {
        "messageId": str(uuid4()),
        "sentAt": stamp(now()),
        "profile": "host-1",
        "transactionId": transaction,
        "status": "FAILED" if failed else "SUCCESS",
        "errors": errors if failed else [],
    }


def ask_status(lane: Lane, outcome: Outcome) -> None:
    """The batch return stays away; the question that met the fault is asked again."""
    lane.smp.faults({**NO_RETURN, "path": ASSET}, *faults_of(outcome, STATUS))
    since = lane.smp.noted()
    job_id = upload(lane, ASSET)
    assert finished(lane, job_id)["state"] == "REGISTERED"
    assert batch_of(lane, job_id)["settled_by"] == "STATUS"
    said = lane.smp.exchanges(since, STATUS)
    assert (said[0].status, said[-1].status) == (first_status(outcome), 200), said
    if outcome is not Outcome.AT_ONCE:
        assert (FAULTS[outcome]["fault"] in said[0].faults, len(said) > 1) == (True, True), said


def authenticate(lane: Lane, outcome: Outcome) -> None:
    """With no token left; nothing goes without one."""
    told = lane.told
    login = {"username": told["tenant"], "password": f"pass-{told['participantId']}"}
    lane.api("PUT", "smp/login", {"environment": "simulator", **login})
    lane.smp.faults(*faults_of(outcome, AUTHENTICATE))
    since = lane.smp.noted()
    assert finished(lane, upload(lane, ASSET))["state"] == "REGISTERED"
    said = lane.smp.exchanges(since, AUTHENTICATE)
    assert (said[0].status, said[-1].status) == (first_status(outcome), 200), said
    if outcome is not Outcome.AT_ONCE:
        assert (FAULTS[outcome]["fault"] in said[0].faults, len(said) > 1) == (True, True), said
    assert len(lane.smp.exchanges(since, ASSET)) == 1


# What comes of itself.

SPOILED: Final[dict[Outcome, Json]] = {
    Outcome.BAD_SIGNATURE: {"fault": "bad_signature", "direction": "requests"},
    Outcome.STRANGER: {"fault": "wrong_key", "direction": "requests"},
    Outcome.STALE: {"fault": "clock_skew", "seconds": 900, "direction": "requests"},
}


CUT_SHORT: Final = (Outcome.NOT_TAKEN, Outcome.BROKEN_OFF)
"""Where the operator goes away too early."""


def cut_short(lane: Lane, service: str, told: Json, outcome: Outcome) -> None:
    """What came whole is taken, once, though nobody heard the answer; what did not come whole is
    not.
    """
    whole = outcome is Outcome.BROKEN_OFF
    lane.cut_short(service, told, whole=whole)
    assert lane.taken(told["messageId"]) == int(whole)


def not_taken(lane: Lane, service: str, told: Json, outcome: Outcome) -> None:
    """While the host cannot take it."""
    answer = lane.post(service, told)
    assert (answer.status, answer.retry_after > 0) == (503, True), answer
    is_sealed = outcome is Outcome.OUT
    assert (answer.verified, b'"R999"' in answer.body) == (is_sealed, is_sealed), answer
    assert lane.taken(told["messageId"]) == 0


def batch_return(lane: Lane, outcome: Outcome) -> Later | None:
    if outcome in (Outcome.OUT, Outcome.BARE_503):
        return _returned_while_out(lane, outcome)
    transaction, job_id = open_transaction(lane)
    told = result(transaction)
    if outcome in SPOILED:
        assert lane.post(RESULT, told, SPOILED[outcome]).status == 401
    elif outcome is Outcome.REFUSED:
        bad = {**told, "messageId": str(uuid4()), "status": "PERHAPS"}
        answer = lane.post(RESULT, bad)
        assert (answer.status, answer.verified) == (422, True), answer
        unknown = lane.post(RESULT, result(str(uuid4())))
        assert (unknown.status, unknown.verified) == (404, True), unknown
    assert lane.api("GET", f"smp/jobs/{job_id}")["state"] == "SENDING"
    if outcome in CUT_SHORT:
        cut_short(lane, RESULT, told, outcome)
    first = lane.post(RESULT, told)
    assert (first.status, first.verified) == (200, True), first
    assert finished(lane, job_id)["state"] == "REGISTERED"
    assert lane.taken(told["messageId"]) == 1
    if outcome is Outcome.REPEAT:
        assert lane.post(RESULT, told).body == first.body
    if outcome is Outcome.OTHER_BYTES:
        assert lane.post(RESULT, {**told, "status": "FAILED"}).status == 409
        assert finished(lane, job_id)["state"] == "REGISTERED"
    return None


def _returned_while_out(lane: Lane, outcome: Outcome) -> Later:
    """Of a transaction that there is not: which is told only when the host judges it at all."""
    told = result(str(uuid4()))
    not_taken(lane, RESULT, told, outcome)

    def judged() -> None:
        answer = lane.post(RESULT, told)
        assert (answer.status, answer.verified) == (404, True), answer

    return judged


@contextmanager
def repeating(lane: Lane) -> Iterator[None]:
    """With an endpoint that sends again what got no answer, and then as it was."""
    rows = lane.api("GET", "endpoints?limit=500")["results"]
    (row,) = [one for one in rows if one["protocol"] == "neso-smp"]
    place = f"endpoints/{row['id']}"
    lane.api("PATCH", place, {"settings": {**row["settings"], "unanswered": "repeat"}})
    try:
        yield
    finally:
        lane.api("PATCH", place, {"settings": row["settings"]})


PLATFORM: Final[dict[Message, Callable[[Lane, Outcome], Any]]] = {
    Message.AUTHENTICATE: authenticate,
    Message.ASSET: lambda lane, outcome: create(lane, outcome, ASSET),
    Message.UNIT: lambda lane, outcome: create(lane, outcome, UNIT),
    Message.STATUS: ask_status,
    Message.RESULT: batch_return,
}
