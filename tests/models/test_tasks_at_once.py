"""Every Celery task done four times at once, by two processes, over one tenant that has something
for each to do: none fails, and what is to be done is done once.
"""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from hostsvc.celery import app
from messaging.domain import clock
from messaging.events import alerts, fan_out, webhooks
from messaging.events.alerts import Step
from messaging.events.models import (
    AlertSettings,
    Escalation,
    EventWatch,
    WebhookDelivery,
    WebhookDue,
)
from messaging.events.types import EventType, Way
from messaging.models import (
    Attempt,
    Connection,
    ConnectionDue,
    Delivery,
    Due,
    FetchDue,
    GateAlarm,
    GateWatch,
    Instruction,
    LinkWatch,
    Message,
)
from messaging.rehearsal.authority import Authority
from messaging.relay import from_operator, links
from messaging.relay.inflow import Inflow
from messaging.relay.lamps import MARGIN
from messaging.relay.register import find_operator
from messaging.relay.smp import due as smp_due
from messaging.states import Lane
from messaging.transports import https
from messaging.transports.directories import Directories
from tenants import bm_units
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.credentials import THE_HOST
from tenants.ids import new_id
from tenants.keys import store
from tenants.models import (
    BmUnit,
    Certificate,
    CertificateDue,
    Environment,
    IdempotencyDue,
    IdempotentAnswer,
)
from tenants.scope import tenant_scope
from tests.events.receiver import Receiver, receiving
from tests.events.test_mail import Letterbox, letterbox  # noqa: F401 - a fixture
from tests.files.remote_servers import OwnServer, led_to, own_sftp
from tests.keys.papers import ROOT, Wish, issue
from tests.models.hands import Hands, two_processes
from tests.people import Person
from tests.relay.conftest import open_link
from tests.relay.filing.trading import Trading, notification, open_trading_point
from tests.relay.sealing.both_ends import BothEnds, both_ends
from tests.relay.test_from_control_point import mel
from tests.relay.test_from_operator import acceptance, numbers
from tests.servers import TestServers

