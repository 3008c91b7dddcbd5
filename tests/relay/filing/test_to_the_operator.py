"""A submission at the simulated operator and back: the verdict becomes a reply file, at once or
later, with the operator's errors at their lines.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from messaging.domain.acknowledgements import ReceiptError, ReceiptOfMessage, ReceiptStatus
from messaging.models import Attempt, Delivery, Due, Message
from messaging.relay import filed_by_api, holds, verdicts
from messaging.relay.claim import NotClaimed
from messaging.relay.deliver import take_in_hand
from messaging.relay.load import load_locked
from messaging.relay.parts import is_large
from messaging.states import DeliveryState, LampState, Lane
from tenants.audit import bodies
from tenants.changes import WATCH
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.api.clients import client
from tests.people import Person
from tests.relay.filing.trading import OTHER, UNIT, Trading, golden, notification, scalar
from tests.relay.outages.conftest import look
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.speaking import until

ACK, ACC, REJ = (f"ALITA_000001.{ending}" for ending in ("ack", "acc", "rej"))


def delivery_of(trading: Trading, sequence: int = 1) -> Delivery:
    with tenant_scope(trading.person.tenant_id):
        rows = Delivery.objects.filter(
            lane=Lane.OPERATOR,
            message__endpoint_id=trading.endpoint_id,
            message__reference=f"ALITA_{sequence:06d}",
        )
        return rows.get()


def heard(operator: BothEnds, trading: Trading, sequence: int = 1) -> list[dict[str, Any]]:
    """What the operator got of a submission, try by try."""
    wanted = str(delivery_of(trading, sequence).id)
    rows = operator.control("GET", "/messages?since=0")["messages"]
    return [
        row
        for row in rows
        if row["direction"] == "in" and (row["payload"] or {}).get("messageId") == wanted
    ]


def attempts(trading: Trading) -> list[Attempt]:
    with tenant_scope(trading.person.tenant_id):
        return list(Attempt.objects.filter(delivery_id=delivery_of(trading).id).order_by("id"))


def again(trading: Trading, sequence: int = 1) -> None:
    """Whoever waits need not."""
    with tenant_scope(trading.person.tenant_id):
        Delivery.objects.filter(id=delivery_of(trading, sequence).id).update(wait_until=None)
    trading.submit()


def test_what_the_operator_accepts_is_accepted_by_a_file_after_the_acknowledgement(
    operator: BothEnds, trading: Trading
) -> None:
    trading.leave(trading.name(1), [*notification("ALITA", 0, 10, 20), scalar("ALITA")])
    trading.submit()
    assert trading.replies() == {
        ACK: golden("a_submission_that_is_received.ack"),
        ACC: golden("a_submission_that_is_accepted.acc"),
    }
    (got,) = heard(operator, trading)
    payload = got["payload"]
    assert (payload["tradingAgent"], payload["sequence"]) == ("ALITA", 1)
    assert [one["type"] for one in payload["records"]] == ["PN", "PN", "NDZ"]
    assert payload["records"][2]["value"] == 5


def test_the_operators_errors_stand_at_the_lines_of_the_file(
    operator: BothEnds, trading: Trading
) -> None:
    operator.fault(
        "refuse", times=1, code="R003", text="above, by far", errorPath="/records/1/levelTo"
    )
    pn = notification("ALITA", 0, 10, 20)
    trading.leave(trading.name(1), ["# a comment", pn[0], "", pn[1]])
    trading.submit()
    replies = trading.replies()
    assert sorted(replies) == [ACK, REJ]
    assert replies[REJ] == golden("an_error_of_the_operators_at_its_line.rej")


@pytest.mark.parametrize("later", [False, True])
def test_the_operators_errors_are_told_by_line_to_a_file_that_comes_after_the_api(
    operator: BothEnds, trading: Trading, later: bool
) -> None:
    """From what is kept of its answer, or of its receipt."""
    told = {"times": 1, "code": "R003", "text": "above, by far", "errorPath": "/records/1/value"}
    if later:
        operator.fault("receipt_later", seconds=0.1, status="REJECTED", **told)
    else:
        operator.fault("refuse", **told)
    content = f"# a comment\n{scalar('ALITA')}\n{scalar('ALITA', 6)}\n".encode()

    def by_api() -> None:
        point = filed_by_api.the_point(trading.endpoint_id)
        filing = filed_by_api.examine_file(point, content, "ALITA", 1, now(), "a key")
        filed_by_api.take(filing)

    in_tenant(trading.person.tenant_id, by_api)
    trading.submit()
    until(lambda: delivery_of(trading).state == DeliveryState.REFUSED)
    trading.leave(trading.name(1), content)
    assert trading.replies()[REJ].splitlines()[1:] == [
        "REJ,3,E030,value,R003 above, by far",
        "END,2,0",
    ]


def test_a_final_receipt_that_comes_later_is_the_reply(
    operator: BothEnds, trading: Trading
) -> None:
    operator.fault("receipt_later", times=1, seconds=0.5)
    trading.leave(trading.name(1), [scalar("ALITA")])
    trading.submit()
    assert sorted(trading.replies()) == [ACK]
    until(lambda: delivery_of(trading).state == DeliveryState.ACKNOWLEDGED)
    assert sorted(trading.replies()) == [ACC, ACK]


def test_in_an_outage_nothing_follows_the_acknowledgement_until_it_ends(
    operator: BothEnds, trading: Trading
) -> None:
    operator.fault("r999", times=1, retryAfter=1)
    trading.leave(trading.name(1), [scalar("ALITA")])
    trading.leave(trading.name(2), [scalar("ALITA", 6)])
    trading.submit()
    assert delivery_of(trading).state == DeliveryState.HELD
    assert sorted(trading.replies()) == [ACK, "ALITA_000002.ack"]
    assert not heard(operator, trading, 2), "numbers stay in order"
    assert look(trading.person).state == LampState.UP
    again(trading)
    trading.submit()
    assert sorted(trading.replies()) == [ACC, ACK, "ALITA_000002.acc", "ALITA_000002.ack"]


@pytest.mark.parametrize("units", [(UNIT,), (OTHER, UNIT)], ids=["alone", "among others"])
def test_while_a_unit_is_held_so_is_a_submission_that_names_it(
    operator: BothEnds, trading: Trading, units: tuple[str, ...]
) -> None:
    """And those behind it; one of other units goes as ever."""
    tenant_id = trading.person.tenant_id
    with tenant_scope(tenant_id):
        row = holds.place("a test", "a person", now(), bm_unit=UNIT)
    WATCH.stop()
    trading.leave(trading.name(1), [scalar("ALITA", unit=OTHER)])
    trading.submit()
    assert delivery_of(trading, 1).state == DeliveryState.ACKNOWLEDGED
    trading.leave(trading.name(2), [scalar("ALITA", unit=unit) for unit in units])
    trading.leave(trading.name(3), [scalar("ALITA", unit=OTHER)])
    trading.submit()
    assert {delivery_of(trading, number).state for number in (2, 3)} == {DeliveryState.HELD}
    with tenant_scope(tenant_id):
        holds.release(row, "a test", "a person", now())
    WATCH.stop()
    waiting = Due.objects.filter(delivery_id=delivery_of(trading, 2).id, due_at__lte=now())
    assert waiting.exists(), "whoever releases has it go"
    trading.submit()
    assert {delivery_of(trading, number).state for number in (2, 3)} == {DeliveryState.ACKNOWLEDGED}


def test_each_of_its_units_finds_a_submission_among_messages_and_dead_letters(
    operator: BothEnds, trading: Trading, alice: Person
) -> None:
    """What the operator refused, and what the host did, and nobody else's unit finds it."""
    operator.fault("refuse", times=1)
    trading.leave(trading.name(1), [scalar("ALITA", unit=unit) for unit in (UNIT, OTHER)])
    trading.submit()
    dead = delivery_of(trading)
    assert dead.state == DeliveryState.REFUSED
    units = (UNIT, OTHER, "NOSUCH-1")
    trading.leave(trading.name(2), [scalar("ALITA", unit=unit) for unit in units])
    with tenant_scope(alice.tenant_id):
        rows = Message.objects.filter(endpoint_id=trading.endpoint_id, origin="TRADING_POINT")
        refused = rows.get(reference="ALITA_000002")
    asker = client({"Authorization": f"Bearer {alice.api_key}"})

    def found(what: str, unit: str) -> list[str]:
        told = asker.get(f"/api/v1/{what}", {"bm_unit": unit, "limit": "500"}).json()["results"]
        return [row["id"] for row in told]

    for unit in (UNIT, OTHER):
        assert found("dead-letters", unit).count(str(dead.id)) == 1
        for message_id in (dead.message_id, refused.id):
            assert found("messages", unit).count(str(message_id)) == 1
    for unit in ("ALICP1-2", "NOSUCH-1"):
        assert str(dead.id) not in found("dead-letters", unit)
        assert not {str(dead.message_id), str(refused.id)} & set(found("messages", unit))
    asked = {"bm_unit": OTHER, "settled_since": dead.created_at.isoformat()}
    told = asker.post("/api/v1/dead-letters/replay", asked, format="json").json()
    assert told == {"replayed": 1, "left": [], "more": False}
    assert delivery_of(trading).state == DeliveryState.PENDING


