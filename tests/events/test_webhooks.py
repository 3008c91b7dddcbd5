"""Webhooks against a receiver of the tenant's own: what is told, how it is signed, tried again,
given up, disabled and replayed; and that one keeps no other waiting.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from messaging.events import fan_out, posting, webhooks
from messaging.events.models import EventWatch, Webhook, WebhookDelivery, WebhookDue
from messaging.events.webhooks import Made
from messaging.rehearsal.authority import Authority
from messaging.transports import https
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.credentials import THE_HOST
from tenants.scope import tenant_scope
from tests.api.clients import client
from tests.events.receiver import Receiver, is_signed, receiving
from tests.owners import living
from tests.people import Person
from tests.servers import TestServers

PENDING, DELIVERED, FAILED = WebhookDelivery.State.values


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder, authority = tmp_path_factory.mktemp("receiver"), Authority("receivers")
    ca = folder / "ca.pem"
    ca.write_text(authority.pem)
    with override_settings(WEBHOOK_CA=str(ca)), receiving(folder, authority) as made:
        yield made
        https.let_go(("webhooks", str(ca)))


@pytest.fixture(autouse=True)
def nothing_else(receiver: Receiver, alice: Person) -> None:
    receiver.came.clear()
    receiver.meanwhile = lambda: None
    receiver.answers[:] = [(204, {})]
    with tenant_scope(alice.tenant_id):
        for row in Webhook.objects.all():
            webhooks.remove(row, THE_HOST)


@pytest.fixture
def made(receiver: Receiver, alice: Person) -> Made:
    return add(alice, receiver.url)


def add(person: Person, url: str, types: tuple[str, ...] = ()) -> Made:
    with tenant_scope(person.tenant_id):
        return webhooks.add(url, "test", list(types), THE_HOST)


def happen(person: Person, *alarms: str) -> None:
    with tenant_scope(person.tenant_id):
        for alarm in alarms:
            ledger.record(Fact(Event.ALARMED, now(), detail={"alarm": alarm}))


def tell(person: Person, made: Made) -> None:
    fan_out.tell(person.tenant_id)
    posting.take_turn(person.tenant_id, made.row.id)


def again(person: Person, made: Made) -> None:
    """As if what it waits for had passed."""
    with tenant_scope(person.tenant_id):
        Webhook.objects.update(wait_until=None)
        WebhookDelivery.objects.filter(state=PENDING).update(next_at=now())
    posting.take_turn(person.tenant_id, made.row.id)


def state(person: Person, made: Made) -> Webhook:
    with tenant_scope(person.tenant_id):
        return Webhook.objects.get(id=made.row.id)


def deliveries(person: Person, made: Made) -> list[WebhookDelivery]:
    with tenant_scope(person.tenant_id):
        return list(WebhookDelivery.objects.filter(webhook_id=made.row.id).order_by("id"))


def alarms(receiver: Receiver) -> list[str]:
    return [
        came.payload["data"]["alarm"] for came in receiver.came if "alarm" in came.body.decode()
    ]


def asked(person: Person, made: Made, what: str, body: dict[str, Any] | None = None) -> Any:
    asker = client({"Authorization": f"Bearer {person.api_key}"})
    return asker.post(f"/api/v1/webhooks/{made.row.id}/{what}", body or {}, format="json")


def test_events_are_posted_in_order_signed_and_once(
    alice: Person, receiver: Receiver, made: Made
) -> None:
    happen(alice, "one", "two")
    tell(alice, made)
    tell(alice, made)
    assert alarms(receiver) == ["one", "two"]
    for came in receiver.came:
        assert came.payload.keys() == {"type", "timestamp", "data"}
        assert is_signed(came, made.secret)
        assert not is_signed(came, "whsec_" + base64.b64encode(b"another key").decode())
    assert [str(row.id) for row in deliveries(alice, made)] == [c.id for c in receiver.came]
    assert {row.state for row in deliveries(alice, made)} == {DELIVERED}


def test_only_types_that_were_asked_for_and_only_what_came_after_it_was_added(
    alice: Person, bob: Person, receiver: Receiver
) -> None:
    happen(alice, "before")
    links = add(alice, receiver.url, ("link.up",))
    every = add(alice, receiver.url)
    happen(alice, "after")
    happen(bob, "another tenant's")
    tell(alice, links)
    assert alarms(receiver) == []
    tell(alice, every)
    assert alarms(receiver) == ["after"]


def test_what_fails_is_tried_again_with_the_same_id_and_body_and_a_new_timestamp(
    alice: Person, receiver: Receiver, made: Made
) -> None:
    receiver.answers[:] = [(500, {}), (302, {"location": "https://127.0.0.1:9/"}), (200, {})]
    happen(alice, "one")
    tell(alice, made)
    (row,) = deliveries(alice, made)
    assert (row.state, row.attempts, row.status) == (PENDING, 1, 500)
    assert row.next_at > row.created_at + timedelta(seconds=3)
    for _ in range(3):
        again(alice, made)
    first, second, third = receiver.came
    assert {came.id for came in (first, second, third)} == {str(row.id)}
    assert first.body == second.body == third.body
    assert all(is_signed(came, made.secret) for came in receiver.came)
    assert deliveries(alice, made)[0].state == DELIVERED
    assert state(alice, made).failing_since is None


def test_one_that_fails_is_not_asked_again_before_its_pause(
    alice: Person, receiver: Receiver, made: Made
) -> None:
    receiver.answers[:] = [(503, {"retry-after": "600"})]
    happen(alice, "one", "two", "three")
    tell(alice, made)
    happen(alice, "four")
    tell(alice, made)
    assert len(receiver.came) == 1
    wait_until = state(alice, made).wait_until
    assert wait_until is not None
    assert wait_until > now() + timedelta(seconds=590)
    with tenant_scope(alice.tenant_id):
        assert WebhookDue.objects.get(webhook_id=made.row.id).due_at == wait_until


@pytest.mark.parametrize("attempt", range(1, 12))
def test_pauses_grow_and_never_undercut_what_was_asked(attempt: int) -> None:
    usual = posting.RETRIES[min(attempt, len(posting.RETRIES)) - 1]
    pause = posting.pause_before(attempt, posting.Try(500, ""))
    assert usual * 0.8 <= pause <= usual * 1.2
    asked = timedelta(hours=20)
    assert posting.pause_before(attempt, posting.Try(503, "", asked)) >= asked


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    at = now().replace(microsecond=0)
    told = format_datetime(at + timedelta(minutes=5), usegmt=False)
    for value, wanted in (
        ("7", timedelta(seconds=7)),
        (told, timedelta(minutes=5)),
        ("99999999999", timedelta(days=1)),
        ("soon", None),
        ("", None),
    ):
        assert posting.retry_after({"retry-after": value}, at) == wanted


def test_after_a_day_it_is_given_up_and_can_be_replayed(
    alice: Person, receiver: Receiver, made: Made
) -> None:
    receiver.answers[:] = [(500, {})]
    happen(alice, "one")
    tell(alice, made)
    with tenant_scope(alice.tenant_id):
        WebhookDelivery.objects.update(expires_at=now() - timedelta(seconds=1))
    again(alice, made)
    (row,) = deliveries(alice, made)
    assert (row.state, row.attempts, len(receiver.came)) == (FAILED, 1, 1)
    receiver.answers[:] = [(200, {})]
    answer = asked(alice, made, "replay")
    assert (answer.status_code, answer.json()) == (202, {"replayed": 1})
    again(alice, made)
    assert deliveries(alice, made)[0].state == DELIVERED
    assert receiver.came[1].id == receiver.came[0].id


def test_one_that_says_it_is_gone_is_disabled_with_an_alarm(
    alice: Person, receiver: Receiver, made: Made
) -> None:
    other = add(alice, receiver.url, ("alarm",))
    receiver.answers[:] = [(410, {}), (200, {})]
    happen(alice, "one", "two")
    tell(alice, made)
    row = state(alice, made)
    assert (row.state, "410" in row.reason) == (Webhook.State.DISABLED, True)
    assert {one.state for one in deliveries(alice, made)} == {FAILED}
    with tenant_scope(alice.tenant_id):
        record = bytes(Entry.objects.filter(event="alarmed").latest("seq").record).decode()
    assert "webhook disabled" in record
    assert asked(alice, made, "test").json()["code"] == "webhook-disabled"
    tell(alice, other)
    assert any("webhook disabled" in text for text in alarms(receiver))


def test_one_that_fails_for_days_is_disabled(alice: Person, receiver: Receiver, made: Made) -> None:
    receiver.answers[:] = [(500, {})]
    happen(alice, "one")
    tell(alice, made)
    assert state(alice, made).state == Webhook.State.ACTIVE
    with tenant_scope(alice.tenant_id):
        Webhook.objects.update(failing_since=now() - timedelta(days=5, minutes=1))
    again(alice, made)
    assert "failed for 5 days" in state(alice, made).reason


def test_during_a_rotation_both_secrets_verify_and_afterwards_the_new_one(
    alice: Person, receiver: Receiver, made: Made
) -> None:
    secret = asked(alice, made, "rotate", {"overlap_hours": 1}).json()["secret"]
    happen(alice, "both")
    tell(alice, made)
    assert is_signed(receiver.came[-1], made.secret)
    assert is_signed(receiver.came[-1], secret)
    with tenant_scope(alice.tenant_id):
        Webhook.objects.update(previous_until=now())
    happen(alice, "the new one")
    tell(alice, made)
    assert not is_signed(receiver.came[-1], made.secret)
    assert is_signed(receiver.came[-1], secret)


def test_a_secret_is_sealed_and_nowhere_shown_again(alice: Person, made: Made) -> None:
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    with tenant_scope(alice.tenant_id):
        row = Webhook.objects.get(id=made.row.id)
        assert key not in bytes(row.secret)
        log = b"".join(bytes(one.record) for one in Entry.objects.all())
    assert made.secret.encode() not in log
    asker = client({"Authorization": f"Bearer {alice.api_key}"})
    told = (
        asker.get("/api/v1/webhooks").content + asker.get(f"/api/v1/webhooks/{made.row.id}").content
    )
    assert made.secret.removeprefix("whsec_").encode() not in told


def test_a_test_event_is_posted(alice: Person, receiver: Receiver, made: Made) -> None:
    answer = asked(alice, made, "test")
    assert answer.status_code == 202
    posting.take_turn(alice.tenant_id, made.row.id)
    (came,) = receiver.came
    assert (came.payload["type"], came.id) == ("webhook.test", answer.json()["id"])
    assert is_signed(came, made.secret)


def test_a_query_is_posted_to_and_stays_out_of_the_audit_log(
    alice: Person, receiver: Receiver
) -> None:
    """Many a receiver has its password there."""
    made = add(alice, f"{receiver.url}?token=s3cret&x=%20")
    happen(alice, "one")
    tell(alice, made)
    (came,) = receiver.came
    assert came.path.endswith("/hook?token=s3cret&x=%20")
    with tenant_scope(alice.tenant_id):
        records = b"".join(bytes(entry.record) for entry in Entry.objects.all())
    assert b"/hook?..." in records
    assert b"s3cret" not in records


def test_what_is_told_of_a_failure_says_no_query(alice: Person) -> None:
    made = add(alice, "https://127.0.0.1:9/hook?token=s3cret")
    happen(alice, "one")
    tell(alice, made)
    with tenant_scope(alice.tenant_id):
        (delivery,) = made.row.deliveries.all()
    assert delivery.outcome
    assert "s3cret" not in delivery.outcome


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://user@host.example/x",
        "https://10.1.2.3/x",
        "ftp://x",
        "https://host.example/x?a b",
        "https://host.example/x?a#b",
        "https://host.example/x?a\r\nb",
    ],
)
def test_a_url_that_leads_where_the_host_may_not_go_is_refused(alice: Person, url: str) -> None:
    asker = client({"Authorization": f"Bearer {alice.api_key}"})
    answer = asker.post("/api/v1/webhooks", {"url": url}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "/url"


def test_a_name_is_judged_when_it_is_connected_to(
    alice: Person, receiver: Receiver, made: Made
) -> None:
    """As after a change of its name's address: what was allowed when it was added is not now."""
    happen(alice, "one")
    with override_settings(ALLOWED_NETWORKS=()):
        tell(alice, made)
    (row,) = deliveries(alice, made)
    assert (row.state, receiver.came) == (PENDING, [])
    assert row.outcome.startswith("Forbidden") or "does not allow" in row.outcome


