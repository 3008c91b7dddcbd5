"""What is wrong with what was handed in: a field, and a sentence that says what and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """`text` is for a person and tells no secret."""

    field: str
    text: str


class Unfit(Exception):
    """What was handed in can't be used; nothing of it was stored."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.text for fault in faults))
        self.faults = faults


def unfit(field: str, text: str) -> Unfit:
    return Unfit(Fault(field, text))