_names = itertools.count(1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class World:
    """Alice with an operator, a trading point, a server of her own, a webhook and a mailbox."""

    alice: Person
    ends: BothEnds
    trading: Trading
    own: OwnServer
    own_id: UUID
    receiver: Receiver
    webhook_id: UUID
    letterbox: Letterbox
    owner_url: str
    hands: Hands

    @property
    def tenant(self) -> str:
        return str(self.alice.tenant_id)

    @property
    def directories(self) -> Directories:
        return Directories.of(self.alice.tenant_id, self.trading.endpoint_id)

    def came_to_operator(self, type_: str) -> Callable[[], int]:
        """How many payloads of a type come to the operator from now on."""

        def count() -> int:
            rows = self.ends.control("GET", "/messages?since=0")["messages"]
            came = [row["payload"] or {} for row in rows if row["direction"] == "in"]
            return sum(payload.get("type") == type_ for payload in came)

        before = count()
        return lambda: count() - before

    def happen(self) -> str:
        """Something that is to be told of; its name."""
        alarm = f"happening {next(_names)} of the test"
        with tenant_scope(self.alice.tenant_id):
            ledger.record(Fact(Event.ALARMED, now(), detail={"alarm": alarm}))
        return alarm


@dataclass(frozen=True, slots=True)
class Job:
    """What a task is given, and how often what it is to do has been done since."""

    arguments: tuple[str, ...]
    done: Callable[[], int]
    times: int = 1


@pytest.fixture(scope="module")
def world(
    alice: Person,
    servers: TestServers,
    database: str,
    tmp_path_factory: pytest.TempPathFactory,
    letterbox: Letterbox,  # noqa: F811
) -> Iterator[World]:
    folder, authority = tmp_path_factory.mktemp("world"), Authority("receivers")
    ca, files = folder / "ca.pem", folder / "files"
    ca.write_text(authority.pem)
    environment = {
        "HOSTSVC_FILES": str(files),
        "HOSTSVC_FILES_ARCHIVE_MB": "1",
        "HOSTSVC_WEBHOOK_CA": str(ca),
        "HOSTSVC_MAIL_URL": f"smtp://127.0.0.1:{settings.EMAIL_PORT}",
    }
    changes = {"FILES_DIR": files, "FILES_ARCHIVE_MB": 1, "WEBHOOK_CA": str(ca)}
    with ExitStack() as stack:
        stack.enter_context(override_settings(**changes))
        ends = stack.enter_context(both_ends(folder, alice, servers, database))
        receiver = stack.enter_context(receiving(folder, authority))
        own = stack.enter_context(own_sftp(folder / "own"))
        hands = stack.enter_context(two_processes(servers, database, environment))
        with tenant_scope(alice.tenant_id):
            alerts.change(["desk@alice.example"], [Step(30, (Way.STREAM,))], THE_HOST)
            made = webhooks.add(receiver.url, "test", [EventType.ALARM], THE_HOST)
        trading = open_trading_point(alice, folder, "trading point")
        own_id = led_to(own, alice).id
        ConnectionDue.objects.exclude(tenant_id=alice.tenant_id).update(due_at=now() + DAY)
        yield World(
            *(alice, ends, trading, own, own_id, receiver, made.row.id, letterbox),
            *(servers.url("owner", database), hands),
        )
        https.let_go(("webhooks", str(ca)))
    connection.close()


def deliver(world: World) -> Job:
    link = open_link(world.alice, world.alice.control_points[0])
    (made,) = link.say(mel()).deliveries
    came = world.came_to_operator("redeclaration")
    return Job((world.tenant, str(made.id)), lambda: _attempts(world, made.id) * came())


def deliver_large(world: World) -> Job:
    """A submission; its way out is a reply's too."""
    sequence = next(_names)
    with tenant_scope(world.alice.tenant_id):
        before = set(Delivery.objects.values_list("id", flat=True))
    _set_next_number(world, sequence)
    lines = notification(world.trading.agent, 0, 10)
    world.trading.leave(world.trading.name(sequence), lines)
    with tenant_scope(world.alice.tenant_id):
        made = Delivery.objects.exclude(id__in=before).get(lane=Lane.OPERATOR)
    came = world.came_to_operator("submission")
    return Job((world.tenant, str(made.id)), lambda: _attempts(world, made.id) * came())


def sweep(world: World) -> Job:
    """What is handed out is due again two seconds later, should the wake-up be lost. It was due for
    longer than what others left in the queue may take.
    """
    link = open_link(world.alice, world.alice.control_points[0])
    (made,) = link.say(mel()).deliveries
    rows = Due.objects.filter(delivery_id=made.id)
    rows.update(due_at=now() - timedelta(minutes=10))
    return Job((), lambda: rows.filter(due_at__gt=now(), owner=None).count())


def watch_links(world: World) -> Job:
    link = open_link(world.alice, world.alice.control_points[1])
    links.close_link(link.hold, "a test")
    LinkWatch.objects.filter(endpoint_id=link.hold.endpoint_id).update(due_at=now())
    return Job((), _entries(world, "alarmed", "link lost"))


def look_at_connections(world: World) -> Job:
    _look(world)
    return Job((), world.came_to_operator("health"))


def normalize(world: World) -> Job:
    _look(world)
    from_ = now() - MARGIN
    with tenant_scope(world.alice.tenant_id):
        Connection.objects.update(state="UP", normalize_from=from_, normalizing_until=None)
        endpoint_id = Connection.objects.get().endpoint_id
    came = world.came_to_operator("normalization")
    return Job((world.tenant, str(endpoint_id)), came, times=len(world.alice.control_points))


def keep_partitions_ahead(world: World) -> Job:
    """One that is not there yet."""
    month = (now() + timedelta(days=300)).strftime("%Y_%m")
    with psycopg.connect(world.owner_url, autocommit=True) as owner:
        owner.execute(f"DROP TABLE messaging_attempt_{month}")

    def there() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"messaging_attempt_{month}"])
            return int(cursor.fetchone()[0])

    return Job((), there)


def watch_gates(world: World) -> Job:
    ahead = 240
    unit = world.alice.bm_units[world.alice.control_points[1]][1]
    with tenant_scope(world.alice.tenant_id):
        row = BmUnit.objects.get(name=unit)
        bm_units.change(row, by={"by": "x"}, expected=["QPN"], gate_alarm_minutes=ahead)
    GateWatch.objects.update(due_at=now())
    starts = clock.closing_within(timedelta(minutes=ahead), now())
    told = _entries(world, "alarmed", f"of {unit}, whose gate closes")

    def done() -> int:
        with tenant_scope(world.alice.tenant_id):
            assert GateAlarm.objects.filter(bm_unit=unit).count() == len(starts)
        return told()

    return Job((), done, times=len(starts))