def test_a_submission_whose_gate_closes_first_expires_with_an_alarm(
    operator: BothEnds, trading: Trading
) -> None:
    trading.leave(trading.name(1), [scalar("ALITA")])
    row = delivery_of(trading)
    with tenant_scope(trading.person.tenant_id):
        Delivery.objects.filter(id=row.id).update(deadline=now() - timedelta(seconds=1))
    trading.submit()
    assert trading.replies()[REJ] == golden("a_submission_that_expired.rej")
    assert not heard(operator, trading)


def test_no_answer_and_the_same_payload_goes_again_but_is_taken_once(
    operator: BothEnds, trading: Trading
) -> None:
    operator.fault("reset", times=1)
    trading.leave(trading.name(1), [scalar("ALITA")])
    trading.submit()
    assert sorted(trading.replies()) == [ACK]
    again(trading)
    assert sorted(trading.replies()) == [ACC, ACK]
    first, second = heard(operator, trading)
    assert first["payload"] == second["payload"]


def test_a_reply_that_cannot_be_put_is_tried_again_and_none_goes_before_it(
    operator: BothEnds, trading: Trading
) -> None:
    folder = trading.folder / "files"
    folder.write_bytes(b"in the way")
    trading.leave(trading.name(1), [scalar("ALITA")])
    trading.submit()
    trading.carry()
    with tenant_scope(trading.person.tenant_id):
        rows = Delivery.objects.filter(endpoint_id=trading.endpoint_id).order_by("position")
        assert [(row.state, row.attempts) for row in rows] == [("PENDING", 1), ("PENDING", 0)]
        tried = Attempt.objects.get(delivery_id=rows[0].id)
        assert tried.outcome == "FAILED"
        assert "cannot be written" in tried.detail
        folder.unlink()
        rows.update(wait_until=None)
    assert sorted(trading.replies()) == [ACC, ACK]


