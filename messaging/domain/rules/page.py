"""The page of documentation that the table of rules is: `python -m messaging.domain.rules.page`
prints it for docs/rules.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from messaging.domain.rules.base import Mark, Rule, Way
from messaging.domain.rules.registrations import REGISTRATION_RULES
from messaging.domain.rules.table import RULES

_HEAD = """\
# The validation rules

Written from the table in `messaging/domain/rules/table.py` by
`python -m messaging.domain.rules.page`; do not edit.

Every rule is applied before anything is relayed, whatever way the message came in. A broken rule is
a `NACK` on a control point's link, a `REJ` line in a file's reply, an item of a problem answer in
the API. EDL and the system operator's receipts call it by the first code, reply files by the
second. **Across records** marks a rule that looks at records beside one another; it is left out
where a line of the file could not be read. A submission is accepted or refused whole.
"""
_REGISTRATIONS = """\
## Registrations

Written from the table in `messaging/domain/rules/registrations.py`. They are applied to files that
are uploaded for the Single Markets Platform, row by row; what breaks one is told by the uploaded
row and column (docs/registrations.md).
"""
_MARKS = {
    Mark.FACT: "a public fact",
    Mark.OVERVIEW: "from the system operator's overview documents",
    Mark.KNOWLEDGE: "general knowledge of the field; an endpoint's settings can make it a warning",
    Mark.CHOICE: "this project's choice",
}


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for mark, meaning in _MARKS.items():
        yield f"- **{mark}**: {meaning}"
    yield ""
    yield "| rule | mark | applies to | comes in by | codes | what it says |"
    yield "|---|---|---|---|---|---|"
    for rule in RULES:
        yield _row(rule)
    yield ""
    yield _REGISTRATIONS
    yield "| rule | mark | applies to | code | what it says |"
    yield "|---|---|---|---|---|"
    for one in REGISTRATION_RULES:
        told = f"`{one.code}` | {one.explanation}"
        yield f"| `{one.id}` | {one.mark} | {one.applies_to} | {told} |"


def _row(rule: Rule) -> str:
    ways = ", ".join(way.value for way in Way if way in rule.ways)
    codes = f"`{rule.code}` `{rule.file_code}`"
    told = rule.explanation
    if rule.across:
        told += " **Across records.**"
    return f"| `{rule.id}` | {rule.mark} | {rule.applies_to} | {ways} | {codes} | {told} |"


if __name__ == "__main__":
    print(page(), end="")
