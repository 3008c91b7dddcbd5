"""Claims as a model: workers that claim, die, are overtaken and finish, over several lanes. Each
delivery is in one worker's hands at a time, the first of its lane goes first, no lane waits for
another, and what a dead worker had in hand is due at the next sweep.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from messaging.models import Delivery, Due, Link
from messaging.protocols.neso.wa.exchange import Outcome
from messaging.relay import deliver, due
from messaging.relay.claim import Claimed
from messaging.relay.deliver import Report, take_in_hand
from messaging.relay.due import Room
from messaging.relay.register import OPERATOR_PROTOCOL
from messaging.states import DeliveryState
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tests.models.playing import play
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_control_point import mel
from tests.servers import TestServers

MOST_WORKERS = 3
UNITS = ("ALICP1-1", "ALICP1-2")
_owners = itertools.count(4_711_000_000_001)
picks = st.integers(0, 20)

_LOCKED = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
AND ((classid::bigint << 32) | objid::bigint) = %s
"""


@dataclass(eq=False)
class Worker:
    """`session` has the lock that its claims live by; `hands` are the deliveries it is sending."""

    owner: int
    session: psycopg.Connection
    hands: dict[UUID, Claimed] = field(default_factory=dict)


@dataclass
class Lanes:
    """The model: what waits in each lane, in order; whose each is; and what was carried."""

    waiting: dict[str, list[UUID]] = field(default_factory=lambda: {unit: [] for unit in UNITS})
    owner: dict[UUID, int] = field(default_factory=dict)
    done: dict[str, list[UUID]] = field(default_factory=lambda: {unit: [] for unit in UNITS})
    said: dict[str, list[UUID]] = field(default_factory=lambda: {unit: [] for unit in UNITS})

    def open(self) -> list[UUID]:
        return [one for lane in self.waiting.values() for one in lane]

    def unit_of(self, delivery_id: UUID) -> str:
        return next(unit for unit, lane in self.said.items() if delivery_id in lane)

    def is_free(self, delivery_id: UUID) -> bool:
        lane = self.waiting[self.unit_of(delivery_id)]
        return lane[:1] == [delivery_id] and delivery_id not in self.owner


