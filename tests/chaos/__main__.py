"""`make chaos`: random chaos runs, one after the other, then deaths at named points; ends with 1
unless everything holds.
"""

from __future__ import annotations

import argparse
import signal
import sys

from messaging.rehearsal.report import wide_console
from tests.chaos import points, report
from tests.chaos.run import run

SAMPLE = 8
"""Of the places to die at, for each seed: one of each kind of process at once."""


def main() -> int:
    wanted = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stack is stopped
    console = wide_console()
    failed = []
    for seed in range(wanted.seed, wanted.seed + wanted.seeds):
        outcome = run(seed, wanted.minutes, console.print, keep=wanted.keep)
        report.show(outcome, console)
        if not outcome.holds:
            failed.append(str(seed))
    if wanted.points != "none":
        sample = SAMPLE if wanted.points == "some" else None
        if points.run(wanted.seeds, sample, first=wanted.seed):
            failed.append("of the points")
    if failed:
        console.print(f"FAILED: seeds {', '.join(failed)}", style="bold red")
        return 1
    console.print(f"All holds: {wanted.seeds} seeds", style="bold green")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--seeds", type=int, default=1, help="how many, one after the other")
    parser.add_argument("--minutes", type=float, default=5.0, help="of strikes, for each seed")
    parser.add_argument(
        "--points",
        choices=("some", "all", "none"),
        default="some",
        help="of the named places to die at, for each seed",
    )
    parser.add_argument("--keep", action="store_true", help="leave each stack's folder in var/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
