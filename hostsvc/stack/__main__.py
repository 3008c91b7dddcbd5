"""`python -m hostsvc.stack`: the whole stack in the foreground until Ctrl-C; with `--demo`, one
rehearsal.
"""

from __future__ import annotations

import signal
import sys


def main() -> int:
    # Until the supervisor listens for it, and once it has stopped everything, Ctrl-C just ends us.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hostsvc.stack.running import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
