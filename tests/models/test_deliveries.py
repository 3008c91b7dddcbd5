"""The states of deliveries as a model, under all that can happen to them: claims, every outcome, a
worker that is overtaken, receipts that come later, holds, an operator that is out, newer messages,
deadlines, Normalization, and what people do.

What must hold is read from the database and the audit log after every step: a delivery that has
ended stays so until a person has it tried again, has one end for each time it was tried, and
nothing of it is untold.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from messaging.domain.acknowledgements import TakenRedeclaration
from messaging.models import Attempt, Connection, Delivery, Due, Link, StandingHold
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.neso.wa.exchange import Answer, Outcome
from messaging.relay import dead_letters, deliver, due, gates, holds, normalization
from messaging.relay.claim import Claimed
from messaging.relay.dead_letters import NotNow
from messaging.relay.deliver import Report, take_in_hand
from messaging.relay.later_receipt import RECEIVED
from messaging.states import DEAD, OPEN, UNDELIVERED, DeliveryState
from tenants.audit.models import Entry
from tenants.audit.verify import verify
from tenants.changes import WATCH
from tenants.clock import now
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tests.models.playing import play
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.outages.conftest import results_of
from tests.relay.test_from_control_point import mel
from tests.relay.test_from_operator import post, receipt

UNITS: Final = ("ALICP1-1", "ALICP1-2")
BY: Final = {"by": "a person"}
_owners = itertools.count(4_712_000_000_001)
picks = st.integers(0, 20)

ENDS: Final = {
    DeliveryState.ACKNOWLEDGED: "acknowledged",
    DeliveryState.REFUSED: "refused",
    DeliveryState.EXPIRED: "expired",
    DeliveryState.ABANDONED: "abandoned",
    DeliveryState.SUPERSEDED: "superseded",
}
"""Each with the entry that tells of it."""

OUTCOMES: Final[dict[str, dict[str, Any]]] = {
    "accepted": {"outcome": Outcome.VERDICT, "status": 200},
    "received": {"outcome": Outcome.VERDICT, "status": 200, "verdict": "received"},
    "refused": {"outcome": Outcome.REFUSED, "status": 422},
    "out": {"outcome": Outcome.HELD, "status": 503},
    "failed": {"outcome": Outcome.FAILED, "status": 429},
    "unknown": {"outcome": None, "status": None},
    "not sent": {"outcome": None, "status": None, "left": False},
}


@dataclass
class Seen:
    """A delivery as it was when last looked at."""

    state: str = DeliveryState.PENDING
    replays: int = 0
    payload: bytes | None = None


@dataclass
class Told:
    """What the audit log says of one delivery: how often each event, and the ends in order."""

    events: Counter[str] = field(default_factory=Counter)
    ends: list[str] = field(default_factory=list)


class Deliveries(RuleBasedStateMachine):
    def __init__(self, person: Person, link: OpenLink) -> None:
        super().__init__()
        self.person, self.link = person, link
        self.seen: dict[UUID, Seen] = {}
        self.hands: list[Claimed] = []
        self.settled: Counter[UUID] = Counter()
        with tenant_scope(person.tenant_id):
            self.before = Entry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
            Delivery.objects.update(state=DeliveryState.ABANDONED)
            StandingHold.objects.filter(released_at=None).update(released_at=now())
        Due.objects.all().delete()
        self.the_operator_is_back()

    @initialize()
    def begin(self) -> None:
        for unit in UNITS:
            self.say(unit, 0)
            self.claim(len(self.seen) - 1)

    # What control points and workers do.

    @rule(unit=st.sampled_from(UNITS), level=st.integers(0, 3))
    def say(self, unit: str, level: int) -> None:
        (made,) = self.link.say(mel(unit, level)).deliveries
        self.seen[made.id] = Seen()

    @precondition(lambda self: self.seen)
    @rule(which=picks)
    def claim(self, which: int) -> None:
        """By a worker of its own each time."""
        delivery_id = self._one(which)
        first = self._first_of_its_lane(delivery_id)
        found = self._in_scope(lambda: take_in_hand(delivery_id, next(_owners)))
        if isinstance(found, Claimed):
            assert first == delivery_id, "nothing is overtaken"
            self.hands.append(found)

    @precondition(lambda self: self.hands)
    @rule(which=picks, how=st.sampled_from(sorted(OUTCOMES)))
    def settle(self, which: int, how: str) -> None:
        claimed = self.hands.pop(which % len(self.hands))
        report = _report(claimed, how)
        self.settled[claimed.delivery_id] += 1
        self._in_scope(lambda: deliver._settle(claimed, report))
        WATCH.stop()

    @precondition(lambda self: self.hands)
    @rule(which=picks)
    def be_overtaken(self, which: int) -> None:
        """The sweep takes it for dead; it lives, and will settle later."""
        claimed = self.hands[which % len(self.hands)]
        self._in_scope(lambda: due.put_off(claimed.delivery_id, now()))

    @precondition(lambda self: self.seen)
    @rule(which=picks)
    def wait_out_a_pause(self, which: int) -> None:
        self._update(which, wait_until__isnull=False, wait_until=now())

    @precondition(lambda self: self.seen)
    @rule(which=picks)
    def pass_the_deadline(self, which: int) -> None:
        self._update(which, deadline=now() - timedelta(seconds=1))

    # What the operator does.

    @precondition(lambda self: self.seen)
    @rule(which=picks, status=st.sampled_from(["RECEIVED", "ACCEPTED", "REJECTED"]))
    def say_later(self, which: int, status: str) -> None:
        """A receipt of its own; it may come before the host knows what it answers."""
        post(self.person, receipt(self._one(which), status), "Redeclaration")

    @precondition(lambda self: self.seen)
    @rule(which=picks)
    def name_it_as_taken(self, which: int) -> None:
        """In answer to Normalization."""
        one = TakenRedeclaration(UNITS[0], "MEL", str(self._one(which)))
        tally = normalization._Tally()
        self._in_scope(lambda: normalization._settle(self._operator(), one, None, tally))

    @rule()
    def the_operator_is_back(self) -> None:
        def work() -> None:
            gates.lock()
            Connection.objects.update(state="UP", is_holding=False, normalize_from=None)
            gates.let_go()

        self._in_scope(work)
        WATCH.stop()

    # What people do.

    @rule(unit=st.sampled_from(["", *UNITS]))
    def hold(self, unit: str) -> None:
        self._in_scope(lambda: holds.place("a test", "a person", now(), bm_unit=unit))
        WATCH.stop()

    @rule()
    def release(self) -> None:
        def work() -> None:
            row = holds.standing().order_by("id").first()
            if row is not None:
                holds.release(row, "a test", "a person", now())

        self._in_scope(work)
        WATCH.stop()

    @precondition(lambda self: self.seen)
    @rule(which=picks)
    def abandon(self, which: int) -> None:
        self._try(lambda: dead_letters.abandon(self._one(which), "a test", now(), BY))

    @precondition(lambda self: self.seen)
    @rule(which=picks)
    def replay(self, which: int) -> None:
        self._try(lambda: dead_letters.replay(self._one(which), now(), BY))

    @precondition(lambda self: self.seen)
    @rule(which=picks)
    def close(self, which: int) -> None:
        self._try(lambda: dead_letters.close(self._one(which), "a test", now(), BY))

    # What must hold.

    @invariant()
    def an_end_is_an_end_and_nothing_is_untold(self) -> None:
        with tenant_scope(self.person.tenant_id):
            rows = list(Delivery.objects.filter(id__in=self.seen))
            waiting = set(
                Due.objects.filter(delivery_id__in=self.seen).values_list("delivery_id", flat=True)
            )
            told = self._told()
        for row in rows:
            self._check_state(row, told[row.id])
            self._check_told(row, told[row.id])
            assert (row.id in waiting) is (row.state in OPEN), "a wait is a row, and only a wait is"
            self._remember(row, told[row.id])

    def _check_state(self, row: Delivery, told: Told) -> None:
        before = self.seen[row.id]
        replays = told.events["replayed"]
        if before.state in ENDS and replays == before.replays:
            assert row.state == before.state, "nothing leaves an end but by a person's replay"
        assert len(told.ends) == replays + (row.state in ENDS), "one end for each time it is tried"
        if row.state in ENDS:
            assert told.ends[-1] == ENDS[DeliveryState(row.state)]
        if row.closed_at is not None:
            assert row.state in DEAD
        assert row.reference in ("", str(row.id)), "its id is its own for ever"
        assert before.payload in (None, _bytes(row.payload_digest)), "and so is what it says"

    def _check_told(self, row: Delivery, told: Told) -> None:
        assert told.events["sending"] == row.attempts, "logged before its first byte leaves"
        assert told.events["closed"] == (row.closed_at is not None)
        if row.state == DeliveryState.HELD:
            assert told.events["held"]
        if row.state == DeliveryState.DELIVERED:
            assert told.events["delivered"]
        answers = told.events["answered"] + told.events["unanswered"]
        assert answers == self.settled[row.id]

    def _remember(self, row: Delivery, told: Told) -> None:
        payload = _bytes(row.payload_digest)
        self.seen[row.id] = Seen(row.state, told.events["replayed"], payload)

    def teardown(self) -> None:
        """When nothing keeps it back, everything comes to an end; and the control point has been
        told of each, as often as there was one.
        """
        self._open_every_gate()
        self.hands.clear()
        for _ in range(4 * len(self.seen) + 1):
            if not self._carry_one():
                break
        with tenant_scope(self.person.tenant_id):
            left = Delivery.objects.filter(id__in=self.seen, state__in=UNDELIVERED)
            assert not left.exists(), "nothing is lost"
            told = self._told()
            tried = Counter(
                Attempt.objects.filter(delivery_id__in=self.seen).values_list(
                    "delivery_id", flat=True
                )
            )
        assert tried == +self.settled, "each try has its row"
        for delivery_id in self.seen:
            results = results_of(self.person, delivery_id)
            assert len([one for one in results if one != "HELD"]) == len(told[delivery_id].ends)

    def _open_every_gate(self) -> None:
        with tenant_scope(self.person.tenant_id):
            standing = holds.standing().count()
        for _ in range(standing):
            self.release()
        self.the_operator_is_back()

    def _carry_one(self) -> bool:
        """Whatever is first in some lane, by a good worker to an operator that takes it."""
        with tenant_scope(self.person.tenant_id):
            rows = Delivery.objects.filter(id__in=self.seen, state__in=UNDELIVERED)
            rows.filter(wait_until__isnull=False).update(wait_until=now())
            ids = list(rows.order_by("position").values_list("id", flat=True))
        Due.objects.filter(delivery_id__in=ids).update(owner=None)
        for delivery_id in ids:
            found = self._in_scope(partial(take_in_hand, delivery_id, next(_owners)))
            if isinstance(found, Claimed):
                self.hands.append(found)
                self.settle(0, "accepted")
        return bool(ids)

    def _told(self) -> dict[UUID, Told]:
        rows = Entry.objects.filter(seq__gt=self.before, delivery_id__in=self.seen)
        found: dict[UUID, Told] = defaultdict(Told)
        for delivery_id, event in rows.order_by("seq").values_list("delivery_id", "event"):
            assert delivery_id is not None
            found[delivery_id].events[event] += 1
            if event in ENDS.values():
                found[delivery_id].ends.append(event)
        return found

    def _one(self, which: int) -> UUID:
        return list(self.seen)[which % len(self.seen)]

    def _first_of_its_lane(self, delivery_id: UUID) -> UUID | None:
        with tenant_scope(self.person.tenant_id):
            row = Delivery.objects.get(id=delivery_id)
            assert row.endpoint_id is not None
            lane = Delivery.objects.filter(endpoint_id=row.endpoint_id, queue=row.queue)
            waiting = lane.filter(state__in=UNDELIVERED).order_by("position")
            return waiting.values_list("id", flat=True).first()

    def _update(self, which: int, wait_until__isnull: bool | None = None, **changes: Any) -> None:
        with tenant_scope(self.person.tenant_id):
            rows = Delivery.objects.filter(id=self._one(which), state__in=OPEN)
            if wait_until__isnull is not None:
                rows = rows.filter(wait_until__isnull=wait_until__isnull)
            rows.update(**changes)

    def _operator(self) -> UUID:
        found: UUID = Endpoint.objects.values_list("id", flat=True).get(protocol="neso-wa")
        return found

    def _in_scope(self, work: Callable[[], Any]) -> Any:
        return in_tenant(self.person.tenant_id, work)

    def _try(self, work: Callable[[], Any]) -> None:
        """A person is told where it can't be done."""
        try:
            self._in_scope(work)
        except NotNow:
            return


def _bytes(digest: object) -> bytes | None:
    return bytes(digest) if isinstance(digest, bytes | memoryview) else None


def _report(claimed: Claimed, how: str) -> Report:
    at, told = now(), dict(OUTCOMES[how])
    if told.pop("verdict", ""):
        envelope = Envelope(Stamp("", at, claimed.reference), (RECEIVED,))
        told["verdict"] = Answer(Outcome.VERDICT, final=False, envelope=envelope)
    answered_at = at if told["status"] else None
    return Report(sent_at=at, answered_at=answered_at, detail=how, **told)


@pytest.fixture
def quiet_link(alice: Person) -> OpenLink:
    """One that takes, and that no gateway writes to: results wait as rows."""
    link = open_link(alice, alice.control_points[0])
    with tenant_scope(alice.tenant_id):
        Link.objects.filter(endpoint_id=link.hold.endpoint_id).update(gateway=None)
    return link


def test_whatever_happens_a_delivery_ends_once_for_each_time_it_is_tried(
    alice: Person, quiet_link: OpenLink
) -> None:
    try:
        play(lambda: Deliveries(alice, quiet_link), games=8, steps=30)
    finally:
        WATCH.stop()
    assert verify(alice.tenant_id).broken is None