def claimed_by(owner: int | None, *made: Made) -> None:
    rows = WebhookDue.objects.filter(webhook_id__in=[one.row.id for one in made])
    rows.update(owner=owner, due_at=now() + posting.LEASE)


def test_one_worker_at_a_time_has_a_webhook_in_hand(
    alice: Person, receiver: Receiver, made: Made, servers: TestServers, database: str
) -> None:
    happen(alice, "one")
    fan_out.tell(alice.tenant_id)
    with living(servers, database) as other:
        claimed_by(other, made)
        posting.take_turn(alice.tenant_id, made.row.id)
        posting.sweep()
        posting.take_turn(alice.tenant_id, made.row.id)
        assert receiver.came == []
        claimed_by(None, made)
        posting.take_turn(alice.tenant_id, made.row.id)
    assert alarms(receiver) == ["one"]


def test_what_a_dead_worker_had_in_hand_is_posted_after_the_next_sweep(
    alice: Person, receiver: Receiver, made: Made, servers: TestServers, database: str
) -> None:
    happen(alice, "one")
    fan_out.tell(alice.tenant_id)
    with living(servers, database) as other:
        claimed_by(other, made)
    posting.sweep()
    row = WebhookDue.objects.get(webhook_id=made.row.id)
    assert row.owner is None
    assert row.due_at <= now() + timedelta(seconds=2), "due again, should its wake-up be lost"
    posting.take_turn(alice.tenant_id, made.row.id)
    assert alarms(receiver) == ["one"]


