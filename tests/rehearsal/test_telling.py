"""A typed message and its payload are told in the same words, and other content in others."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messaging.domain.instructions import (
    AncillaryInstruction,
    BidOfferAcceptance,
    EmergencyInstruction,
)
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import ScalarParameter, ScalarRedeclaration
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.loading import load_profile
from messaging.rehearsal.forms import every_form
from messaging.rehearsal.telling import tell, tell_payload

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SEGMENTS = (
    Segment(START, 100, START + timedelta(minutes=5), 40),
    Segment(START + timedelta(minutes=5), 40, START + timedelta(minutes=25), 40),
)
ACCEPTANCE = BidOfferAcceptance(
    "CP1", "UNIT-1", 7, START, False, True, False, False, SEGMENTS, START
)
INSTRUCTIONS = (
    ACCEPTANCE,
    AncillaryInstruction("CP1", "UNIT-1", 8, "STOR", "START", START, None, 30, START),
    EmergencyInstruction("CP1", "", 9, "reduce to 0 MW", START),
)


def payload_of(message: Any) -> dict[str, Any]:
    codec = WaCodec(load_profile("host-1"))
    reference = "018f0000-0000-7000-8000-000000000001"
    parcel = codec.encode(Envelope(Stamp(reference, START), (message,)))
    members: dict[str, Any] = json.loads(parcel.content)
    return members


@pytest.mark.parametrize("message", list(every_form("CP1", ("UNIT-1",), START)), ids=str)
def test_a_redeclaration_and_its_payload_say_the_same(message: Any) -> None:
    assert tell(message) == tell_payload(payload_of(message))


@pytest.mark.parametrize("message", INSTRUCTIONS, ids=lambda message: str(message.kind))
def test_an_instruction_and_its_payload_say_the_same(message: Any) -> None:
    assert tell(message) == tell_payload(payload_of(message))


def test_ids_and_times_of_sending_are_no_part_of_what_is_said() -> None:
    payload = payload_of(ACCEPTANCE)
    again = {**payload, "messageId": "another", "sentAt": "later", "respondBy": None}
    assert tell_payload(again) == tell_payload(payload)


@pytest.mark.parametrize(
    "changed",
    [
        replace(ACCEPTANCE, number=8),
        replace(ACCEPTANCE, so_flag=False),
        replace(ACCEPTANCE, accepted_at=START - timedelta(minutes=1)),
        replace(ACCEPTANCE, levels=(SEGMENTS[0],)),
        replace(ACCEPTANCE, levels=(SEGMENTS[0], replace(SEGMENTS[1], level_to=41))),
        replace(ACCEPTANCE, levels=SEGMENTS[::-1]),
    ],
)
def test_anything_else_is_told_otherwise(changed: BidOfferAcceptance) -> None:
    assert tell(changed) != tell(ACCEPTANCE)


def test_a_number_is_told_alike_with_and_without_a_zero_decimal() -> None:
    message = ScalarRedeclaration("CP1", "UNIT-1", ScalarParameter.NDZ, 5)
    assert tell_payload({**payload_of(message), "value": 5.0}) == tell(message)
