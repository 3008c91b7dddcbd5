"""EDT files: reading and validating one of 100,000 records, against a parser that knows its few
record types by heart and no rule, in turn in one process; and the memory it takes, in another.

`python -m tests.benchmarks.edt` prints the figures alone.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

from messaging.domain.redeclarations import RateParameter, ScalarParameter
from messaging.domain.rules import Circumstances
from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
)
from messaging.protocols.edt.loading import load_profile
from messaging.protocols.edt.names import FileName
from messaging.protocols.edt.reading import apply_rules, read_file
from tests.benchmarks.report import Row, table

ROOT: Final = Path(__file__).resolve().parent.parent.parent
RECORDS: Final = 100_000
ROUNDS: Final = 7
RATE_GOAL: Final = 0.4
MEGABYTES_GOAL: Final = 200.0

_RECEIVED: Final = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
_DAY: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
_NAME: Final = FileName("AGENT", 42)
_CHUNK: Final = 1 << 16
_PERIODS: Final = 48
_TIME: Final = "%Y-%m-%d %H:%M"


def measure() -> dict[str, Any]:
    """Records a second of each by round, and the peak of memory in MB, all with one file."""
    with tempfile.TemporaryDirectory(prefix="bench-edt-") as folder:
        path = Path(folder) / "AGENT_000042.sub"
        path.write_text("".join(f"{line}\n" for line in _lines()))
        return {
            "bytes": path.stat().st_size,
            **_told("rates", path),
            **_told("peak", path),
        }


def rows(measured: dict[str, Any]) -> list[Row]:
    ours, bound = measured["ours"], measured["bound"]
    ratios = [one / other for one, other in zip(ours, bound, strict=True)]
    rate, bare, peak = median(ours), median(bound), measured["peak_megabytes"]
    spread = (min(ratios), max(ratios))
    return [
        Row("EDT records a second, and without rules", "", rate, bare, rate / bare, RATE_GOAL,
            at_most=False, spread=spread),
        Row("EDT file of 100,000 records, peak memory", "MB", peak, MEGABYTES_GOAL,
            peak / MEGABYTES_GOAL, 1.0),
    ]  # fmt: skip


def _told(part: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.edt", part, str(path)]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def _lines() -> Iterator[str]:
    """A day of one unit after the other: levels, bid-offer pairs, rates and scalars."""
    chance, written, unit = Random(2026), 0, 0
    while True:
        unit += 1
        for line in _unit_lines(f"TBMU-{unit:03d}", chance):
            yield line
            written += 1
            if written == RECORDS:
                return


def _unit_lines(unit: str, chance: Random) -> Iterator[str]:
    periods = [_DAY + timedelta(minutes=30) * index for index in range(_PERIODS + 1)]
    times = [start.strftime(_TIME) for start in periods]
    for kind, low, high in (("PN", -99, 99), ("QPN", -99, 99), ("MEL", 0, 999), ("MIL", -999, 0)):
        for begin, end in pairwise(times):
            levels = chance.randint(low, high), chance.randint(low, high)
            yield f"{kind},AGENT,{unit},{begin},{levels[0]},{end},{levels[1]}"
    for begin, end in pairwise(times):
        for pair in (-2, -1, 1, 2):
            level, cents = 50 * pair, chance.randrange(100)
            prices = f"{100 + 10 * pair}.{cents:02d},{50 + 10 * pair}.{cents:02d}"
            yield f"BOD,AGENT,{unit},{begin},{end},{pair},{level},{level},{prices}"
    for kind in ("RURE", "RURI"):
        yield f"{kind},AGENT,{unit},{times[0]},1.0,-50,2.5,10,99.9"
    for kind in ScalarParameter:
        yield f"{kind},AGENT,{unit},{times[0]},{chance.randint(0, 999)}"


# The two that are compared.


def _ours(path: Path) -> int:
    profile = load_profile("host-1")
    with path.open("rb") as file:
        reading = read_file(profile, _NAME, iter(lambda: file.read(_CHUNK), b""))
    units = {f"TBMU-{number:03d}": Decimal(100) for number in range(1, 1000)}
    found = apply_rules(reading, Circumstances(_RECEIVED, units))
    if found.refused or not reading.whole:
        raise AssertionError(found.in_order()[:3])
    return len(reading.submission.records)


_SERIES: Final = {kind.value: kind for kind in SeriesParameter}
_RATES: Final = {kind.value: kind for kind in RateParameter}
_SCALARS: Final = {kind.value: kind for kind in ScalarParameter}


def _hard_coded(path: Path) -> int:
    """The same typed records, each field read by the one call there is for it."""
    records: list[Record] = []
    for line in path.read_text("ascii").splitlines():
        kind, _, unit, *rest = [field.strip() for field in line.split(",")]
        if kind in _SERIES:
            begin, first, end, last = rest
            records.append(
                LevelRecord(_SERIES[kind], unit, _time(begin), int(first), _time(end), int(last))
            )
        elif kind == "BOD":
            begin, end, pair, first, last, offer, bid = rest
            records.append(
                BidOfferRecord(
                    *(unit, _time(begin), _time(end), int(pair), int(first), int(last)),
                    *(Decimal(offer), Decimal(bid)),
                )
            )
        elif kind in _RATES:
            effective, one, two, second, three, third = rest
            records.append(
                RateRecord(
                    *(_RATES[kind], unit, _time(effective), Decimal(one), int(two)),
                    *(Decimal(second), int(three), Decimal(third)),
                )
            )
        else:
            records.append(ScalarRecord(_SCALARS[kind], unit, _time(rest[0]), int(rest[1])))
    return len(records)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}Z")


def _rates(path: Path) -> dict[str, Any]:
    sides: dict[str, Callable[[Path], int]] = {"bound": _hard_coded, "ours": _ours}
    for side in sides.values():
        side(path)
    told: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            gc.collect()
            start = time.perf_counter()
            count = side(path)
            told[name].append(count / (time.perf_counter() - start))
    return told


def _peak(path: Path) -> dict[str, Any]:
    """Of a process that does nothing else, Python and its imports included."""
    _ours(path)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_megabytes": used / (1_000_000 if sys.platform == "darwin" else 1_000)}


def main(arguments: list[str]) -> None:
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {"rates": _rates, "peak": _peak}
    if arguments:
        print(json.dumps(parts[arguments[0]](Path(arguments[1]))))
        return
    print(table(rows(measure())))


if __name__ == "__main__":
    main(sys.argv[1:])
