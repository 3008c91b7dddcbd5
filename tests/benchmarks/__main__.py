"""`make bench`: starts a stack, a peer and the bound, measures both in turn, prints the figures and
writes them to var/bench.json. Ends with 0 unless something was lost or is broken.

`python -m tests.benchmarks neighbours` measures that figure alone, and writes nothing.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from tests.benchmarks import edt, hops, load, neighbours, report
from tests.benchmarks.load import Lost, Samples, Target
from tests.benchmarks.neighbours import Neighbours
from tests.benchmarks.parts import ACKNOWLEDGED, IN, OUT, Parts
from tests.benchmarks.plan import Plan, Side, read
from tests.benchmarks.report import Row, compared, summed

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 150
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
MEASURE_SECONDS = 80
"""After which no further round is begun, on a machine that is busy with other things."""
MESSAGES = 80
"""Of each kind, side and round."""
BURSTS = 2
NEIGHBOURS = 600
"""Of each kind, without and beside a slow and a dead endpoint."""
ONLY_NEIGHBOURS = "neighbours"
PARTS = 30
"""Passes after each of the bound's one-at-a-time series."""
VERIFY_GOAL = 100_000
APPEND_GOAL = 0.25


Flows = dict[str, list[hops.Step]]


@dataclass(slots=True)
class Outcome:
    """Samples of each side, one a round, and of the parts."""

    rounds: dict[Side, list[Samples]] = field(default_factory=lambda: {side: [] for side in Side})
    parts: dict[str, list[float]] = field(default_factory=dict)
    neighbours: Neighbours | None = None


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stack is stopped
    machine = _machine()
    print("  ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    began = time.monotonic()
    (ROOT / "var").mkdir(exist_ok=True)
    var = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "var"))
    try:
        with ExitStack() as running:
            plan = running.enter_context(_stack(var))
            for name in ("peer", "bound"):
                running.enter_context(_process(name, var))
            print(f"the stack is up after {time.monotonic() - began:.0f} s", flush=True)
            if ONLY_NEIGHBOURS in sys.argv[1:]:
                print(report.table(uvloop.run(_neighbours(plan)).rows()))
                return 0
            outcome = uvloop.run(_measure(plan))
            relays = [tenant.uuid for tenant in plan.of(Side.RELAY)]
            flows = hops.measured(_environment(var)["DATABASE_STAFF_URL"], relays)
            chain = _chain(var)
        files = edt.measure()
        rows = [*_rows(outcome, chain), *edt.rows(files)]
        _tell(rows, outcome, flows, chain)
        _write(machine, rows, outcome, flows, chain, files)
    except (Lost, subprocess.CalledProcessError, RuntimeError) as error:
        print(f"broken: {error}", file=sys.stderr)
        for log in ("bound", "peer"):
            print(_last_of(var / f"{log}.log"), file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(var, ignore_errors=True)
    print(f"{time.monotonic() - began:.0f} s in all; written to var/bench.json")
    return 1 if chain["broken"] else 0


def _last_of(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:] if log.exists() else ""


async def _measure(plan: Plan) -> Outcome:
    outcome = Outcome()
    targets = {side: await Target.connect(plan, side) for side in (Side.BOUND, Side.RELAY)}
    parts = await Parts.connect(plan)
    for target in targets.values():
        await load.warm(target)
    await parts.measure(20, keep=False)
    until = time.monotonic() + MEASURE_SECONDS
    for number in range(ROUNDS):
        if number and time.monotonic() > until:
            break
        print(f"round {number + 1} of {ROUNDS}", flush=True)
        for side, samples in (await _round(targets, parts)).items():
            outcome.rounds[side].append(samples)
    outcome.parts = dict(parts.seconds)
    await parts.close()
    print("beside a slow and a dead endpoint", flush=True)
    outcome.neighbours = await neighbours.measure(plan, targets[Side.RELAY], NEIGHBOURS)
    for target in targets.values():
        target.close()
    return outcome


async def _neighbours(plan: Plan) -> Neighbours:
    target = await Target.connect(plan, Side.RELAY)
    await load.warm(target)
    found = await neighbours.measure(plan, target, NEIGHBOURS)
    target.close()
    return found


async def _round(targets: dict[Side, Target], parts: Parts) -> dict[Side, Samples]:
    """Each series on the bound and then on the relay, the bare parts beside the bound."""
    now = {side: Samples() for side in targets}
    for series in (load.redeclare, load.instruct):
        for side, target in targets.items():
            await series(target, now[side], MESSAGES)
            if side is Side.BOUND:
                await parts.measure(PARTS)
    for _ in range(BURSTS):
        for side, target in targets.items():
            await load.burst(target, now[side])
    return now


def _rows(outcome: Outcome, chain: dict[str, Any]) -> list[Row]:
    def row(figure: str, samples: str, share: float, goal: float | None) -> Row:
        relay, bound = (
            [getattr(one, samples) for one in outcome.rounds[side]]
            for side in (Side.RELAY, Side.BOUND)
        )
        return compared(figure, relay, bound, share, goal)

    def check(figure: str, samples: str, names: tuple[str, ...]) -> Row:
        bound = [v for one in outcome.rounds[Side.BOUND] for v in getattr(one, samples)]
        return summed(figure, bound, outcome.parts, names)

    with_entries, without = chain["hops_with"], chain["hops_without"]
    verified = chain["verified"]
    return [
        row("EDL in, POST answered, RESULT: p50", "result", 0.5, 1.5),
        row("EDL in, POST answered, RESULT: p99", "result", 0.99, 2.0),
        row("durable ACK: p50", "ack", 0.5, 1.5),
        row("durable ACK: p99", "ack", 0.99, None),
        row("instruction in, BOAI on the link: p50", "boa", 0.5, 1.3),
        row("instruction in, BOAI on the link: p99", "boa", 0.99, None),
        row("burst of 50 BOAs, the last one", "burst", 0.5, 1.5),
        row("burst of 50 BOAs, the middle one", "burst_median", 0.5, None),
        *(outcome.neighbours.rows() if outcome.neighbours else ()),
        check("bound against its parts: RESULT", "result", OUT),
        check("bound against its parts: ACK", "ack", ACKNOWLEDGED),
        check("bound against its parts: BOAI", "boa", IN),
        Row("audit entries verified a second", "", verified, VERIFY_GOAL, verified / VERIFY_GOAL,
            1.0, at_most=False),
        Row("hops a second, with and without entries: share lost", "", with_entries, without,
            1 - with_entries / without, APPEND_GOAL),
    ]  # fmt: skip


def _tell(rows: list[Row], outcome: Outcome, flows: Flows, chain: dict[str, Any]) -> None:
    print(f"\n{report.table(rows)}\n")
    bare = {name: report.quantile(seconds, 0.5) * 1e3 for name, seconds in outcome.parts.items()}
    print("bare parts, p50 ms:", "  ".join(f"{name} {value:.2f}" for name, value in bare.items()))
    print(hops.table(flows))
    print(f"appended in bulk: {chain['appended']:,.0f} entries a second")
    for broken in chain["broken"]:
        print(f"broken chain: {broken}", file=sys.stderr)


def _write(
    machine: dict[str, str],
    rows: list[Row],
    outcome: Outcome,
    flows: Flows,
    chain: dict[str, Any],
    files: dict[str, Any],
) -> None:
    def milliseconds(values: list[float]) -> list[float]:
        return [round(value * 1e3, 4) for value in values]

    samples = {
        side.value: [
            {name: milliseconds(getattr(one, name)) for name in one.__slots__} for one in rounds
        ]
        for side, rounds in outcome.rounds.items()
    }
    parts = {name: milliseconds(values) for name, values in outcome.parts.items()}
    told = {
        "machine": machine,
        "figures": [row.as_json() for row in rows],
        "chain": chain,
        "edt": files,
        "parts": parts,
        "hops": {flow: [asdict(step) for step in steps] for flow, steps in flows.items()},
        "rounds": samples,
    }
    (ROOT / "var" / "bench.json").write_text(json.dumps(told, indent=1) + "\n")


@contextmanager
def _stack(var: Path) -> Iterator[Plan]:
    with _started("stack", [str(var)], var) as process:
        deadline = time.monotonic() + START_SECONDS
        while not (var / "ready").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((var / "stack.log").read_text(errors="replace"))
            time.sleep(0.1)
        yield read(var / "plan.json")


@contextmanager
def _process(name: str, var: Path) -> Iterator[None]:
    """One of the benchmark's own processes, which says `ready` once it is."""
    with _started(name, [str(var / "plan.json")], var) as process:
        deadline = time.monotonic() + START_SECONDS
        log = var / f"{name}.log"
        while "ready" not in log.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace"))
            time.sleep(0.05)
        yield


@contextmanager
def _started(name: str, arguments: list[str], var: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *arguments]
    with (var / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=_clean_environment()
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _chain(var: Path) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.chain", str(var / "plan.json")],
        cwd=ROOT,
        env={**_clean_environment(), **_environment(var), "HOSTSVC_DATABASE_ROLE": "app"},
        stdout=subprocess.PIPE,
        check=True,
    )
    measured: dict[str, Any] = json.loads(result.stdout)
    return measured


def _environment(var: Path) -> dict[str, str]:
    lines = (var / "hostsvc.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def _clean_environment() -> dict[str, str]:
    ours = ("HOSTSVC_", "DATABASE_", "REDIS_", "DJANGO_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _machine() -> dict[str, str]:
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        "load average at start": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "system": platform.platform(),
    }


if __name__ == "__main__":
    sys.exit(main())
