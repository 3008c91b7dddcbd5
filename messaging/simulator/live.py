"""The configuration as it stands now: read again whenever its file changes, kept as it was where
the new one is bad."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from messaging.simulator.config import Config, load
from messaging.simulator.options import ConfigError

log = logging.getLogger("simulator.config")
_EVERY_SECONDS = 0.25


class LiveConfig:
    """`current` is always whole; a file caught half-written is tried again until it reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._mark()
        self._complaint = ""
        self._configured = load(path)
        self._change: Callable[[Config], Config] = _unchanged
        self._listeners: list[Callable[[Config], None]] = []
        self.current: Config = self._configured

    def listen(self, listener: Callable[[Config], None]) -> None:
        """A listener that raises OSError or ValueError refuses the new configuration."""
        self._listeners.append(listener)

    @property
    def configured(self) -> Config:
        """As the file says, whatever a rehearsal changes of it."""
        return self._configured

    def change(self, change: Callable[[Config], Config]) -> None:
        """From now on `current` is what `change` makes of the configuration. Raises what a listener
        raises, and `current` is then as it was."""
        changed = change(self._configured)
        for listener in self._listeners:
            listener(changed)
        self._change, self.current = change, changed

    def refresh(self) -> Config:
        mark = self._mark()
        if mark != self._seen:
            self._reload(mark)
        return self.current

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.refresh()

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _reload(self, mark: tuple[int, int, int] | None) -> None:
        try:
            configured = load(self._path)
            config = self._change(configured)
            for listener in self._listeners:
                listener(config)
        except (ConfigError, OSError, ValueError) as error:
            self._complain(str(error))
            return
        if config.ports != self.current.ports:
            log.warning("changed ports take effect at the next start")
        self._seen, self._complaint = mark, ""
        self._configured, self.current = configured, config

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            log.warning("configuration kept as it was: %s", text)
            self._complaint = text


def _unchanged(config: Config) -> Config:
    return config
