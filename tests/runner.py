"""`make test`: every check, in order; pytest comes last and its summary is the last thing printed.

Style, types, migrations and the API's description are checked first, for they are quick to say what
is wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers import ROOT, SECRETS, running_servers, share

_NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
_SETTINGS = {
    "DATABASE_URL": _NOWHERE,
    "DATABASE_OWNER_URL": _NOWHERE,
    "DATABASE_STAFF_URL": _NOWHERE,
    "REDIS_URL": "redis://127.0.0.1:1/0",
    **SECRETS,
}
_CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("style", ["-m", "ruff", "check", "."]),
    ("format", ["-m", "ruff", "format", "--check", "--quiet", "."]),
    ("types", ["-m", "mypy"]),
)


def main(arguments: list[str]) -> int:
    """Arguments go to pytest; with any, the other checks are left out."""
    os.chdir(ROOT)
    if not arguments and not all(_passes(name, command) for name, command in _CHECKS):
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="hostsvc-test-") as folder,
        running_servers(Path(folder)) as servers,
    ):
        share(servers)
        if not arguments and not _migrations_are_written():
            return 1
        return _pytest(arguments)


def _passes(name: str, command: list[str]) -> bool:
    print(f"checking {name} ...", flush=True)
    result = subprocess.run([sys.executable, *command], env=os.environ | _SETTINGS, check=False)
    return result.returncode == 0


def _migrations_are_written() -> bool:
    return _passes(
        "migrations", ["-W", "ignore", "manage.py", "makemigrations", "--check", "--dry-run"]
    )


def _pytest(arguments: list[str]) -> int:
    workers = ["-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadgroup"]
    command = [sys.executable, "-m", "pytest", *(arguments or workers)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
