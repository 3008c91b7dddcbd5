"""Reads single values out of a configuration file and names the key where one is wrong; which keys
there are is not known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm


class ConfigError(Exception):
    """The configuration can't be used; the text names the key."""


@dataclass(frozen=True, slots=True)
class Options:
    values: Mapping[str, Any]
    prefix: str
    root: Path

    def _get(self, name: str, kind: type, default: Any) -> Any:
        value = self.values.get(name)
        value = default if value is None else value
        if value is None:
            raise ConfigError(f"{self.prefix}{name} is missing")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"{self.prefix}{name} is not a {kind.__name__}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        return str(self._get(name, str, default))

    def integer(self, name: str) -> int:
        return int(self._get(name, int, None))

    def flag(self, name: str) -> bool:
        return bool(self._get(name, bool, False))

    def seconds(self, name: str, default: float | None) -> float | None:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
            raise ConfigError(f"{self.prefix}{name} is not a number of seconds")
        return float(value)

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        values = self._get(name, list, None if default is None else list(default))
        if not all(isinstance(value, str) for value in values):
            raise ConfigError(f"{self.prefix}{name} is not a list of strings")
        return tuple(values)

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise ConfigError(f"{self.prefix}{name} is none of {', '.join(allowed)}")
        return value

    def choices(self, name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        values = self.texts(name, allowed)
        if not values or not set(values) <= set(allowed):
            raise ConfigError(f"{self.prefix}{name} has something else than {', '.join(allowed)}")
        return values

    def path(self, name: str) -> Path:
        return self.root / self.text(name)

    def paths(self, name: str) -> tuple[Path, ...]:
        return tuple(self.root / text for text in self.texts(name))

    def section(self, name: str, *, required: bool = True) -> Options:
        values = self._get(name, dict, None if required else {})
        return Options(values, f"{self.prefix}{name}.", self.root)

    def items(self, name: str) -> list[Options]:
        values = self._get(name, list, None)
        if not all(isinstance(value, dict) for value in values):
            raise ConfigError(f"{self.prefix}{name} is not a list of objects")
        return [
            Options(value, f"{self.prefix}{name}[{index}].", self.root)
            for index, value in enumerate(values)
        ]

    @contextmanager
    def naming(self, name: str) -> Iterator[None]:
        """Turns a file or key that can't be read into a ConfigError that names it."""
        try:
            yield
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError(f"{self.prefix}{name}: {error}") from error