def test_one_that_was_frozen_until_another_had_it_settles_nothing(
    alice: Person, receiver: Receiver, made: Made, servers: TestServers, database: str
) -> None:
    happen(alice, "one", "two")
    fan_out.tell(alice.tenant_id)
    with living(servers, database) as other:

        def freeze() -> None:
            claimed_by(other, made)
            connection.close()

        receiver.meanwhile = freeze
        posting.take_turn(alice.tenant_id, made.row.id)
        assert alarms(receiver) == ["one"], "it goes on with nothing"
        assert {(row.state, row.attempts) for row in deliveries(alice, made)} == {(PENDING, 0)}
        assert WebhookDue.objects.get(webhook_id=made.row.id).owner == other


def test_what_comes_while_a_webhook_is_in_hand_waits_for_whoever_has_it(
    alice: Person, receiver: Receiver, made: Made, servers: TestServers, database: str
) -> None:
    happen(alice, "one")
    fan_out.tell(alice.tenant_id)
    with living(servers, database) as other:
        claimed_by(other, made)
        happen(alice, "two")
        fan_out.tell(alice.tenant_id)
        row = WebhookDue.objects.get(webhook_id=made.row.id)
        assert row.owner == other
        assert row.due_at > now() + timedelta(seconds=30)


def test_a_tenants_webhooks_take_no_more_than_their_share_of_workers(
    alice: Person, receiver: Receiver, made: Made, servers: TestServers, database: str
) -> None:
    slow = [add(alice, receiver.url) for _ in range(posting.OF_ONE_TENANT)]
    happen(alice, "one")
    fan_out.tell(alice.tenant_id)
    with living(servers, database) as other:
        claimed_by(other, *slow)
        posting.take_turn(alice.tenant_id, made.row.id)
        assert receiver.came == []
        row = WebhookDue.objects.get(webhook_id=made.row.id)
        assert (row.owner, row.due_at <= now() + timedelta(seconds=2)) == (None, True)
        claimed_by(None, *slow)
        posting.take_turn(alice.tenant_id, made.row.id)
    assert alarms(receiver) == ["one"]


