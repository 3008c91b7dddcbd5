"""What a test of a connection found: steps with a colour each, in the order they were tried. Values
only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tenants.audit.events import stamp


class Colour(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    """It works, and somebody should look at it."""
    RED = "red"
    GREY = "grey"
    """Not tried, because a step before it failed or does not apply."""


_WORST_FIRST = (Colour.RED, Colour.YELLOW, Colour.GREEN)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step came to. `detail` is for those who want to know more, of JSON's own types."""

    colour: Colour
    text: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    finding: Finding
    milliseconds: float | None = None
    """How long it took; None where it was not tried or there was nothing to wait for."""

    @property
    def colour(self) -> Colour:
        return self.finding.colour

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "colour": self.colour.value,
            "text": self.finding.text,
            "milliseconds": self.milliseconds,
            "detail": dict(self.finding.detail),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """`colour` is the worst of its steps'."""

    endpoint: str
    protocol: str
    environment: str
    address: str
    started_at: datetime
    milliseconds: float
    steps: Sequence[Step]

    @property
    def colour(self) -> Colour:
        return worst(step.colour for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "protocol": self.protocol,
            "environment": self.environment,
            "address": self.address,
            "started_at": stamp(self.started_at),
            "milliseconds": self.milliseconds,
            "colour": self.colour.value,
            "steps": [step.as_json() for step in self.steps],
        }


def worst(colours: Iterable[Colour]) -> Colour:
    found = set(colours)
    return next((colour for colour in _WORST_FIRST if colour in found), Colour.GREY)
