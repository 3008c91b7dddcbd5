"""What a check found wrong, as section 3 reports it: JSON Pointer, code, text."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

Path = tuple[str | int, ...]
_MOST = 1000


class Code(StrEnum):
    MALFORMED = "R001"
    NOT_YOURS = "R002"
    RANGE = "R003"
    ORDER = "R004"
    UNKNOWN_TYPE = "R005"
    UNKNOWN_PROFILE = "R006"
    UNKNOWN_INSTRUCTION = "R007"
    SETTLED = "R008"
    OUT = "R999"


@dataclass(frozen=True, slots=True)
class Violation:
    path: str
    code: str
    text: str


def pointer(path: Path) -> str:
    """RFC 6901."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


@dataclass(slots=True)
class Findings:
    """Keeps the first thousand; a payload wrong in every record is answered in bounded space."""

    violations: list[Violation] = field(default_factory=list)

    def add(self, path: Path, code: str, text: str) -> None:
        if len(self.violations) < _MOST:
            self.violations.append(Violation(pointer(path), str(code), text))

    def __bool__(self) -> bool:
        return bool(self.violations)
