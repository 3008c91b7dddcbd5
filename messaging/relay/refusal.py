"""A message that is not taken: raised while it is examined, caught where it is stored as refused
and answered.
"""

from __future__ import annotations

from dataclasses import dataclass

from messaging.domain.units import RefusalCode


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason. `field` is a JSON Pointer or a field's name, in the words of the sender's
    protocol.
    """

    code: RefusalCode
    text: str
    field: str = ""
    rule: str = ""
    value: str = ""


class Refused(Exception):
    """Carries every reason found, at least one."""

    def __init__(self, *reasons: Refusal) -> None:
        super().__init__(reasons[0].text)
        self.reasons = reasons
