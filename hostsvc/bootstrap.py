"""Makes .venv and installs the locked packages; all that runs before any package is there.

Standard library only, and started by path (`python3 -I hostsvc/bootstrap.py`), never imported by
the service. It may be killed at any point: only a finished installation carries a stamp, and
without one the next call starts from nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

LOCK_FILE = "requirements-dev.txt"
MINIMUM = (3, 11)
NEEDED_MEGABYTES = 700
# A disk of the caches or of temporary files with less than this may be the one that is full.
TIGHT_MEGABYTES = 400
# These would send an installation elsewhere, or make every later start slow.
UNWANTED = {
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPATH",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
    "UV_SYSTEM_PYTHON",
    "UV_TARGET",
    "UV_PREFIX",
    "UV_PYTHON",
    "UV_PROJECT_ENVIRONMENT",
}
NO_VENV = ("No module named venv", "No module named ensurepip", "ensurepip is not available")
NO_NETWORK = (
    "name resolution",
    "name or service not known",
    "failed to lookup address",
    "dns error",
    "network is unreachable",
    "no route to host",
    "connection refused",
    "failed to establish a new connection",
    "error sending request",
    "timed out",
    "could not connect",
)


class BootstrapError(Exception):
    """What went wrong, as one sentence for the person at the terminal."""


def main(root: Path) -> int:
    """Bring root/.venv up to date; 0 when it is."""
    try:
        check_python()
        if not is_current(root):
            install_once(root)
    except BootstrapError as error:
        print(f"hostsvc: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"hostsvc: {error.filename or root}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nhostsvc: stopped; the next call starts afresh", file=sys.stderr)
        return 130
    return 0


def check_python() -> None:
    if sys.version_info < MINIMUM:
        found = ".".join(str(part) for part in sys.version_info[:3])
        raise BootstrapError(
            f"Python 3.11 or newer is needed, and {sys.executable} is {found};"
            " with another one: make PYTHON=/path/to/python3"
        )
    if os.name != "posix":
        raise BootstrapError("this needs Linux or macOS (on Windows: WSL)")


def fingerprint(root: Path) -> str:
    """What an installation depends on: the lock, the interpreter, and where it lies."""
    try:
        lock = (root / LOCK_FILE).read_bytes()
    except FileNotFoundError:
        raise BootstrapError(f"{LOCK_FILE} is missing from {root}") from None
    return f"{hashlib.sha256(lock).hexdigest()}\n{interpreter(root)}\n"


def interpreter(root: Path) -> str:
    return f"{sys.version}|{sys.base_prefix}|{root}".replace("\n", " ")


def is_current(root: Path) -> bool:
    wanted = fingerprint(root)
    try:
        stamp = (root / ".venv" / ".installed").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return stamp == wanted and os.access(root / ".venv/bin/python", os.X_OK)


def install_once(root: Path) -> None:
    """Install while holding the file lock; whoever had to wait finds the work done."""
    descriptor = acquire(root / ".venv.lock")
    try:
        if not is_current(root):
            install(root, descriptor)
    finally:
        os.close(descriptor)


def acquire(path: Path) -> int:
    """An exclusive lock, also inherited by what an installation starts.

    A killed bootstrap can leave an installer running: while that one lives, so does the lock.
    """
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise BootstrapError(f"cannot write in {path.parent}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another call is installing; waiting for it")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def install(root: Path, lock: int) -> None:
    started = time.monotonic()
    venv = root / ".venv"
    reusable = is_reusable(root)
    (venv / ".installed").unlink(missing_ok=True)
    if not reusable:
        # First, for what an interrupted call has left takes the room that this one needs.
        remove(venv)
        check_space(root)
        make_venv(root, lock)
    install_packages(root, lock)
    write_stamp(root)
    say(f"ready after {time.monotonic() - started:.0f} s")


def is_reusable(root: Path) -> bool:
    """A finished installation of the same interpreter: only its packages are out of date."""
    try:
        stamp = (root / ".venv" / ".installed").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    usable = os.access(root / ".venv/bin/python", os.X_OK)
    return usable and stamp.splitlines()[1:] == [interpreter(root)]


def check_space(root: Path) -> None:
    free = shutil.disk_usage(root).free // 2**20
    if free < NEEDED_MEGABYTES:
        raise BootstrapError(
            f"not enough disk space under {root}: {free} MB are free,"
            f" about {NEEDED_MEGABYTES} MB are needed"
        )


def make_venv(root: Path, lock: int) -> None:
    venv = root / ".venv"
    say(f"making .venv with Python {sys.version.split()[0]}")
    # Inside an activated .venv, sys.executable is the one just removed.
    python = getattr(sys, "_base_executable", None) or sys.executable
    result = run([python, "-I", "-m", "venv", str(venv)], lock)
    if result.returncode == 0:
        return
    words = " ".join(result.stdout.split())
    if any(sign in words for sign in NO_VENV):
        version = "{}.{}".format(*sys.version_info[:2])
        raise BootstrapError(
            "this Python cannot make virtual environments: it lacks venv or ensurepip"
            f" (on Debian and Ubuntu: apt install python{version}-venv)"
        )
    raise explain("could not make .venv", result.stdout)


def remove(venv: Path) -> None:
    try:
        if venv.is_symlink() or venv.is_file():
            venv.unlink()
        elif venv.exists():
            shutil.rmtree(venv)
    except OSError as error:
        raise BootstrapError(f"cannot remove {error.filename}: {error.strerror}") from None


def install_packages(root: Path, lock: int) -> None:
    """With uv, which takes seconds; where uv does not run or reach its index, with pip."""
    requirements = str(root / LOCK_FILE)
    python = str(root / ".venv/bin/python")
    if get_uv(root, python, lock):
        say("installing the locked packages")
        uv = [str(root / ".venv/bin/uv"), "pip", "sync", "--quiet", "--require-hashes"]
        command = [*uv, "--python", python, requirements]
        result = run(command, lock)
        if "--system-certs" in result.stdout:
            # A proxy's own certificate, say, which only the machine's store knows.
            result = run([*command, "--system-certs"], lock)
        if result.returncode == 0:
            return
        if is_full(result.stdout):
            raise explain("could not install the packages", result.stdout)
        say(f"uv did not manage: {last_line(result.stdout)}")
    say("installing the locked packages with pip, which takes a minute or two")
    result = run(pip_install(python, requirements), lock)
    if result.returncode != 0:
        raise explain("could not install the packages", result.stdout)


def pip_install(python: str, requirements: str) -> list[str]:
    quiet = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    return [python, "-I", "-m", "pip", "install", *quiet, "--require-hashes", "-r", requirements]


def get_uv(root: Path, python: str, lock: int) -> bool:
    """Install the locked uv alone; False where there is none for this machine."""
    block = pinned(root / LOCK_FILE).get("uv")
    if block is None:
        return False
    requirements = root / ".venv" / "uv.txt"
    requirements.write_text(block, encoding="utf-8")
    result = run([*pip_install(python, str(requirements)), "--only-binary=:all:"], lock)
    if result.returncode != 0 and why(result.stdout):
        raise explain("could not install uv", result.stdout)
    return result.returncode == 0


def pinned(requirements: Path) -> dict[str, str]:
    """The lock's entries by package name, each with its hashes."""
    blocks: dict[str, str] = {}
    name = ""
    for line in requirements.read_text(encoding="utf-8").splitlines(keepends=True):
        if line[0].isalnum():
            name = line.split("==")[0].split("[")[0]
            blocks[name] = line
        elif line.startswith("    --hash"):
            blocks[name] += line
    return blocks


