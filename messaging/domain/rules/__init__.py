"""The validation rules, one named entry each, applied before anything is relayed whatever way it
came in.

A rule reads one typed message, or the records of a submission, and yields what is wrong. Its mark
says where it comes from: F is a public fact, S the operator's overview documents, K is general
knowledge of the field (an endpoint may turn such a rule into a warning), C is this project's
choice. Who may speak for a control point's BM unit is not a rule here: that takes the register.
"""

from __future__ import annotations

from messaging.domain.rules.applying import Findings, Found, file_violations, violations
from messaging.domain.rules.base import (
    LEVEL_RANGE,
    PRICE_RANGE,
    RATE_RANGE,
    SCALAR_RANGE,
    Fault,
    Mark,
    Rule,
    Violation,
    Way,
)
from messaging.domain.rules.filed import MOST_PAIRS, Circumstances
from messaging.domain.rules.messages import EARLIEST_START
from messaging.domain.rules.table import BY_ID, RULES
from messaging.domain.rules.telling import nack_text, problem_item, reply_line

__all__ = [
    "BY_ID",
    "EARLIEST_START",
    "LEVEL_RANGE",
    "MOST_PAIRS",
    "PRICE_RANGE",
    "RATE_RANGE",
    "RULES",
    "SCALAR_RANGE",
    "Circumstances",
    "Fault",
    "Findings",
    "Found",
    "Mark",
    "Rule",
    "Violation",
    "Way",
    "file_violations",
    "nack_text",
    "problem_item",
    "reply_line",
    "violations",
]
