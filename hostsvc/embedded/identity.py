"""As whom PostgreSQL runs: it refuses root, and a user whom the system has no name for.

Root runs it in a user namespace, where it has another number and nobody's privileges. Where that
is forbidden (many containers), or where root without privileges could not reach the folder (a
clone in someone's closed home), it runs as another user that keeps one right: to pass folders.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hostsvc.embedded.errors import EmbeddedError
from hostsvc.supervisor.spawn import launched

SPARE_USERS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Identity:
    """How to start (launch.py's word for it), and who owns the files outside, None for us."""

    word: str = "plain"
    owner: tuple[int, int] | None = None

    def own(self, path: Path) -> None:
        """Make path and all below it the server's; the top goes last, so that a kill is mended."""
        uid, gid = self.owner or (os.geteuid(), os.getegid())
        if path.stat().st_uid == uid:
            return
        for folder, _, files in os.walk(path, topdown=False):
            for name in files:
                os.chown(Path(folder, name), uid, gid, follow_symlinks=False)
            os.chown(folder, uid, gid)
        if not path.is_dir():
            os.chown(path, uid, gid)


def choose(data: Path, program: Path) -> Identity:
    """The first identity that can run `program` on `data` (which may not exist yet)."""
    if os.geteuid() != 0 and is_named(os.geteuid()):
        return Identity()
    owner = owner_of(data)
    if os.geteuid() == 0 and owner is not None and owner.pw_uid != 0:
        return as_user(owner)
    namespace = in_namespace()
    if namespace is not None and works(namespace, data.parent, program):
        return namespace
    if os.geteuid() != 0:
        raise EmbeddedError(
            f"PostgreSQL needs a user with a name, and uid {os.geteuid()} has none in /etc/passwd"
        )
    return spare(data.parent, program)


def spare(folder: Path, program: Path) -> Identity:
    """Another user that can run it here: the folder's, a server's, or anyone but root."""
    servers = [entry for entry in map(find_user, SPARE_USERS) if entry is not None]
    everyone = [*nearest_owner(folder), *servers, *pwd.getpwall()]
    entry = next((entry for entry in everyone if entry.pw_uid != 0), None)
    if entry is None or not works(as_user(entry), None, program):
        raise EmbeddedError(
            "PostgreSQL does not run as root, and this machine allows neither a user namespace"
            " nor another user: start as an ordinary user"
        )
    return as_user(entry)


def in_namespace() -> Identity | None:
    """Anyone but root, by a number that /etc/passwd knows: initdb asks for the name."""
    entry = next((entry for entry in pwd.getpwall() if entry.pw_uid != 0), None)
    if entry is None or sys.platform != "linux":
        return None
    return Identity(f"namespace:{entry.pw_uid}:{entry.pw_gid}")


def as_user(entry: pwd.struct_passwd) -> Identity:
    return Identity(f"user:{entry.pw_uid}:{entry.pw_gid}", (entry.pw_uid, entry.pw_gid))


def works(identity: Identity, folder: Path | None, program: Path) -> bool:
    """Whether it can be taken on, runs the program, and (where asked) writes in the folder."""
    shell = shutil.which("sh") or "/bin/sh"
    script = '{ [ -z "$1" ] || [ -w "$1" ]; } && exec "$2" --version'
    argv = [shell, "-c", script, "sh", str(folder or ""), str(program)]
    command = launched(argv, death_signal=signal.SIGKILL, identity=identity.word)
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return False
    return result.returncode == 0


def owner_of(path: Path) -> pwd.struct_passwd | None:
    """Who owns it, None when it is not there or its owner has no name."""
    try:
        return pwd.getpwuid(path.stat().st_uid)
    except (OSError, KeyError):
        return None


def nearest_owner(folder: Path) -> list[pwd.struct_passwd]:
    """The first owner other than root, from the folder upwards."""
    owners = (owner_of(place) for place in (folder, *folder.parents))
    return [entry for entry in owners if entry is not None and entry.pw_uid != 0][:1]


def find_user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def is_named(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
