"""Alarms of which a machine gone wrong makes any number: the first of a kind at once, and those
that follow in a while as one, with their count. What each file came to stands in the audit log
besides.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from uuid import UUID

from messaging.transports.directories import Directories, write_whole
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.scope import in_tenant

LASTS: Final = timedelta(minutes=15)
"""Between an alarm and the next of its kind at one trading point."""


class Kind(StrEnum):
    ILL_NAMED = "ill-named"
    TOO_LARGE = "too-large"


@dataclass(frozen=True, slots=True)
class Spell:
    """Of one kind, at one trading point. Whoever notes or ends one has the directories to
    himself.
    """

    tenant_id: UUID
    endpoint_id: UUID
    kind: Kind

    @property
    def path(self) -> Path:
        return Directories.of(self.tenant_id, self.endpoint_id).home / f"{self.kind}.json"

    def note(self, text: str, at: datetime) -> None:
        """Another of the kind: told now, or counted until the spell is over."""
        running = _read(self.path)
        if running is None or running.is_over(at):
            untold = running.untold if running else 0
            self._alarm(f"{text}{_and_more(untold)}", at)
            _write(self.path, _Running(at))
        else:
            _write(self.path, replace(running, untold=running.untold + 1, last=text))

    def is_over(self, at: datetime) -> bool:
        running = _read(self.path)
        return running is not None and running.is_over(at)

    def end(self, at: datetime) -> None:
        """Tells what was only counted, once its spell is over; then another begins."""
        running = _read(self.path)
        if running is None or not running.is_over(at):
            return
        if running.untold:
            self._alarm(
                f"{running.untold} more since {_when(running)}, the last: {running.last}", at
            )
            _write(self.path, _Running(at))
        else:
            self.path.unlink(missing_ok=True)

    def _alarm(self, text: str, at: datetime) -> None:
        detail = {"alarm": text, "endpoint": self.endpoint_id}
        in_tenant(self.tenant_id, lambda: ledger.record(Fact(Event.ALARMED, at, detail=detail)))


@dataclass(frozen=True, slots=True)
class _Running:
    told_at: datetime
    untold: int = 0
    last: str = ""

    def is_over(self, at: datetime) -> bool:
        return not self.told_at <= at < self.told_at + LASTS


def _and_more(untold: int) -> str:
    return f" ({untold} more like it before)" if untold else ""


def _when(running: _Running) -> str:
    return f"{running.told_at:%H:%M} UTC"


def _read(path: Path) -> _Running | None:
    try:
        told_at, untold, last = json.loads(path.read_text(encoding="utf-8"))
        return _Running(datetime.fromisoformat(told_at), untold, last)
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, running: _Running) -> None:
    told = [running.told_at.isoformat(), running.untold, running.last]
    write_whole(path.parent, path.name, json.dumps(told).encode())
