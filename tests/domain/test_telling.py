"""One finding in the words of each way in."""

from __future__ import annotations

from dataclasses import replace

from messaging.domain.rules import Violation, nack_text, problem_item, reply_line
from messaging.domain.units import FileCode, RefusalCode

FOUND = Violation(
    "level-range",
    RefusalCode.OUT_OF_RANGE,
    ("levels", 0, "level_from"),
    "-10000",
    "outside -9999 to 9999 MW",
    file_code=FileCode.VALUE,
)


def test_a_nack_names_path_value_and_what_is_wrong() -> None:
    assert nack_text(FOUND) == "levels/0/level_from -10000: outside -9999 to 9999 MW"


def test_a_reply_line_is_fields_and_then_a_text_that_may_hold_commas() -> None:
    line = reply_line(17, "E003", "level from", "-10000: too low, by far")
    assert line == "REJ,17,E003,level from,-10000: too low, by far"


def test_no_field_and_no_text_can_make_another_line_or_field_of_it() -> None:
    line = reply_line(0, "E030", "a,b\n", "R003 \u00a3\r\nEND,1,1\x00 ")
    assert line == "REJ,0,E030,a?b?,R003 ???END,1,1?"


def test_a_problem_item_points_into_the_message() -> None:
    assert problem_item(FOUND) == {
        "rule": "level-range",
        "code": "R003",
        "pointer": "/levels/0/level_from",
        "value": "-10000",
        "text": "outside -9999 to 9999 MW",
    }
    assert problem_item(FOUND, "/levels/0/levelFrom")["pointer"] == "/levels/0/levelFrom"


def test_a_problem_item_of_a_file_names_the_line_in_the_words_of_files() -> None:
    item = problem_item(replace(FOUND, line=17, value=""))
    assert item == {
        "rule": "level-range",
        "code": "E003",
        "line": 17,
        "field": "level_from",
        "value": "",
        "text": "outside -9999 to 9999 MW",
    }
