"""Runs a command as a root who may not make user namespaces, as in many containers.

    python confined.py COMMAND [ARGUMENT ...]

That root is one of a namespace of its own with every user in it, and the limit is that
namespace's: the machine outside keeps what it has. Needs to be started by the real root.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
EVERYONE = "0 0 65536"


def main(argv: list[str]) -> int:
    inside_made, make_inside = os.pipe()
    mapped, map_users = os.pipe()
    child = os.fork()
    if child == 0:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
            os._exit(125)
        os.write(make_inside, b"x")
        os.read(mapped, 1)
        Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
        os.execvp(argv[0], argv)  # noqa: S606 - becoming the command is the point
    os.read(inside_made, 1)
    Path(f"/proc/{child}/uid_map").write_text(EVERYONE, encoding="ascii")
    Path(f"/proc/{child}/gid_map").write_text(EVERYONE, encoding="ascii")
    os.write(map_users, b"x")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
