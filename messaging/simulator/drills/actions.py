"""What a scenario can do at a moment, as values; doing it is `player.py`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class SetFault:
    """`lasts` in seconds of the scenario, None until the scenario ends."""

    item: Mapping[str, object]
    lasts: float | None


@dataclass(frozen=True, slots=True)
class ClearFaults:
    """Takes away every fault, whoever set it."""


@dataclass(frozen=True, slots=True)
class DispatchOne:
    """`instruction` None is a plausible acceptance for anyone."""

    instruction: Mapping[str, object] | None
    participant_id: str | None


@dataclass(frozen=True, slots=True)
class SwitchOutage:
    """`lasts` and `announced` in seconds of the scenario."""

    on: bool
    lasts: float | None = None
    announced: float = 0.0


@dataclass(frozen=True, slots=True)
class Rotate:
    """`what` None is back to the configured certificates."""

    what: str | None
    announced: float | None = None


@dataclass(frozen=True, slots=True)
class SetClock:
    """True seconds, whatever the scenario's speed."""

    offset: float


@dataclass(frozen=True, slots=True)
class PlayDay:
    """`speed` None is the scenario's own."""

    day: date | None
    speed: float | None
    limit: int | None


Action = SetFault | ClearFaults | DispatchOne | SwitchOutage | Rotate | SetClock | PlayDay


@dataclass(frozen=True, slots=True)
class Happening:
    """An action, `at` seconds of the scenario after its start, and the line it stands on."""

    at: float
    line: int
    action: Action
    words: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """Happenings in their order. `ends` is in seconds of the scenario, of which `speed` pass in one
    second."""

    name: str
    about: str
    speed: float
    happenings: tuple[Happening, ...]
    ends: float
