"""A submission that came by the API and then, with the same number and bytes, as a file: the file
gets the replies that it would have got, whenever the operator decides, and goes out once.
"""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from messaging.domain.acknowledgements import ReceiptError, ReceiptOfMessage, ReceiptStatus
from messaging.models import Delivery, Message
from messaging.relay import filed_by_api, verdicts
from messaging.relay.load import load_locked
from messaging.relay.moves import lock_queue
from messaging.states import Lane
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.relay.filing.trading import Trading, golden, scalar

ACK, ACC, REJ = (f"ALITA_000001.{ending}" for ending in ("ack", "acc", "rej"))
LINES = ["* by hand", scalar("ALITA"), scalar("ALITA", 6, "ALICP2-2")]
CONTENT = "".join(f"{line}\n" for line in LINES).encode()


@pytest.fixture
def by_api(trading: Trading) -> Trading:
    def take() -> None:
        point = filed_by_api.the_point(trading.endpoint_id)
        filing = filed_by_api.examine_file(point, CONTENT, trading.agent, 1, now(), "a key")
        filed_by_api.take(filing)

    in_tenant(trading.person.tenant_id, take)
    return trading


def deliveries(trading: Trading) -> list[Delivery]:
    with tenant_scope(trading.person.tenant_id):
        rows = Delivery.objects.filter(lane=Lane.OPERATOR, message__endpoint_id=trading.endpoint_id)
        return list(rows)


def settle(trading: Trading, end: str) -> None:
    (delivery,) = deliveries(trading)

    def work() -> None:
        assert delivery.endpoint_id is not None
        lock_queue(delivery.endpoint_id, delivery.queue)
        row = load_locked(delivery.id)
        assert row is not None
        if end == "accepted":
            verdicts.accept(row, now())
        elif end == "refused":
            error = ReceiptError("/records/1/value", "R003", "too high")
            receipt = ReceiptOfMessage(ReceiptStatus.REJECTED, (error,))
            verdicts.refuse(row, now(), verdicts.first_error(receipt), receipt)
        elif end == "expired":
            verdicts.expire(row, now())
        else:
            verdicts.abandon(row, now(), "a mistake", {"by": "the test"})

    in_tenant(trading.person.tenant_id, work)


ENDS = {
    "accepted": (ACC, "END,2,2\n"),
    "refused": (REJ, "R003 too high\nEND,2,0\n"),
    "expired": (REJ, "expired before it could be delivered\nEND,2,0\n"),
    "stopped": (REJ, "expired before it could be delivered\nEND,2,0\n"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_file_gets_its_replies(by_api: Trading, end: str, when: str) -> None:
    assert by_api.replies() == {}
    if when == "before":
        settle(by_api, end)
        assert by_api.replies() == {}
    by_api.leave(by_api.name(1), CONTENT)
    if when == "after":
        assert list(by_api.replies()) == [ACK]
        settle(by_api, end)
    name, told = ENDS[end]
    replies = by_api.replies()
    assert sorted(replies) == sorted([ACK, name])
    assert replies[ACK].endswith("END,2,0\n")
    assert replies[name].endswith(told)
    assert len(deliveries(by_api)) == 1
    by_api.clear()
    by_api.leave(by_api.name(1), CONTENT)
    assert by_api.replies() == replies, "and again, as any file's"


def test_what_is_known_of_it_stands_at_the_lines_of_the_file(by_api: Trading) -> None:
    by_api.leave(by_api.name(1), CONTENT)
    settle(by_api, "refused")
    assert "REJ,3,E030,value,R003 too high\n" in by_api.replies()[REJ]


def test_other_bytes_are_refused_as_a_number_that_was_used(by_api: Trading) -> None:
    by_api.leave(by_api.name(1), [scalar("ALITA", 9)])
    ((name, text),) = by_api.replies().items()
    assert name not in (ACK, REJ)
    assert text == golden("a_number_used_before_with_other_bytes.rej")


def test_without_a_file_there_are_no_reply_files(by_api: Trading) -> None:
    settle(by_api, "accepted")
    assert by_api.replies() == {}
    with tenant_scope(by_api.person.tenant_id):
        assert not Message.objects.filter(answers__endpoint_id=by_api.endpoint_id).exists()


def test_a_file_that_comes_as_the_operator_decides_gets_both_replies(by_api: Trading) -> None:
    """Whichever is first, one of the two tells the outcome, and only one."""
    start = threading.Barrier(2)

    def closing(work: object) -> None:
        start.wait(20)
        try:
            work()  # type: ignore[operator]
        finally:
            connection.close()

    works = (
        lambda: by_api.leave(by_api.name(1), CONTENT),
        lambda: settle(by_api, "accepted"),
    )
    threads = [threading.Thread(target=closing, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(by_api.replies()) == [ACC, ACK]
    with tenant_scope(by_api.person.tenant_id):
        told = Message.objects.filter(answers__endpoint_id=by_api.endpoint_id)
        assert sorted(told.values_list("kind", flat=True)) == ["ACC_FILE", "ACK_FILE"]
