"""Reading the settings of an endpoint: every wrong one is named, and one that nobody knows is wrong
too. Which settings a protocol has is said in its own folder.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, TypeVar
from typing import Protocol as Shape

from messaging.domain.rules import RULES, Mark

T = TypeVar("T")
Network = IPv4Network | IPv6Network

LENIENT_RULES: Final = frozenset(rule.id for rule in RULES if rule.mark is Mark.KNOWLEDGE)
"""Rules that an endpoint may have turned into warnings."""

_SHOWN: Final = 60
"""Characters of a wrong value that are told again."""

_MOST_NETWORKS: Final = 32


@dataclass(frozen=True, slots=True)
class SettingFault:
    """What is wrong with the setting called `name`."""

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


class BadSettings(ValueError):
    """Settings that an endpoint of the protocol can't have; `faults` is all that is wrong."""

    def __init__(self, faults: tuple[SettingFault, ...]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


class Settings(Shape):
    """What every protocol's settings have: the profile that its messages are written in."""

    @property
    def profile(self) -> str: ...


class Reading:
    """Takes settings out of a mapping one by one; `close` raises BadSettings with all the faults
    there were.

    A fault gives the default back, so that the rest is read as well.
    """

    def __init__(self, given: Mapping[str, object]) -> None:
        self._left = dict(given)
        self._faults: list[SettingFault] = []

    def one_of(self, name: str, default: str, choices: Collection[str]) -> str:
        value = self._left.pop(name, default)
        if isinstance(value, str) and value in choices:
            return value
        return self._wrong(name, f"{_shown(value)} is none of {_listed(choices)}", default)

    def one_or_none_of(self, name: str, choices: Collection[str]) -> str | None:
        if self._left.get(name) is None:
            self._left.pop(name, None)
            return None
        return self.one_of(name, "", choices) or None

    def text(self, name: str, form: re.Pattern[str], told: str) -> str:
        """A text of that form, which is `told`; empty where it is not given."""
        value = self._left.pop(name, "")
        if isinstance(value, str) and (not value or form.fullmatch(value)):
            return value
        return self._wrong(name, f"{_shown(value)} is not {told}", "")

    def wrong(self, name: str, text: str) -> None:
        """What is seen only once the settings are there together."""
        self._wrong(name, text, None)

    def some_of(
        self, name: str, default: tuple[str, ...], choices: Collection[str], *, least: int = 0
    ) -> tuple[str, ...]:
        """A list of different ones of `choices`, at least so many."""
        value = self._left.pop(name, list(default))
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            return self._wrong(name, "it must be a list of names", default)
        unknown = [one for one in value if one not in choices]
        if unknown:
            text = f"{_shown(unknown[0])} is none of {_listed(choices)}"
            return self._wrong(name, text, default)
        if len(set(value)) != len(value) or len(value) < least:
            text = f"it must be a list of {least} or more, each once"
            return self._wrong(name, text, default)
        return tuple(value)

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self._left.pop(name, default)
        if type(value) is int and low <= value <= high:
            return value
        text = f"{_shown(value)} is not a whole number {low} to {high}"
        return self._wrong(name, text, default)

    def networks(self, name: str) -> tuple[Network, ...]:
        """A list of different networks in CIDR notation; none where it is not given."""
        value = self._left.pop(name, [])
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            return self._wrong(name, "it must be a list of networks", ())
        try:
            found = tuple(ip_network(one) for one in value)
        except ValueError as error:
            return self._wrong(name, str(error)[: 2 * _SHOWN], ())
        if len(set(found)) != len(found) or len(found) > _MOST_NETWORKS:
            text = f"it must be a list of {_MOST_NETWORKS} at most, each once"
            return self._wrong(name, text, ())
        return found

    def close(self) -> None:
        unknown = [
            SettingFault(str(name)[:_SHOWN], "no such setting") for name in sorted(self._left)
        ]
        if self._faults or unknown:
            raise BadSettings((*self._faults, *unknown))

    def _wrong(self, name: str, text: str, default: T) -> T:
        self._faults.append(SettingFault(name, text))
        return default


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _listed(choices: Collection[str]) -> str:
    return ", ".join(sorted(choices)) or "(there are none)"
