"""What an endpoint of EDL, which is a control point, can be set to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from messaging.protocols.settings import LENIENT_RULES, Network, Reading

_LONGEST_ALARM_S = 86_400


@dataclass(frozen=True, slots=True)
class EdlSettings:
    """`warn_only` names rules whose breach by this control point is told and not refused.

    A link that is lost is alarmed unless it is back within `alarm_seconds`. `plain_from` are the
    networks, within the tenant's own tunnel, from which it may connect without TLS; without any it
    can't.
    """

    profile: str = "host-1"
    warn_only: tuple[str, ...] = ()
    alarm_seconds: int = 5
    plain_from: tuple[Network, ...] = ()

    @property
    def alarm_within(self) -> timedelta:
        return timedelta(seconds=self.alarm_seconds)

    @classmethod
    def parse(cls, given: Mapping[str, object], *, profiles: Collection[str]) -> Self:
        """Raises BadSettings; `profiles` are those that are installed."""
        reading, default = Reading(given), cls()
        settings = cls(
            reading.one_of("profile", default.profile, profiles),
            reading.some_of("warn_only", (), LENIENT_RULES),
            reading.whole("alarm_seconds", default.alarm_seconds, 0, _LONGEST_ALARM_S),
            reading.networks("plain_from"),
        )
        reading.close()
        return settings
