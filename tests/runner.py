"""`make test`: every check, in order; pytest comes last and its summary is the last thing printed.

Style, types, migrations and the API's description are checked first, for they are quick to say what
is wrong.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import FrameType

from hostsvc.embedded import EmbeddedError
from tests import os_tools
from tests.servers import ROOT, SECRETS, running_servers, share

NEEDED_MEGABYTES = 1000
"""Under the folder for temporary files: the servers of the tests, and what each test makes."""
LONGEST_SECONDS = 60 * 60
"""For all tests together, on a slow machine too. Then pytest is stopped, for what hung to be told
rather than waited for.
"""
SUMMARY_SECONDS = 120
"""For a stopped pytest to stop what its tests had started, and to say what failed."""
SPARE_WORKERS = 1
"""Beyond a worker for each core: the end-to-end tests often wait, and leave theirs idle."""

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


class CannotRun(Exception):
    """What keeps the tests from being run at all."""


def main(arguments: list[str]) -> int:
    """Arguments go to pytest; with any, the other checks are left out."""
    os.chdir(ROOT)
    try:
        _check_space()
        if not arguments and not (may_go_on(is_root=os.geteuid() == 0) and _hold()):
            return 1
        return _test(arguments)
    except (CannotRun, EmbeddedError, OSError, subprocess.CalledProcessError) as error:
        print(f"hostsvc: the tests cannot be run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nhostsvc: stopped; not all was checked", file=sys.stderr)
        return 130


def _check_space() -> None:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free // 2**20
    if free < NEEDED_MEGABYTES:
        raise CannotRun(
            f"not enough disk space under {folder}: {free} MB are free, {NEEDED_MEGABYTES} MB are"
            " needed; make room, or name another folder in TMPDIR"
        )


def may_go_on(*, is_root: bool) -> bool:
    """Whether the machine has the tools that tests need. Under CI there is no going on without;
    elsewhere those tests fail, and all others can run.
    """
    lacking = os_tools.provide(is_root=is_root)
    if lacking:
        print(os_tools.remedy(lacking), file=sys.stderr, flush=True)
    return not (lacking and os_tools.is_ci())


def _hold() -> bool:
    return all(_passes(name, command) for name, command in _CHECKS)


def _passes(name: str, command: list[str]) -> bool:
    print(f"checking {name} ...", flush=True)
    result = subprocess.run([sys.executable, *command], env=os.environ | _SETTINGS, check=False)
    return result.returncode == 0


def _test(arguments: list[str]) -> int:
    with (
        tempfile.TemporaryDirectory(prefix="hostsvc-test-") as folder,
        running_servers(Path(folder)) as servers,
    ):
        share(servers)
        if not arguments and not _migrations_are_written():
            return 1
        return _pytest(arguments)


def _migrations_are_written() -> bool:
    return _passes(
        "migrations", ["-W", "ignore", "manage.py", "makemigrations", "--check", "--dry-run"]
    )


def _pytest(arguments: list[str]) -> int:
    """Asked to stop, it stops what its tests have started; so it is asked, and waited for."""
    workers = ["-n", str(min((os.cpu_count() or 1) + SPARE_WORKERS, 4)), "--dist", "loadfile"]
    command = [sys.executable, "-m", "pytest", *(arguments or workers)]
    # A shell's background job is started deaf to it, and would hand that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command) as pytest:

        def ask(number: int, frame: FrameType | None) -> None:
            # Ctrl-C has reached it already, as it reaches all programs of a terminal.
            if number != signal.SIGINT:
                pytest.send_signal(signal.SIGINT)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, ask)
        return _wait(pytest)


def _wait(pytest: subprocess.Popen[bytes]) -> int:
    try:
        return pytest.wait(LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"\nhostsvc: the tests ran for {LONGEST_SECONDS} s: stopped", file=sys.stderr)
        pytest.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            pytest.wait(SUMMARY_SECONDS)
        pytest.kill()
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
