"""Programs of the operating system that tests drive as a peer would: they come with no Python
package, and a service proved only against its own client library is not proved.

`python -m tests.os_tools` (and `make test`, first of all) installs what is missing where it may, as
root with apt; elsewhere it prints what to type. A test asks the fixture `os_tool` for one and fails
without it: a test that is skipped where its tool is missing is one that nobody notices is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

WAIT_SECONDS = 600.0
"""For another run, or another program, that is installing; then as long again for ourselves."""
_BUSY = "Could not get lock"


@dataclass(frozen=True, slots=True)
class Tool:
    """A program under any of its names, and the Debian package that brings it."""

    names: tuple[str, ...]
    package: str


TOOLS: dict[str, Tool] = {
    "sftp": Tool(("sftp",), "openssh-client"),
    "lftp": Tool(("lftp",), "lftp"),
    "chromium": Tool(("chromium", "chromium-browser", "google-chrome"), "chromium"),
    "openssl": Tool(("openssl",), "openssl"),
    "curl": Tool(("curl",), "curl"),
}


def find(name: str) -> str | None:
    """Where the tool is."""
    return next((path for one in TOOLS[name].names if (path := shutil.which(one))), None)


def missing() -> list[str]:
    return [name for name in TOOLS if find(name) is None]


def remedy(names: Sequence[str]) -> str:
    """What to type, as one line."""
    lacking = f"tests need {', '.join(names)}, which this machine lacks; "
    packages = " ".join(TOOLS[name].package for name in names)
    if shutil.which("apt-get") is None:
        return f"{lacking}install by this system's means (on Debian, the packages {packages})"
    install = f"apt-get update && apt-get install --yes --no-install-recommends {packages}"
    return f"{lacking}as root: {install}"


def provide(*, is_root: bool) -> list[str]:
    """The tools that are missing still, after an attempt to install them where that may be done."""
    lacking = missing()
    if not lacking or not is_root or shutil.which("apt-get") is None:
        return lacking
    with _turn():
        if lacking := missing():
            print(f"installing {', '.join(lacking)} ...", flush=True)
            _install([TOOLS[name].package for name in lacking])
    return missing()


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """One run at a time: apt itself turns the second away from its lists."""
    path = Path(tempfile.gettempdir(), "hostsvc-os-tools.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + 2 * WAIT_SECONDS
    try:
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)


def _install(packages: Sequence[str]) -> None:
    """What apt complains of is told; whether it worked is seen by what is there."""
    deadline = time.monotonic() + WAIT_SECONDS
    _apt(["update"], deadline)  # without a network the lists of the last time may do
    trouble = _apt(["install", "--yes", "--no-install-recommends", *packages], deadline)
    if trouble:
        print(trouble, file=sys.stderr, flush=True)


def _apt(arguments: Sequence[str], deadline: float) -> str:
    """Its last words if it failed. As long as another program holds its lock, again."""
    options = ["-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::http::Timeout=30"]
    command = ["apt-get", *options, *arguments]
    while True:
        try:
            done = subprocess.run(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=max(deadline - time.monotonic(), 1),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"apt-get {arguments[0]} did not end within {WAIT_SECONDS:.0f} s"
        if done.returncode == 0:
            return ""
        if _BUSY not in done.stdout or time.monotonic() > deadline:
            return "\n".join(done.stdout.strip().splitlines()[-5:])
        time.sleep(1)


def main() -> int:
    """0 when all are there. Under CI nothing goes on without; elsewhere all other tests can."""
    lacking = provide(is_root=os.geteuid() == 0)
    if lacking:
        print(remedy(lacking), file=sys.stderr, flush=True)
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
