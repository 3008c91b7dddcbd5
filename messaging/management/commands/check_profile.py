"""Says line by line what is wrong with a profile file, or proves that it works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from messaging.protocols.base import Protocol, Reading, Shelf
from messaging.protocols.loading import FaultyProfile
from messaging.protocols.proving import broken_promises
from messaging.protocols.registry import PROTOCOLS

SHELVES: dict[str, tuple[Protocol, Shelf]] = {
    name: (protocol, protocol.shelf) for name, protocol in PROTOCOLS.items() if protocol.shelf
}


class Command(BaseCommand):
    help = "Says line by line what is wrong with a profile file; writes and reads every example."
    requires_system_checks: list[str] = []  # which would stop at a profile that is to be checked

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the profile, a TOML file")
        parser.add_argument(
            "--protocol",
            choices=sorted(SHELVES),
            help="what it is a profile of; else whichever it fits best",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        names = [options["protocol"]] if options["protocol"] else sorted(SHELVES)
        found = [(name, _read(name, path)) for name in names]
        name, reading = min(found, key=lambda one: len(_faults(one[1])))
        told = _told(path, reading)
        if told:
            self.stdout.write("\n".join(told))
            raise CommandError(f"{_counted(len(told), 'fault')} as a profile of {name}")
        assert isinstance(reading, Reading), "a file without faults was read"
        self._summarise(name, path, reading)

    def _summarise(self, name: str, path: Path, reading: Reading) -> None:
        known = (f"{count} {word}" for word, count in reading.page.known_from().items())
        self.stdout.write(
            f"{reading.name} ({name}): {reading.title}\n"
            f"entries by provenance: {', '.join(known)}\n"
            f"{_counted(len(reading.examples), 'example')} written and read back the same"
        )
        shelf = SHELVES[name][1]
        place = settings.PROFILE_DIR / name / path.name
        if path.resolve() != place.resolve() and path.resolve().parent != shelf.own:
            self.stdout.write(f"endpoints can use it once it is {place}, after a restart")


def _read(name: str, path: Path) -> Reading | FaultyProfile:
    try:
        return SHELVES[name][1].read(path)
    except FaultyProfile as faulty:
        return faulty


def _faults(reading: Reading | FaultyProfile) -> tuple[object, ...]:
    return reading.faults if isinstance(reading, FaultyProfile) else ()


def _told(path: Path, reading: Reading | FaultyProfile) -> list[str]:
    """One line a fault, in the order of the file's lines."""
    if isinstance(reading, Reading):
        return [f"{path}: {text}" for text in broken_promises(reading.codec, reading.examples)]
    return [
        f"{path}:{fault.line}: {fault}" if fault.line else f"{path}: {fault}"
        for fault in reading.faults
    ]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