class Claims(RuleBasedStateMachine):
    def __init__(self, person: Person, url: str, link: OpenLink) -> None:
        super().__init__()
        self.person, self.url, self.link = person, url, link
        self.lanes = Lanes()
        self.workers: list[Worker] = []
        self.overtaken: list[Claimed] = []
        forget_what_waits(person)

    @initialize()
    def begin(self) -> None:
        for unit in UNITS:
            self.say(unit, 2)
            self.hire()

    @rule(unit=st.sampled_from(UNITS), several=st.integers(1, 2))
    def say(self, unit: str, several: int) -> None:
        for _ in range(several):
            (made,) = self.link.say(mel(unit)).deliveries
            self.lanes.waiting[unit].append(made.id)
            self.lanes.said[unit].append(made.id)

    @precondition(lambda self: len(self.workers) < MOST_WORKERS)
    @rule()
    def hire(self) -> None:
        owner = next(_owners)
        session = psycopg.connect(self.url, autocommit=True)
        session.execute("SELECT pg_advisory_lock(%s)", [owner])
        self.workers.append(Worker(owner, session))

    @precondition(lambda self: self.workers and self.lanes.open())
    @rule(who=picks, what=picks)
    def claim(self, who: int, what: int) -> None:
        """It gets what is first in its lane and nobody's, and nothing else."""
        worker, delivery_id = self._worker(who), self._waiting(what)
        if delivery_id in worker.hands:
            return
        free = self.lanes.is_free(delivery_id)
        claimed = self._claim(worker, delivery_id)
        assert (claimed is not None) is free
        if claimed is not None:
            self._gets(worker, claimed)

    @precondition(lambda self: len(self.workers) > 1 and self.lanes.open())
    @rule(what=picks)
    def race(self, what: int) -> None:
        """All of them claim it at once."""
        delivery_id = self._waiting(what)
        free = self.lanes.is_free(delivery_id)
        rivals = [one for one in self.workers if delivery_id not in one.hands]
        start, won = threading.Barrier(len(rivals)), list[tuple[Worker, Claimed]]()

        def run(worker: Worker) -> None:
            try:
                start.wait(10)
                claimed = self._claim(worker, delivery_id)
                if claimed is not None:
                    won.append((worker, claimed))
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=(one,)) for one in rivals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(won) == int(free)
        for worker, claimed in won:
            self._gets(worker, claimed)

    @precondition(lambda self: any(one.hands for one in self.workers))
    @rule(who=picks, gets_through=st.booleans())
    def finish(self, who: int, gets_through: bool) -> None:
        """The operator takes it; or nobody knows, and it is to be tried again at once."""
        worker, claimed = self._busy(who)
        del worker.hands[claimed.delivery_id], self.lanes.owner[claimed.delivery_id]
        self._settle(claimed, gets_through)

    @precondition(lambda self: self.workers)
    @rule(who=picks)
    def die(self, who: int) -> None:
        """Killed in the middle of whatever it is doing."""
        worker = self._worker(who)
        self._lose_session(worker)
        self.workers.remove(worker)

    @precondition(lambda self: any(one.hands for one in self.workers))
    @rule(who=picks)
    def lose_the_session(self, who: int) -> None:
        """Of a worker that lives on and does not know: its claims are orphaned all the same."""
        worker, _ = self._busy(who)
        self._lose_session(worker)
        self.overtaken += worker.hands.values()
        self.workers.remove(worker)

    @precondition(lambda self: any(one.hands for one in self.workers))
    @rule(who=picks)
    def outlive_the_lease(self, who: int) -> None:
        """As when the worker's host has lost the database, and the database has not noticed."""
        worker, claimed = self._busy(who)
        Due.objects.filter(delivery_id=claimed.delivery_id).update(due_at=now())
        self.sweep()
        assert claimed.delivery_id not in self.lanes.owner
        self.overtaken.append(worker.hands.pop(claimed.delivery_id))

    @precondition(lambda self: len(self.workers) > 1 and any(one.hands for one in self.workers))
    @rule(who=picks, gets_through=st.booleans())
    def be_overtaken(self, who: int, gets_through: bool) -> None:
        """Another has it in hand by the time that this one is heard of again."""
        worker, claimed = self._busy(who)
        self.outlive_the_lease(who)
        other = next(one for one in self.workers if one is not worker)
        again = self._claim(other, claimed.delivery_id)
        assert again is not None
        self._gets(other, again)
        self.speak_up_late(len(self.overtaken) - 1, gets_through)

    @precondition(lambda self: self.overtaken)
    @rule(which=picks, gets_through=st.booleans())
    def speak_up_late(self, which: int, gets_through: bool) -> None:
        """One that was overtaken settles what it had in hand. What it does not know takes nothing
        out of another's hands.
        """
        claimed = self.overtaken.pop(which % len(self.overtaken))
        with tenant_scope(self.person.tenant_id):
            latest = Delivery.objects.get(id=claimed.delivery_id).attempts == claimed.attempts
        is_open = claimed.delivery_id in self.lanes.open()
        if is_open and (gets_through or latest):
            # Whoever has it since will find it settled, or is none.
            self.lanes.owner.pop(claimed.delivery_id, None)
            self._take_from_all(claimed.delivery_id)
            self._settle(claimed, gets_through)
            return
        in_tenant(self.person.tenant_id, lambda: deliver._settle(claimed, _report(gets_through)))

    @rule()
    def sweep(self) -> None:
        """What nobody alive has is due, whatever its owner was."""
        alive = {one.owner for one in self.workers}
        orphaned = {one for one, owner in self.lanes.owner.items() if owner not in alive}
        late = now()
        with tenant_scope(self.person.tenant_id):
            overdue = set(
                Due.objects.filter(due_at__lte=late).values_list("delivery_id", flat=True)
            )
        handed = {one.delivery_id for one in due.pick(Room(100), Room(100))}
        assert orphaned <= handed
        assert handed & set(self.lanes.owner) <= orphaned | overdue
        for delivery_id in handed:
            self.lanes.owner.pop(delivery_id, None)

    @invariant()
    def each_is_in_the_hands_that_the_model_says(self) -> None:
        rows = Due.objects.filter(delivery_id__in=self.lanes.open(), owner__isnull=False)
        assert dict(rows.values_list("delivery_id", "owner")) == self.lanes.owner

    @invariant()
    def each_lane_is_carried_in_order(self) -> None:
        for unit, said in self.lanes.said.items():
            assert self.lanes.done[unit] == said[: len(self.lanes.done[unit])]

    def teardown(self) -> None:
        """With one good worker, everything gets through."""
        try:
            for worker in list(self.workers):
                self._lose_session(worker)
            self.workers.clear()
            self.sweep()
            self.hire()
            while left := self.lanes.open():
                free = [one for one in left if self.lanes.is_free(one)]
                assert free, "somebody can always go on"
                claimed = self._claim(self.workers[0], free[0])
                assert claimed is not None
                self._gets(self.workers[0], claimed)
                self.finish(0, True)
        finally:
            for worker in self.workers:
                worker.session.close()

    def _worker(self, who: int) -> Worker:
        return self.workers[who % len(self.workers)]

    def _busy(self, who: int) -> tuple[Worker, Claimed]:
        found = [(one, claimed) for one in self.workers for claimed in one.hands.values()]
        return found[who % len(found)]

    def _waiting(self, what: int) -> UUID:
        waiting = self.lanes.open()
        return waiting[what % len(waiting)]

    def _claim(self, worker: Worker, delivery_id: UUID) -> Claimed | None:
        found = in_tenant(self.person.tenant_id, lambda: take_in_hand(delivery_id, worker.owner))
        return found if isinstance(found, Claimed) else None

    def _gets(self, worker: Worker, claimed: Claimed) -> None:
        worker.hands[claimed.delivery_id] = claimed
        self.lanes.owner[claimed.delivery_id] = worker.owner

    def _take_from_all(self, delivery_id: UUID) -> None:
        """They find out when they settle."""
        for worker in self.workers:
            claimed = worker.hands.pop(delivery_id, None)
            if claimed is not None:
                self.overtaken.append(claimed)

    def _settle(self, claimed: Claimed, gets_through: bool) -> None:
        delivery_id = claimed.delivery_id
        in_tenant(self.person.tenant_id, lambda: deliver._settle(claimed, _report(gets_through)))
        if gets_through:
            unit = self.lanes.unit_of(delivery_id)
            self.lanes.waiting[unit].remove(delivery_id)
            self.lanes.done[unit].append(delivery_id)
            self._check_that_the_next_is_due(unit)
        else:
            # The pause is no part of this: whoever claims next finds that it is over.
            with tenant_scope(self.person.tenant_id):
                Delivery.objects.filter(id=delivery_id).update(wait_until=None)

    def _check_that_the_next_is_due(self, unit: str) -> None:
        for delivery_id in self.lanes.waiting[unit][:1]:
            assert Due.objects.get(delivery_id=delivery_id).due_at <= now()

    def _lose_session(self, worker: Worker) -> None:
        worker.session.close()
        deadline = time.monotonic() + 10
        with connection.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute(_LOCKED, [worker.owner])
                if cursor.fetchone()[0] == 0:
                    return
                time.sleep(0.002)
        raise AssertionError("the server keeps the lock of a session that has ended")


