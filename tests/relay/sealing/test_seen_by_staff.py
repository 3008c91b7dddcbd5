"""What was signed, as the vendor's staff see it: in whatever seal, of either side, with its signer;
and the address that some seals cover is taken from the audit chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from messaging.models import Delivery, Message
from messaging.overview import bodies
from messaging.overview.bodies import Kept
from messaging.protocols.neso.seals import Target
from messaging.relay.deliver import deliver
from tenants.audit import bodies as stored
from tenants.scope import tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.speaking import dispatch, each_seal, say, state_of
from tests.roles import as_role

HOLDS = '<b class="good">holds</b>'


@contextmanager
def as_staff(ends: BothEnds) -> Iterator[None]:
    with as_role("staff", ends.servers, ends.database):
        yield


def read(person: Person, kept: Kept) -> str:
    with tenant_scope(person.tenant_id):
        content = stored.read(kept.where.digest, kept.where.at)
        return "".join(str(shown) for _, shown in kept.read(content))


def by_name(kept: list[Kept]) -> dict[str, Kept]:
    return {one.name: one for one in kept}


@each_seal
def test_what_came_in_holds_with_the_operator_as_its_signer(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    message_id = dispatch(ends)["messageId"]
    with as_staff(ends):
        row = Message.objects.select_related("endpoint").get(reference=message_id)
        page = read(alice, by_name(list(bodies.of_message(row)))["Signed form it came in"])
    assert HOLDS in page
    assert "peer " in page
    assert f"{seal}, RS256" in page
    assert "NESO_Instruction" in page


@each_seal
def test_what_was_sent_and_its_answer_hold_each_with_its_own_signer(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    delivery_id = say(link)
    deliver(alice.tenant_id, delivery_id)
    assert state_of(alice, delivery_id) == "ACKNOWLEDGED"
    with as_staff(ends):
        row = Delivery.objects.select_related("endpoint", "message").get(id=delivery_id)
        kept = by_name(list(bodies.of_delivery(row)))
        sent = read(alice, kept["Signed form last sent"])
        answer = read(alice, kept["Answer that came last"])
    assert HOLDS in sent
    assert "tenant alice" in sent
    assert HOLDS in answer
    assert "peer " in answer
    assert "ANSWER https://" in answer


@pytest.mark.parametrize("other", ["https://elsewhere.example/", ""])
def test_negative_control_at_another_address_a_seal_that_covers_it_does_not_hold(
    ends: BothEnds, alice: Person, link: OpenLink, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address in the chain is what is looked at, and without one nothing is said to hold."""
    ends.use("content-hash")
    message_id = dispatch(ends)["messageId"]
    target = Target("POST", other) if other else None
    monkeypatch.setattr(bodies, "find_target_in", lambda _: target)
    with as_staff(ends):
        row = Message.objects.select_related("endpoint").get(reference=message_id)
        page = read(alice, by_name(list(bodies.of_message(row)))["Signed form it came in"])
    assert HOLDS not in page
    assert ("does not hold" in page) == bool(other)
    assert ("not looked at" in page) == (not other)