def look_after_certificates(world: World) -> Job:
    paper = issue(ROOT, Wish(ends=20 * DAY))
    with tenant_scope(world.alice.tenant_id):
        purpose = Certificate.Purpose.SIGNING
        row = store.install(purpose, paper.pem, paper.key, environment="production")
    CertificateDue.objects.filter(certificate_id=row.id).update(due_at=now())
    return Job((), _entries(world, "key expires", str(row.id)))


def collect_files(world: World) -> Job:
    sequence = next(_names)
    _set_next_number(world, sequence)
    world.directories.make()
    name, lines = world.trading.name(sequence), notification(world.trading.agent, 0, 10)
    (world.directories.outgoing / name).write_text("\n".join(lines) + "\n")
    return Job((world.tenant, str(world.trading.endpoint_id)), _messages(world, name))


def sweep_files(world: World) -> Job:
    """It says whose files wait, and leaves them where they are."""
    world.directories.make()
    path = world.directories.outgoing / "waits.sub"
    path.write_bytes(b"")

    def done() -> int:
        there = path.exists()
        path.unlink()
        return int(there)

    return Job((), done)


def fetch_files(world: World) -> Job:
    name = f"{world.trading.agent}_000001.sub"
    lines = notification(world.trading.agent, 0, 10)
    (world.own.root / "outgoing" / name).write_text("\n".join(lines) + "\n")
    with tenant_scope(world.alice.tenant_id):
        rows = Message.objects.filter(endpoint_id=world.own_id, kind="SUBMISSION")

    def done() -> int:
        assert world.own.names("outgoing") == []
        with tenant_scope(world.alice.tenant_id):
            return rows.count()

    return Job((world.tenant, str(world.own_id)), done)


def look_at_servers(world: World) -> Job:
    rows = FetchDue.objects.filter(endpoint_id=world.own_id)
    rows.update(due_at=now() - timedelta(minutes=10))
    return Job((), lambda: rows.filter(due_at__gt=now()).count())


def tidy_files(world: World) -> Job:
    """An archive of a megabyte: the oldest of two files goes."""
    world.directories.make()
    for name in ("older", "newer"):
        (world.directories.archive / name).write_bytes(bytes(600_000))

    def done() -> int:
        left = {path.name for path in world.directories.archive.iterdir()}
        return int(left & {"older", "newer"} == {"newer"})

    return Job((), done)


def sweep_smp(world: World) -> Job:
    """What is there no more is swept as well: whoever gets it finds that out."""
    item_id = new_id()
    with tenant_scope(world.alice.tenant_id):
        smp_due.put(item_id, now() - timedelta(seconds=1))

    def done() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM messaging_smpdue WHERE item_id = %s AND due_at > now()",
                [item_id],
            )
            return int(cursor.fetchone()[0])

    return Job((), done)


def clear_away_old_answers(world: World) -> Job:
    with tenant_scope(world.alice.tenant_id):
        row = IdempotentAnswer.objects.create(
            tenant_id=world.alice.tenant_id,
            caller_id=new_id(),
            key="old",
            fingerprint=bytes(32),
            created_at=now() - 2 * DAY,
        )
    IdempotencyDue.objects.update_or_create(
        tenant_id=world.alice.tenant_id, defaults={"due_at": now()}
    )

    def done() -> int:
        with tenant_scope(world.alice.tenant_id):
            return int(not IdempotentAnswer.objects.filter(id=row.id).exists())

    return Job((), done)


def escalate(world: World) -> Job:
    """An instruction that came 40 seconds ago."""
    number, at = numbers(), now() - timedelta(seconds=40)
    payload = acceptance(number, acceptanceTime=f"{at:%Y-%m-%dT%H:%M}:00Z")
    with tenant_scope(world.alice.tenant_id):
        operator = find_operator(Environment.SIMULATOR)
        assert operator is not None
        content = json.dumps(payload).encode()
        inflow = Inflow(operator, "Instruction", payload["messageId"], content, at)
        assert from_operator.take(inflow).status == 200
        row = Instruction.objects.get(number=number)

    def done() -> int:
        with tenant_scope(world.alice.tenant_id):
            return Escalation.objects.filter(instruction_id=row.id).count()

    return Job((), done)


def tell_tenants(world: World) -> Job:
    alarm = world.happen()
    EventWatch.objects.filter(tenant_id=world.alice.tenant_id).update(due_at=now())

    def done() -> int:
        with tenant_scope(world.alice.tenant_id):
            return WebhookDelivery.objects.filter(body__contains=f'"{alarm}"').count()

    return Job((), done)


