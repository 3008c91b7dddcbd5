"""The compose file as Compose reads it: variables filled in, anchors merged, in the order of its
dependencies. Nothing is started here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from tests.servers import ROOT

FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?:(:[-?])([^}]*))?\})")


class Unset(Exception):
    """A variable that the file demands is not set."""


@dataclass(frozen=True, slots=True)
class Compose:
    """The whole file with its variables filled in."""

    content: Mapping[str, Any]

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.content["services"]
        return found

    def in_order(self) -> list[str]:
        """Service names, each after those it depends on."""
        needs = {name: set(one.get("depends_on", ())) for name, one in self.services.items()}
        return list(TopologicalSorter(needs).static_order())

    def secret_file(self, name: str) -> Path:
        return Path(self.content["secrets"][name]["file"])


def read(variables: Mapping[str, str]) -> Compose:
    """As the file is with these variables. Raises Unset."""
    return Compose(_filled(yaml.safe_load(FILE.read_text()), variables))


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    match value:
        case dict():
            return {name: _filled(one, variables) for name, one in value.items()}
        case list():
            return [_filled(one, variables) for one in value]
        case str():
            return _VARIABLE.sub(lambda match: _value_of(match, variables), value)
        case _:
            return value


def _value_of(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, rule, other = match.groups()
    if name is None:
        return "$"
    if value := variables.get(name):
        return value
    if rule != ":-":
        raise Unset(name)
    return str(other)
