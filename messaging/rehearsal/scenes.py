"""What a rehearsal plays, in this order; the books are compared after the last scene."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from messaging.rehearsal.calm_scenes import (
    burst,
    every_redeclaration,
    one_at_a_time,
    refused_by_host,
    refused_by_operator,
    verdicts,
)
from messaging.rehearsal.rough_scenes import broken_link_down, broken_link_up, duplicates, outage
from messaging.rehearsal.stage import Stage


class Pace(Enum):
    """How a scene's messages follow one another, which is what their latencies are a measure of."""

    SINGLE = "one at a time"
    BURST = "all at once"
    DISTURBED = "with faults on the way"


@dataclass(frozen=True, slots=True)
class Scene:
    """`play` gives back what came of it, in words, or raises."""

    title: str
    play: Callable[[Stage], Awaitable[str]]
    pace: Pace = Pace.DISTURBED


SCENES = (
    Scene("One at a time", one_at_a_time, Pace.SINGLE),
    Scene("Every form of redeclaration", every_redeclaration, Pace.BURST),
    Scene("A burst of BOAs", burst, Pace.BURST),
    Scene("Verdicts", verdicts),
    Scene("Refused by the operator", refused_by_operator),
    Scene("Refused by the host", refused_by_host),
    Scene("Duplicated instructions", duplicates),
    Scene("Links break on the way up", broken_link_up),
    Scene("Links break on the way down", broken_link_down),
    Scene("The operator is out", outage),
)
