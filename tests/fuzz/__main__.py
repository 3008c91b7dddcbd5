"""`python -m tests.fuzz`: a million inputs through each decoder, on every core; prints how many a
second, and each crash with the command that makes it again.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from multiprocessing import get_context

from tests.fuzz.campaign import MOST_CRASHES, Outcome, run, run_batch
from tests.fuzz.targets import TARGETS

BATCH = 5_000


def main() -> int:
    arguments = _parser().parse_args()
    seed = secrets.randbelow(2**32) if arguments.seed is None else arguments.seed
    names = arguments.target or list(TARGETS)
    if arguments.only is not None:
        return _report(names[0], run(names[0], seed, [arguments.only]), 0.0)
    print(f"seed {seed}", flush=True)
    return max(_fuzz(name, seed, arguments.inputs) for name in names)


def _fuzz(name: str, seed: int, inputs: int) -> int:
    batches = [(name, seed, range(at, min(at + BATCH, inputs))) for at in range(0, inputs, BATCH)]
    whole, began = Outcome(), time.perf_counter()
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        for outcome in pool.imap_unordered(run_batch, batches):
            whole.add(outcome)
            if len(whole.crashes) >= MOST_CRASHES:
                break
    return _report(name, whole, time.perf_counter() - began)


def _report(name: str, outcome: Outcome, seconds: float) -> int:
    rate = f"{outcome.inputs / seconds:,.0f}/s" if seconds else "one"
    slow, number = outcome.slowest
    found = f"{len(outcome.crashes)} crashes" if outcome.crashes else "no crash"
    print(
        f"{name:21} {outcome.inputs:>9,} inputs {rate:>10}"
        f"   slowest {slow * 1000:.1f} ms (number {number})   {found}",
        flush=True,
    )
    for crash in outcome.crashes:
        print(crash, flush=True)
    return 1 if outcome.crashes else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each decoder")
    parser.add_argument("--seed", type=int, help="default: another each time, and printed")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="may be repeated")
    parser.add_argument("--only", type=int, help="this one input of the first target, again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