def write_stamp(root: Path) -> None:
    stamp = root / ".venv" / ".installed"
    draft = stamp.with_suffix(".new")
    try:
        draft.write_text(fingerprint(root), encoding="utf-8")
        os.replace(draft, stamp)
    except OSError as error:
        raise BootstrapError(f"cannot write {stamp}: {error.strerror}") from None


def run(argv: list[str], lock: int) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    # Never fetch another interpreter; and no warning where cache and clone are on two disks.
    environment.update(UV_PYTHON_DOWNLOADS="never", UV_NO_PROGRESS="1", PIP_NO_INPUT="1")
    environment.setdefault("UV_LINK_MODE", "copy" if on_two_disks() else "hardlink")
    try:
        return subprocess.run(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=[lock],
        )
    except OSError as error:
        return subprocess.CompletedProcess(argv, 127, f"{argv[0]}: {error.strerror}")


def on_two_disks() -> bool:
    cache = Path(
        os.environ.get("UV_CACHE_DIR")
        or os.environ.get("XDG_CACHE_HOME")
        or os.path.expanduser("~")
    )
    try:
        return cache.stat().st_dev != Path(__file__).stat().st_dev
    except OSError:
        return True


def explain(what: str, output: str) -> BootstrapError:
    """One sentence that names the likely cause; for an unknown one, after the tool's own words."""
    reason = why(output)
    if not reason:
        reason = last_line(output)
        for line in output.strip().splitlines()[-12:]:
            print(f"  {line}", file=sys.stderr)
    return BootstrapError(f"{what}: {reason}")


def is_full(output: str) -> bool:
    return any(sign in output.lower() for sign in ("no space left", "disk quota exceeded"))


def why(output: str) -> str:
    text = output.lower()
    if is_full(output):
        return f"the disk is full{tight_places()}; make room and call again"
    if any(sign in text for sign in NO_NETWORK):
        return (
            "the package index cannot be reached; connect and call again (later calls work offline)"
        )
    if "permission denied" in text:
        return "a file or folder may not be written by this user"
    return ""


def tight_places() -> str:
    """Which of the disks that an installation writes on have little room, as an insertion."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~"), ".cache"))
    named = [os.environ.get(name) for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR", "TMPDIR")]
    root = Path(__file__).resolve().parent.parent
    tight: dict[int, str] = {}
    for place in (root, *(Path(name) for name in named if name), home, Path("/tmp")):  # noqa: S108
        with contextlib.suppress(OSError, StopIteration):
            there = next(folder for folder in (place, *place.parents) if folder.exists())
            free = shutil.disk_usage(there).free // 2**20
            if free < TIGHT_MEGABYTES:
                tight.setdefault(there.stat().st_dev, f"{free} MB are free under {there}")
    return f" ({', '.join(tight.values())})" if tight else ""


def last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"


def say(text: str) -> None:
    with contextlib.suppress(OSError):  # a closed terminal stops no installation
        print(f"hostsvc: {text}", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(Path(__file__).resolve().parent.parent))
