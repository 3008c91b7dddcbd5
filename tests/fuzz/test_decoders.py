"""Twenty thousand mutated inputs through each decoder, always the same; `make fuzz` runs a million
others.
"""

from __future__ import annotations

import re
from random import Random

import pytest

from messaging.protocols.base import Parcel, RemoteProtocolError
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.neso.seals import Sealed, SealError, get_seal
from tests.fuzz import campaign, sealed, targets
from tests.fuzz.targets import TARGETS, Target

SEED = 2026
INPUTS = 20_000


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_bytes_are_taken_or_refused_in_the_protocols_own_words(name: str) -> None:
    outcome = campaign.run(name, SEED, range(INPUTS))
    assert not outcome.crashes, "\n".join(map(str, outcome.crashes))
    assert outcome.inputs == INPUTS


def test_a_decoder_that_breaks_is_found_and_can_be_made_to_break_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control: a reader that trusts its bytes."""

    def trusting(rng: Random, data: bytes) -> None:
        data.decode("ascii")

    weak = Target("weak", TARGETS["edl-codec"].make, trusting)
    monkeypatch.setitem(TARGETS, "weak", weak)
    found = campaign.run("weak", SEED, range(INPUTS)).crashes
    assert len(found) == campaign.MOST_CRASHES
    _, again = campaign.input_of(weak, SEED, found[0].number)
    assert again == found[0].data
    assert "UnicodeDecodeError" in str(found[0])


@pytest.mark.parametrize("name", TARGETS)
def test_most_inputs_differ(name: str) -> None:
    made = {campaign.input_of(TARGETS[name], SEED, number)[1] for number in range(2_000)}
    assert len(made) > 1_500


@pytest.mark.parametrize(
    ("name", "codec"),
    [("edl-codec", targets.FIXED.codec), ("edl-delimited-codec", targets.DELIMITED.codec)],
)
def test_a_good_part_of_the_inputs_gets_past_the_first_checks(name: str, codec: EdlCodec) -> None:
    """Mutation that only ever broke the outermost layer would test nothing behind it."""
    fields = set()
    for number in range(3_000):
        try:
            codec.decode(Parcel(campaign.input_of(TARGETS[name], SEED, number)[1]))
        except RemoteProtocolError as error:
            fields |= set(re.split(r"[.\[]", error.field))
    assert {"bm_unit", "number", "type", "levels"} <= fields


@pytest.mark.parametrize("name", sealed.NAMES)
def test_a_good_part_of_the_sealed_inputs_opens_or_nearly_does(name: str) -> None:
    """Else the signatures behind the first checks would never be looked at."""
    seal, told = get_seal(name), set()
    for number in range(1_000):
        record = campaign.input_of(TARGETS[name], SEED, number)[1]
        try:
            told.add(seal.peek(Sealed.from_record(record)).audience)
        except SealError as error:
            told.add(error.reason)
    assert "ALICE" in told
    assert len(told) > 10
