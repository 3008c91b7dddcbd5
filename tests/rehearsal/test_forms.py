"""Every form of redeclaration is among those that a rehearsal sends, and none breaks a rule."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime

from messaging.domain.messages import kind_of
from messaging.domain.redeclarations import (
    LevelParameter,
    RateParameter,
    RateRedeclaration,
    ScalarParameter,
)
from messaging.domain.rules import violations
from messaging.rehearsal.forms import every_form, plausible

NOW = datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC)
UNITS = tuple(f"UNIT-{number}" for number in range(4))


def test_every_parameter_is_there_and_each_rate_with_one_two_and_three_steps() -> None:
    forms = list(every_form("CP1", UNITS, NOW))
    kinds = Counter(map(kind_of, forms))
    assert kinds.keys() == {*LevelParameter, *RateParameter, *ScalarParameter}
    steps = {(f.parameter, len(f.rates)) for f in forms if isinstance(f, RateRedeclaration)}
    assert steps == {(rate, count) for rate in RateParameter for count in (1, 2, 3)}


def test_the_units_take_turns() -> None:
    units = Counter(form.bm_unit for form in every_form("CP1", UNITS, NOW))
    assert units.keys() == set(UNITS)
    assert max(units.values()) - min(units.values()) <= 1


def test_none_breaks_a_rule() -> None:
    assert [form for form in every_form("CP1", UNITS, NOW) if violations(form, NOW)] == []


def test_a_plausible_redeclaration_breaks_none_either() -> None:
    chance = random.Random(7)
    drawn = [plausible("CP1", "UNIT-1", NOW, chance) for _ in range(500)]
    assert [one for one in drawn if violations(one, NOW)] == []
    assert {kind_of(one) for one in drawn} >= {"MEL", "MIL", "NDZ", *RateParameter}
