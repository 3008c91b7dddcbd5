"""The demonstration's control points accept most instructions and reject a few, with a reason."""

from __future__ import annotations

import random

from messaging.domain.instructions import EmergencyInstruction, Verdict
from messaging.rehearsal.driving import REJECTED_SHARE, mostly_accept

ORDER = EmergencyInstruction("CP1", "UNIT-1", 7, "reduce to 0 MW")


def test_most_are_accepted_and_a_few_rejected_for_a_reason_that_fits_its_fields() -> None:
    chance = random.Random(7)
    answers = [mostly_accept(ORDER, chance) for _ in range(2000)]
    rejected = [one for one in answers if one.verdict is Verdict.REJECTED]
    assert 0.5 * REJECTED_SHARE < len(rejected) / len(answers) < 2 * REJECTED_SHARE
    for one in rejected:
        assert 0 < len(one.reason_code or "") <= 4
        assert 0 < len(one.reason_text or "") <= 60


def test_an_answer_names_what_it_answers() -> None:
    said = mostly_accept(ORDER, random.Random(7))
    assert (said.control_point, said.bm_unit, said.number) == ("CP1", "UNIT-1", 7)
