"""Becomes another program: asks for a signal at the parent's death, and may change identity first.

Stand-alone and run by path with `python -I -S`, because none of this is safe between fork and
exec of a threaded program. What to become is decided elsewhere (`hostsvc.embedded.identity`).

    launch.py PARENT-PID SIGNAL plain|namespace:UID:GID|user:UID:GID PROGRAM [ARGUMENT ...]
"""

from __future__ import annotations

import errno
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CLONE_NEWUSER = 0x10000000
CAPABILITY_VERSION = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


def main(arguments: list[str]) -> None:
    parent, death_signal, identity, *argv = arguments
    try:
        kind, *ids = identity.split(":")
        if kind == "namespace":
            enter_namespace(int(ids[0]), int(ids[1]))
        elif kind == "user":
            become(int(ids[0]), int(ids[1]))
        elif kind != "plain":
            raise OSError(errno.EINVAL, f"no such identity as {identity}")
        # Last, since a change of credentials forgets it.
        die_with(int(parent), int(death_signal))
        os.execvp(argv[0], argv)  # noqa: S606 - becoming a program is the point
    except OSError as error:
        print(f"cannot start {argv[0]} ({identity}): {error}", file=sys.stderr)
        os._exit(127)


def enter_namespace(uid: int, gid: int) -> None:
    """Be uid and gid in a user namespace of our own: outside only privileges are lost."""
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    call("unshare", CLONE_NEWUSER)
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{uid} {outside_uid} 1")
    write("/proc/self/gid_map", f"{gid} {outside_gid} 1")


def become(uid: int, gid: int) -> None:
    """From root to uid and gid, keeping only the right to pass folders that they may not enter."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    if sys.platform == "linux":
        keep_capabilities()
    os.setresuid(uid, uid, uid)
    if sys.platform == "linux":
        keep_one_of(CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE)


def keep_capabilities() -> None:
    """Have them outlive the next change of user; also access() then asks for them, if it can."""
    try:
        call("prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    except OSError:
        call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)


def keep_one_of(*capabilities: int) -> None:
    """Keep the first of them that we have, across exec, and drop all others.

    With none it just reaches less far.
    """
    import ctypes

    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    for capability in capabilities:
        bit = 1 << capability
        data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        try:
            call("capset", header, data)
            call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
        except OSError:
            continue
        return
    call("capset", header, (ctypes.c_uint32 * 6)())


def die_with(parent: int, death_signal: int) -> None:
    """Have the kernel send the signal when the parent ends; it may have ended already."""
    if sys.platform != "linux":
        return
    call("prctl", PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(128 + death_signal)


def call(name: str, *arguments: object) -> None:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    longs = [ctypes.c_ulong(item) if isinstance(item, int) else item for item in arguments]
    if getattr(library, name)(*longs) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1:])
