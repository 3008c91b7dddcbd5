"""What an endpoint of EDL, which is a control point, can be set to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from messaging.protocols.settings import LENIENT_RULES, Reading


@dataclass(frozen=True, slots=True)
class EdlSettings:
    """`warn_only` names rules whose breach by this control point is told and not refused."""

    profile: str = "host-1"
    warn_only: tuple[str, ...] = ()

    @classmethod
    def parse(cls, given: Mapping[str, object], *, profiles: Collection[str]) -> Self:
        """Raises BadSettings; `profiles` are those that are installed."""
        reading = Reading(given)
        settings = cls(
            reading.one_of("profile", cls().profile, profiles),
            reading.some_of("warn_only", (), LENIENT_RULES),
        )
        reading.close()
        return settings
