"""Kills each kind of process at each crash point that it can reach, over seeds, with traffic in
both directions; after each death everything must go all the way, and all books must agree.

    python -m tests.chaos.points --seeds 20

Points and kinds of process come from the relay's table, which is held against what was seen: a
point that was never visited fails the run, and so does a visit that the table does not know.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from messaging.rehearsal.authority import Authority
from messaging.rehearsal.operator_desk import OperatorDesk
from messaging.rehearsal.players import on_stage
from messaging.rehearsal.service_file import read_service
from messaging.relay.crash_points import PLACES, Kind, points
from tests.chaos import points_stack
from tests.chaos.points_books import Books
from tests.chaos.points_cast import Cast, ask
from tests.chaos.points_on_links import RAW_POINT, RAW_TENANT, talk
from tests.chaos.points_storm import Round, play, play_alone
from tests.chaos.points_targets import Target, sample, targets, visited
from tests.e2e import rig as rigs
from tests.e2e.rig import Rig
from tests.events.receiver import receiving
from tests.servers import ROOT

Tell = Callable[[str], None]

_THREADS = 64
"""Many an errand waits on one for its answer."""


def unknown_to_the_table(var: Path) -> Iterator[str]:
    """Visits that it does not have, by whoever made them."""
    declared = {(kind, point.name) for point in points() for kind in point.place.kinds}
    for kind in Kind:
        for name in sorted(visited(var, kind)):
            if (kind, name) not in declared:
                yield f"{name} was visited by {kind}, which the table does not say"


def chains(rig: Rig) -> list[str]:
    """What is wrong with an audit chain."""
    done = rig.manage("verify_audit", environment={"HOSTSVC_LOG_LEVEL": "ERROR"})
    return [] if done.returncode == 0 else [(done.stdout + done.stderr).strip()]


@contextmanager
def running(*, keep: bool = False) -> Iterator[Rig]:
    """A stack with armed processes in a folder that goes with it, unless it is to be kept, and a
    receiver of webhooks.
    """
    var = Path(tempfile.mkdtemp(prefix="points-"))
    (var / "crash").mkdir()
    issuer = Authority("receivers")
    points_stack.authority(var).write_text(issuer.pem)
    rig = rigs.start(var, "tests.chaos.points_stack")
    try:
        with receiving(var / "crash", issuer) as receiver:
            set_up(rig, receiver.url)
            yield rig
    finally:
        rigs.stop(rig)
        if not keep:
            shutil.rmtree(var, ignore_errors=True)


def set_up(rig: Rig, webhook: str) -> None:
    """What the errands need: a webhook, a unit whose data is expected, a link whose loss is alarmed
    at once, a platform that is asked again where it did not answer.
    """
    content = json.dumps({"url": webhook}).encode()
    ask(rig, "alder", "POST", "webhooks", content, key=str(uuid4()))
    rows = ask(rig, "alder", "GET", "bm-units?limit=500")["results"]
    unit = next(row for row in rows if row["name"] == rig.units("alder")[3])
    content = json.dumps({"expected": ["MEL"]}).encode()
    ask(rig, "alder", "PATCH", f"bm-units/{unit['id']}", content)
    _set(rig, RAW_TENANT, "edl", RAW_POINT, alarm_seconds=1)
    _set(rig, "alder", "neso-smp", unanswered="repeat")


def _set(rig: Rig, tenant: str, protocol: str, name: str = "", **settings: object) -> None:
    rows = ask(rig, tenant, "GET", "endpoints?limit=500")["results"]
    row = next(one for one in rows if one["protocol"] == protocol and name in ("", one["name"]))
    content = json.dumps({"settings": {**row["settings"], **settings}}).encode()
    ask(rig, tenant, "PATCH", f"endpoints/{row['id']}", content)


@asynccontextmanager
async def on_links(rig: Rig, chance: random.Random) -> AsyncIterator[tuple[Cast, Books]]:
    service = read_service(rig.var / "service.json", ROOT)
    async with (
        OperatorDesk(service.simulator_control) as desk,
        on_stage(service.driven(), service, rig.var / "players") as players,
    ):
        books = Books(rig, players, desk)
        try:
            yield Cast(rig, players, desk, chance), books
        finally:
            books.close()


async def rehearse(
    rig: Rig,
    seeds: Sequence[int],
    chosen: Callable[[int], Sequence[Target]],
    tell: Tell,
    *,
    alone: bool = False,
) -> list[Round]:
    """On a stack of `running`: each seed's targets die while all their errands are done at once, or
    `alone`, one after the other.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    played: list[Round] = []
    async with on_links(rig, random.Random(0)) as (cast, books):
        await talk(cast)
        for seed in seeds:
            if alone:
                played += await play_alone(cast, books, seed, chosen(seed), tell)
            else:
                played.append(await play(cast, books, seed, chosen(seed), tell))
                tell(str(played[-1]))
    return played


def run(
    seeds: int = 20,
    points: int | None = None,
    *,
    first: int = 1,
    only: Collection[str] = (),
    alone: bool = False,
    keep: bool = False,
    tell: Tell = print,
) -> int:
    """0 where every target died, all went all the way each time, and the books and chains are
    whole; else 1, with what is not so. `points` is how many are drawn for each seed, `only` names
    steps: all, if nothing is said.
    """

    def chosen(seed: int) -> Sequence[Target]:
        if points is not None:
            return sample(seed, points)
        return [one for one in targets() if not only or one.point.step.value in only]

    began = time.monotonic()
    with running(keep=keep) as rig:
        if keep:
            tell(f"its folder is {rig.var}")
        played = asyncio.run(rehearse(rig, range(first, first + seeds), chosen, tell, alone=alone))
        faults = [f"seed {one.seed}: {fault}" for one in played for fault in one.faults]
        faults += [*unknown_to_the_table(rig.var), *chains(rig)]
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    console.print(table_of(played))
    for fault in faults:
        tell(fault)
    died = [one.target for each in played for one in each.deaths if one.recovered is not None]
    minutes = (time.monotonic() - began) / 60
    tell(
        f"{len(died)} deaths of {len(set(died))} targets over {seeds} seeds"
        f" in {minutes:.0f} minutes; {len(faults)} faults"
    )
    return 1 if faults else 0


def table_of(played: Iterable[Round]) -> Table:
    """A row for each target: how often it died, and how long recovery took at most."""
    table = Table("point", "process", "deaths", "recovery, longest", "finds")
    rows: dict[Target, list[float]] = {}
    for each in played:
        for one in each.deaths:
            rows.setdefault(one.target, [])
            if one.recovered is not None:
                rows[one.target].append(one.recovered)
    steps = list(PLACES)
    for target, times in sorted(rows.items(), key=lambda row: steps.index(row[0].point.step)):
        longest = f"{max(times):.1f} s" if times else "never visited"
        point = target.point
        table.add_row(point.name, target.kind, str(len(times)), longest, point.finds)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.points", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds (20)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--points", type=int, help="a sample of so many for each seed")
    parser.add_argument(
        "--alone", action="store_true", help="one death after the other, with its recovery time"
    )
    parser.add_argument("--keep", action="store_true", help="leave the stack's folder")
    parser.add_argument("--only", nargs="*", help="steps, as the table names them")
    asked = parser.parse_args()
    return run(
        asked.seeds,
        asked.points,
        first=asked.first,
        only=asked.only or (),
        alone=asked.alone,
        keep=asked.keep,
        tell=partial(print, flush=True),
    )


if __name__ == "__main__":
    sys.exit(main())