def test_a_repeat_of_an_accepted_file_gets_both_replies_again(
    alice: Person, operator: BothEnds, trading: Trading
) -> None:
    trading.leave(trading.name(1), [scalar("ALITA")])
    trading.submit()
    first = trading.replies()
    trading.clear()
    trading.leave(trading.name(1), [scalar("ALITA")])
    trading.submit()
    assert trading.replies() == first
    assert len(heard(operator, trading)) == 1


def test_what_is_large_is_passed_on_by_workers_that_carry_instructions(
    alice: Person, trading: Trading
) -> None:
    trading.leave(trading.name(1), [scalar("ALITA")])
    with tenant_scope(alice.tenant_id):
        rows = list(Delivery.objects.filter(state="PENDING"))
    assert {row.lane for row in rows} == {Lane.OPERATOR, Lane.FILES}
    for row in rows:
        with tenant_scope(alice.tenant_id):
            taken = take_in_hand(row.id, 1, large=False)
        assert isinstance(taken, NotClaimed)
        (passed,) = taken.deliveries
        assert (passed.id, passed.lane, passed.queue) == (row.id, row.lane, row.queue)
        assert is_large(passed.lane, passed.queue)
        assert Due.objects.filter(delivery_id=row.id, owner=None).exists()


def test_many_records_reach_the_operator_and_are_accepted(
    operator: BothEnds, trading: Trading
) -> None:
    """More than the megabyte that other services take."""
    lines = [scalar("ALITA", unit=UNIT)] * 15_000
    trading.leave(trading.name(1), lines)
    trading.submit()
    assert trading.replies()[ACC].endswith("END,15000,15000\n")
    (attempt,) = attempts(trading)
    assert attempt.status == 200
    with tenant_scope(trading.person.tenant_id):
        digest, at = delivery_of(trading).payload_digest, delivery_of(trading).payload_at
        assert digest is not None
        assert at is not None
        assert len(bodies.read(bytes(digest), at)) > 1 << 20


@pytest.mark.parametrize("path", ["/records/7/value", "/tradingAgent", "", "/records"])
def test_an_error_that_is_at_no_line_is_the_whole_files(
    operator: BothEnds, trading: Trading, path: str
) -> None:
    operator.fault("refuse", times=1, code="R003", text="no", errorPath=path)
    trading.leave(trading.name(1), [scalar("ALITA")])
    trading.submit()
    assert trading.replies()[REJ].splitlines()[1] == "REJ,0,E030,,R003 no"


def test_a_message_row_names_what_it_answers(trading: Trading, alice: Person) -> None:
    trading.leave(trading.name(1), ["XYZ"])
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(reference="ALITA_000001", endpoint_id=trading.endpoint_id)
        told = Message.objects.filter(answers=row).order_by("id")
        assert [(one.kind, one.reference) for one in told] == [("ACK_FILE", ACK), ("REJ_FILE", REJ)]


def test_more_errors_than_a_reply_holds_are_said_to_be_there(
    alice: Person, trading: Trading
) -> None:
    trading.leave(trading.name(1), notification("ALITA", *([5] * 31)))
    error = ReceiptError("/records/29/levelTo", "R003", "no")
    receipt = ReceiptOfMessage(ReceiptStatus.REJECTED, (error,) * 5000)
    row = delivery_of(trading)
    with tenant_scope(alice.tenant_id):
        loaded = load_locked(row.id)
        assert loaded is not None
        verdicts.refuse(loaded, now(), verdicts.first_error(receipt), receipt)
    lines = trading.replies()[REJ].splitlines()
    assert len(lines) == 1002
    assert lines[1] == "REJ,30,E030,level to,R003 no"
    assert lines[-2:] == [
        "REJ,0,E030,,there are more faults, which are not listed",
        "END,30,0",
    ]
