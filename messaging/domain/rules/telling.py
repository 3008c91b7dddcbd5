"""One finding in the words of each way in: the text of a NACK, a line of a reply file, an item of a
problem answer.
"""

from __future__ import annotations

import re
from typing import Final

from messaging.domain.rules.base import Violation

_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_SEPARATING: Final = re.compile(r"[^ -~]|,")


def nack_text(violation: Violation) -> str:
    """The field by its path, its value, and what is wrong with it."""
    path = "/".join(str(step) for step in violation.path)
    return f"{path} {violation.value}: {violation.text}"


def reply_line(line: int, code: str, field: str, text: str) -> str:
    """A line of a reply file: the field's name is free of commas, the text may hold them."""
    field, text = _SEPARATING.sub("?", field), _UNPRINTABLE.sub("?", text)
    return f"REJ,{line},{code},{field},{text.strip(' ')}"


def problem_item(violation: Violation, pointer: str = "") -> dict[str, str | int]:
    """An item of problem+json: the rule, its code, where it is (by JSON Pointer, or by the line and
    field of a file), the value and what is wrong with it.

    A `pointer` of the request's own names takes the place of the typed message's.
    """
    item: dict[str, str | int] = {"rule": violation.rule, "code": str(violation.code)}
    if violation.line:
        item |= {"code": str(violation.file_code)}
        item |= {"line": violation.line, "field": violation.field}
    else:
        item["pointer"] = pointer or "".join(f"/{_escaped(step)}" for step in violation.path)
    return item | {"value": violation.value, "text": violation.text}


def _escaped(step: str | int) -> str:
    """A reference token of RFC 6901."""
    return str(step).replace("~", "~0").replace("/", "~1")
