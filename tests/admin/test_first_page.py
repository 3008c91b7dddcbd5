"""The first page: what is wrong now, for those who may see it; and what a list of tenants tells of
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from messaging.models import Delivery, Due, Instruction, Link
from messaging.overview.chart import Span, latency_chart, milliseconds, timeline_chart
from messaging.overview.latency import Hop, LaneTimes, find_latencies
from messaging.overview.wrong import find_wrong
from messaging.relay import holds
from messaging.states import Lane
from tenants.clock import now
from tenants.models import Certificate, Endpoint
from tenants.scope import tenant_scope
from tests.api.carried import Carried
from tests.api.clients import HOST
from tests.people import Person
from tests.roles import as_role
from tests.servers import TestServers


@contextmanager
def undone(person: Person) -> Iterator[None]:
    """What is written meanwhile, as the tenant, is taken back."""
    with transaction.atomic():
        with tenant_scope(person.tenant_id):
            yield
        transaction.set_rollback(True)


def unanswered(person: Person, carried: Carried) -> None:
    late = now() + timedelta(seconds=60)
    Instruction.objects.filter(message_id=carried.acceptance).update(respond_by=late)


def link_down(person: Person, carried: Carried) -> None:
    point = Endpoint.objects.get(name=person.control_points[0])
    Link.objects.update_or_create(
        endpoint_id=point.id,
        tenant_id=person.tenant_id,
        defaults={"gateway": None, "up_at": now(), "down_at": now()},
    )


def overdue(person: Person, carried: Carried) -> None:
    row = Delivery.objects.get(message_id=carried.acceptance)
    Due.objects.update_or_create(
        delivery_id=row.id,
        defaults={
            "tenant_id": person.tenant_id,
            "lane": row.lane,
            "due_at": now() - timedelta(minutes=3),
        },
    )


def certificate_ending(person: Person, carried: Carried) -> None:
    row = Certificate.objects.filter(state="ACTIVE").first()
    assert row is not None
    Certificate.objects.filter(id=row.id).update(not_after=now() + timedelta(days=3))


def held(person: Person, carried: Carried) -> None:
    holds.place("their own works", "ada", now())


def failing(person: Person, carried: Carried) -> None:
    row = Delivery.objects.get(message_id=carried.acceptance)
    at = now()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO messaging_attempt (id, tenant_id, delivery_id, month, outcome,"
            " received_at, sent_at, settled_at, detail) SELECT"
            " (lpad(to_hex(floor(extract(epoch FROM now()) * 1000)::bigint), 12, '0')"
            " || '70008000000000000abc')::uuid, %s, %s, date_trunc('month', now()), 'FAILED',"
            " %s, %s, %s, 'nobody answered there'",
            [person.tenant_id, row.id, at, at, at],
        )


Trouble = Callable[[Person, Carried], None]
TROUBLES: dict[str, tuple[Trouble, str]] = {
    "unanswered": (unanswered, "instruction unanswered"),
    "links": (link_down, "link down"),
    "overdue": (overdue, "delivery overdue"),
    "certificates": (certificate_ending, "certificate ending"),
    "standing": (held, "standing still"),
    "failing": (failing, "endpoint failing"),
}


@pytest.mark.parametrize("kind", TROUBLES)
def test_each_kind_of_trouble_is_found_and_told_of_its_tenant(
    kind: str, alice: Person, bob: Person, carried: Carried, servers: TestServers, database: str
) -> None:
    make, words = TROUBLES[kind]
    with as_role("app", servers, database), undone(alice):
        Instruction.objects.update(respond_by=now() - timedelta(hours=2))
        Due.objects.update(due_at=now() + timedelta(hours=1))
        assert not getattr(find_wrong(), kind)
        make(alice, carried)
        found = getattr(find_wrong(), kind)
        assert {row.tenant_id for row in found} == {alice.tenant_id}
        told = find_wrong().by_tenant()
        assert any(text.startswith(words) for text in told[alice.tenant_id])
        assert bob.tenant_id not in told
        assert getattr(find_wrong(tenant_id=alice.tenant_id), kind) == found
        assert not getattr(find_wrong(tenant_id=bob.tenant_id), kind)


@pytest.fixture
def page(staff: Client, carried: Carried) -> str:
    return staff.get("/admin/").content.decode()


def test_every_kind_has_its_place_whether_something_is_wrong_or_not(page: str) -> None:
    for kind in TROUBLES:
        assert f'id="tile-{kind}"' in page
    assert '<section id="latency"' in page


def test_the_page_looks_again_by_itself_and_without_a_script(page: str) -> None:
    assert '<meta http-equiv="refresh" content="15">' in page
    assert "<script>" not in page


def test_who_may_see_no_messages_sees_nothing_of_them(admin_process: None) -> None:
    browser = Client(SERVER_NAME=HOST)
    user = User.objects.create_user("in no group", is_staff=True)
    browser.force_login(user)
    answer = browser.get("/admin/")
    assert answer.status_code == 200
    assert "Instructions unanswered" not in answer.content.decode()


def test_the_list_of_tenants_tells_their_health(
    staff: Client, carried: Carried, alice: Person
) -> None:
    page = staff.get(reverse("admin:tenants_tenant_changelist")).content.decode()
    assert page.count("&#9679;") >= 2
    one = staff.get(reverse("admin:tenants_tenant_change", args=(alice.tenant_id,)))
    assert "What is wrong now" in one.content.decode()


def test_hops_are_timed_by_lane(staff: Client, carried: Carried) -> None:
    lanes = {one.lane: one for one in find_latencies()}
    assert Lane.OPERATOR in lanes
    for hop in lanes[Lane.OPERATOR].hops:
        assert 0 <= hop.p50 <= hop.p95 <= hop.p99


def test_a_chart_says_in_words_what_it_draws() -> None:
    lanes = [LaneTimes(Lane.OPERATOR, 12, (Hop("until <the> answer", 1.5, 80.0, 2_500.0),))]
    svg = latency_chart(lanes)
    for words in ("12 attempts", "p50 1.5 ms", "p95 80 ms", "p99 2.50 s", "until &lt;the&gt;"):
        assert words in svg


def test_a_time_line_is_to_scale_and_escaped() -> None:
    svg = timeline_chart([Span("first", 0, 50), Span("<second>", 50, 100, "peer")])
    assert 'x="240.0" y="5" width="195.0"' in svg
    assert 'x="435.0" y="25" width="195.0"' in svg
    assert "&lt;second&gt;" in svg


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.42, "0.4 ms"),
        (12.3, "12 ms"),
        (3_200, "3.20 s"),
        (245_000, "4 min 05 s"),
        (7_500_000, "2 h 05 min"),
    ],
)
def test_times_are_written_as_people_read_them(value: float, words: str) -> None:
    assert milliseconds(value) == words