def _report(gets_through: bool) -> Report:
    at = now()
    if gets_through:
        return Report(Outcome.VERDICT, at, at, 200, "HTTP 200")
    return Report(None, at, None, None, "no answer")


def forget_what_waits(person: Person) -> None:
    """What an earlier game has left."""
    with tenant_scope(person.tenant_id):
        Delivery.objects.exclude(state=DeliveryState.ABANDONED).update(
            state=DeliveryState.ABANDONED
        )
    Due.objects.all().delete()


@pytest.fixture
def quiet_link(alice: Person) -> Iterator[OpenLink]:
    """One that takes, and that no gateway writes to: results wait as rows. Nothing is superseded,
    however slow the machine is.
    """
    link = open_link(alice, alice.control_points[0])
    with tenant_scope(alice.tenant_id):
        Link.objects.filter(endpoint_id=link.hold.endpoint_id).update(gateway=None)
        operator = Endpoint.objects.filter(protocol=OPERATOR_PROTOCOL)
        operator.update(settings={"supersede": "never"})
    yield link
    with tenant_scope(alice.tenant_id):
        operator.update(settings={})


def test_whoever_dies_each_is_in_one_hand_and_every_lane_goes_on_in_order(
    alice: Person, quiet_link: OpenLink, servers: TestServers, database: str
) -> None:
    url = servers.url("app", database)
    play(lambda: Claims(alice, url, quiet_link), games=10, steps=30)
