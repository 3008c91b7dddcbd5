"""The table of rules itself: what each entry says of itself, and the page written from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from messaging.domain.rules import BY_ID, RULES, Mark, Rule, Way
from messaging.domain.rules.page import page
from messaging.domain.units import FileCode, RefusalCode

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
READ_BY_THE_CODEC = {
    *("file-size", "line-format", "record-type", "agent-of-file", "unit-name"),
    *("field-format", "field-width", "time-format", "json-shape", "json-time"),
}
each = pytest.mark.parametrize("rule", RULES, ids=BY_ID)


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len(BY_ID) == len(RULES)


def test_the_page_of_rules_is_written_from_the_table_as_it_is() -> None:
    assert (DOCS / "rules.md").read_text(encoding="utf-8") == page()


@each
def test_a_rule_says_what_it_is_for(rule: Rule) -> None:
    assert rule.explanation.endswith(".")
    assert rule.applies_to
    assert rule.ways
    assert rule.code is not RefusalCode.OK
    assert rule.id == rule.id.lower()


@each
def test_a_rule_is_checked_where_the_ways_it_names_come_in(rule: Rule) -> None:
    if rule.id in READ_BY_THE_CODEC:
        assert rule.on_message is None
        assert rule.on_file is None
        assert rule.ways <= {Way.EDT, Way.API}
        return
    assert bool(rule.on_message) == bool(rule.ways & {Way.EDL, Way.OPERATOR})
    assert bool(rule.on_file) == (Way.EDT in rule.ways)


@each
def test_only_rules_across_records_have_their_code(rule: Rule) -> None:
    assert rule.across == (rule.file_code is FileCode.ACROSS_RECORDS)
    assert not rule.across or rule.on_file


@each
def test_only_knowledge_of_the_field_can_be_made_a_warning(rule: Rule) -> None:
    assert rule.may_warn == (rule.mark is Mark.KNOWLEDGE)


def test_the_capacity_in_the_register_alone_never_refuses() -> None:
    assert [rule.id for rule in RULES if rule.only_warns] == ["notification-capacity"]
