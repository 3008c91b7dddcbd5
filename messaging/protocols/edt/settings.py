"""What an endpoint of EDT, which is a trading point's directory, can be set to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from messaging.protocols.settings import LENIENT_RULES, Reading

_LAST_SEQUENCE = 999_999


@dataclass(frozen=True, slots=True)
class EdtSettings:
    """`first_sequence` is the number that a trading agent's first file bears. `warn_only` names
    rules whose breach is told and not refused.
    """

    profile: str = "host-1"
    first_sequence: int = 1
    warn_only: tuple[str, ...] = ()

    @classmethod
    def parse(cls, given: Mapping[str, object], *, profiles: Collection[str]) -> Self:
        """Raises BadSettings; `profiles` are those that are installed."""
        reading = Reading(given)
        settings = cls(
            reading.one_of("profile", cls().profile, profiles),
            reading.whole("first_sequence", 1, 1, _LAST_SEQUENCE),
            reading.some_of("warn_only", (), LENIENT_RULES),
        )
        reading.close()
        return settings
