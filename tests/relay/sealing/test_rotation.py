"""Two keys at once while a side rotates its own: which one signs, and which ones are believed."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature

from messaging.relay.claim import Claimed
from messaging.relay.deliver import deliver
from messaging.states import DeliveryState
from tests.people import Person
from tests.protocols.neso.plain import open_plain
from tests.relay.conftest import OpenLink
from tests.relay.sealing.both_ends import BothEnds, install, pin
from tests.relay.sealing.speaking import claim, dispatch, each_seal, say, state_of
from tests.relay.test_claim import release


@each_seal
def test_while_the_operator_rotates_its_key_the_old_one_and_the_new_one_count(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    for signing in (ends.keys.previous, ends.keys.signing):
        ends.use(seal, signing=signing)
        assert dispatch(ends)["answer"]["status"] == 200
        delivery_id = say(link)
        deliver(alice.tenant_id, delivery_id)
        assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED


@each_seal
def test_once_the_old_key_is_no_longer_pinned_it_does_not_count(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    keys = ends.keys
    ends.use(seal, signing=keys.previous)
    pin(keys, ends.servers, ends.database, (keys.signing,))
    try:
        assert dispatch(ends)["answer"]["status"] == 401
        delivery_id = say(link)
        deliver(alice.tenant_id, delivery_id)
        assert state_of(alice, delivery_id) == DeliveryState.PENDING
    finally:
        pin(keys, ends.servers, ends.database, (keys.previous, keys.signing))


@each_seal
def test_a_tenant_signs_with_its_active_key_alone_and_is_believed_before_and_after_rotation(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    keys = ends.keys
    ends.use(seal)
    pairs = (keys.tenant_signing, keys.tenant_next)
    try:
        for active, other in (pairs, pairs[::-1]):
            install(alice, ends.servers, ends.database, SIGNING=active)
            delivery_id = say(link)
            claimed = claim(alice, delivery_id)
            assert isinstance(claimed, Claimed)
            open_plain(seal, claimed.sealed, active.certificate, "POST", claimed.url)
            with pytest.raises(InvalidSignature):
                open_plain(seal, claimed.sealed, other.certificate, "POST", claimed.url)
            release(alice, delivery_id)
            deliver(alice.tenant_id, delivery_id)
            assert state_of(alice, delivery_id) == DeliveryState.ACKNOWLEDGED
    finally:
        install(alice, ends.servers, ends.database, SIGNING=keys.tenant_signing)