def test_what_is_laid_out_is_due_until_it_is_told(
    alice: Person, receiver: Receiver, made: Made
) -> None:
    happen(alice, "one")
    fan_out.attend(now() + timedelta(seconds=1))
    due = WebhookDue.objects.get(webhook_id=made.row.id)
    assert due.due_at <= now()
    posting.sweep()
    assert WebhookDue.objects.get(webhook_id=made.row.id).due_at > now()
    posting.take_turn(alice.tenant_id, made.row.id)
    assert not WebhookDue.objects.filter(webhook_id=made.row.id).exists()


def test_a_tenant_that_nobody_is_told_for_is_not_looked_at(alice: Person, made: Made) -> None:
    assert EventWatch.objects.filter(tenant_id=alice.tenant_id).exists()
    with tenant_scope(alice.tenant_id):
        webhooks.remove(Webhook.objects.get(id=made.row.id), THE_HOST)
    fan_out.tell(alice.tenant_id)
    assert not EventWatch.objects.filter(tenant_id=alice.tenant_id).exists()


def test_there_are_only_so_many(alice: Person, receiver: Receiver) -> None:
    for _ in range(webhooks.MOST):
        add(alice, receiver.url)
    asker = client({"Authorization": f"Bearer {alice.api_key}"})
    answer = asker.post("/api/v1/webhooks", {"url": receiver.url}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-webhooks")
