"""Holds messages and submissions against the table, and keeps what is found within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from messaging.domain.messages import BmMessage
from messaging.domain.rules.base import Fault, Rule, Violation
from messaging.domain.rules.filed import Circumstances, Filed
from messaging.domain.rules.table import RULES
from messaging.domain.submissions import Submission

MOST_LISTED: Final = 1000
"""Refusals of one submission that are told one by one, and as many warnings."""


@dataclass(slots=True)
class Found:
    """Violations up to a bound; `more` where there are others."""

    most: int = MOST_LISTED
    listed: list[Violation] = field(default_factory=list)
    more: bool = False

    @property
    def is_full(self) -> bool:
        return self.more

    def add(self, violation: Violation) -> None:
        if len(self.listed) < self.most:
            self.listed.append(violation)
        else:
            self.more = True


@dataclass(slots=True)
class Findings:
    """What is wrong with a submission: refusals, any of which refuses it whole, and warnings.

    A rule is left as soon as what it finds would not be listed, so the time this takes does not
    grow with the number of faults.
    """

    refusals: Found = field(default_factory=Found)
    warnings: Found = field(default_factory=Found)

    @property
    def refused(self) -> bool:
        return bool(self.refusals.listed)

    def in_order(self) -> tuple[Violation, ...]:
        """The refusals by their lines; those of one line as they were found."""
        return tuple(sorted(self.refusals.listed, key=_line))


def _line(violation: Violation) -> int:
    return violation.line


def violations(
    message: BmMessage, now: datetime, warn_only: Iterable[str] = ()
) -> tuple[Violation, ...]:
    """Every rule that `message`, received at `now`, breaks; rules named in `warn_only` are marked
    as warnings. Of a submission, as many as are listed.

    Only a rule of mark K can be turned into a warning; naming another has no effect.
    """
    if isinstance(message, Submission):
        found = file_violations(message, Circumstances(now), warn_only)
        return (*found.refusals.listed, *found.warnings.listed)
    lenient = _lenient(warn_only)
    return tuple(
        _violation(rule, fault, rule.id in lenient)
        for rule in RULES
        if rule.on_message
        for fault in rule.on_message(message, now)
    )


def file_violations(
    submission: Submission,
    circumstances: Circumstances,
    warn_only: Iterable[str] = (),
    *,
    lines: Sequence[int] = (),
    whole: bool = True,
    found: Findings | None = None,
) -> Findings:
    """What is wrong with a submission, added to what was `found` before.

    `lines` names the line of each record. Where the submission is not `whole`, for a line could
    not be read, rules across records are left out: they would take for a gap what is only unread.
    """
    found = found or Findings()
    filed = Filed(submission.records, circumstances)
    lenient = _lenient(warn_only)
    for rule in RULES:
        if rule.on_file is None or (rule.across and not whole):
            continue
        warns = rule.only_warns or rule.id in lenient
        kept = found.warnings if warns else found.refusals
        for fault in rule.on_file(filed):
            kept.add(_violation(rule, fault, warns, _line_of(fault, lines)))
            if kept.is_full:
                break
    return found


def _lenient(warn_only: Iterable[str]) -> set[str]:
    return {rule.id for rule in RULES if rule.may_warn} & set(warn_only)


def _violation(rule: Rule, fault: Fault, warning: bool, line: int = 0) -> Violation:
    return Violation(
        rule.id, rule.code, fault.path, fault.value, fault.text, warning, rule.file_code, line
    )


def _line_of(fault: Fault, lines: Sequence[int]) -> int:
    index = fault.path[1] if len(fault.path) > 1 else None
    return lines[index] if isinstance(index, int) and index < len(lines) else 0