def post_webhook(world: World) -> Job:
    alarm = world.happen()
    fan_out.tell(world.alice.tenant_id)
    came = world.receiver.came
    return Job(
        (world.tenant, str(world.webhook_id)),
        lambda: sum(f'"{alarm}"'.encode() in one.body for one in came),
    )


def send_mail(world: World) -> Job:
    alarm = world.happen()
    fan_out.tell(world.alice.tenant_id)
    with tenant_scope(world.alice.tenant_id):
        AlertSettings.objects.update(mail_after=None)
    came = world.letterbox.came
    return Job((world.tenant,), lambda: sum(alarm in one.get_content() for _, one in came))


def tidy_events(world: World) -> Job:
    alarm = world.happen()
    fan_out.tell(world.alice.tenant_id)
    with tenant_scope(world.alice.tenant_id):
        rows = WebhookDelivery.objects.filter(body__contains=f'"{alarm}"')
        long_ago = now() - 40 * DAY
        assert rows.update(created_at=long_ago, state=WebhookDelivery.State.DELIVERED) == 1
    WebhookDue.objects.filter(webhook_id=world.webhook_id).update(due_at=now() + DAY)

    def done() -> int:
        with tenant_scope(world.alice.tenant_id):
            return int(not rows.exists())

    return Job((), done)


JOBS: Final[dict[str, Callable[[World], Job]]] = {
    f"messaging.tasks.{prepare.__name__}": prepare
    for prepare in (
        *(deliver, deliver_large, sweep, watch_links, look_at_connections, normalize),
        *(keep_partitions_ahead, watch_gates, look_after_certificates, collect_files),
        *(sweep_files, fetch_files, look_at_servers, tidy_files, sweep_smp),
        *(clear_away_old_answers, escalate, tell_tenants, post_webhook, send_mail, tidy_events),
    )
}

ELSEWHERE: Final = frozenset({"messaging.tasks.registrations"})
"""In tests/smp/test_at_once.py, where the platform is that it needs."""


@pytest.mark.parametrize("task", JOBS)
def test_done_four_times_at_once_it_is_done_once(world: World, task: str) -> None:
    job = JOBS[task](world)
    assert world.hands.do(task, job.arguments) == []
    assert job.done() == job.times


def test_every_task_is_among_them() -> None:
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if name.startswith(("messaging.", "tenants.", "hostsvc."))}
    assert ours == {*JOBS, *ELSEWHERE}


def test_tasks_are_given_ids_alone_and_are_acknowledged_when_they_are_done() -> None:
    assert app.conf.task_acks_late
    for name in (*JOBS, *ELSEWHERE):
        given = inspect.get_annotations(app.tasks[name].run, eval_str=True)
        assert {*given.values()} <= {str, None}
        assert all(one == "return" or one.endswith("_id") for one in given)


def _attempts(world: World, delivery_id: UUID) -> int:
    with tenant_scope(world.alice.tenant_id):
        return Attempt.objects.filter(delivery_id=delivery_id).count()


def _entries(world: World, event: str, text: str) -> Callable[[], int]:
    """How many there are from now on of an event that say so."""

    def count() -> int:
        with tenant_scope(world.alice.tenant_id):
            rows = Entry.objects.filter(event=event).values_list("record", flat=True)
            return sum(text.encode() in bytes(record) for record in rows)

    before = count()
    return lambda: count() - before


def _messages(world: World, name: str) -> Callable[[], int]:
    def count() -> int:
        with tenant_scope(world.alice.tenant_id):
            rows = Message.objects.filter(endpoint_id=world.trading.endpoint_id, kind="SUBMISSION")
            return rows.filter(reference=Path(name).stem).count()

    return count


def _look(world: World) -> None:
    """Alice's connection is to be looked at now."""
    with tenant_scope(world.alice.tenant_id):
        endpoint = find_operator(Environment.SIMULATOR)
        assert endpoint is not None
        Connection.objects.get_or_create(tenant_id=world.alice.tenant_id, endpoint_id=endpoint.id)
        Connection.objects.update(ask_at=now(), normalize_from=None, normalizing_until=None)
    ConnectionDue.objects.filter(tenant_id=world.alice.tenant_id).update(due_at=now())


def _set_next_number(world: World, sequence: int) -> None:
    from messaging.models import AgentSequence

    with tenant_scope(world.alice.tenant_id):
        AgentSequence.objects.update_or_create(
            tenant_id=world.alice.tenant_id,
            endpoint_id=world.trading.endpoint_id,
            agent=world.trading.agent,
            defaults={"expected": sequence},
        )
