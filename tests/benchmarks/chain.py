"""`python -m tests.benchmarks.chain PLAN`: how fast a chain is verified, what appending to it
costs, and whether the chains of the benchmark's tenants are whole. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID

import django

django.setup()

from django.db import connection  # noqa: E402

from tenants.audit import ledger  # noqa: E402
from tenants.audit.events import Event, Fact, stamp  # noqa: E402
from tenants.audit.verify import verify  # noqa: E402
from tenants.ids import new_id  # noqa: E402
from tenants.scope import tenant_scope  # noqa: E402
from tests.benchmarks import wire  # noqa: E402
from tests.benchmarks.load import mel  # noqa: E402
from tests.benchmarks.plan import OPERATOR, Plan, Side, read  # noqa: E402
from tests.benchmarks.statements import Hop, Store, redeclaration  # noqa: E402
from tests.benchmarks.wire import Signer  # noqa: E402

ENTRIES = 60_000
_STRETCH = 2_000
WRITERS = 8
WINDOWS = 4
WINDOW_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Measured:
    """Rates are per second: entries verified, entries appended in bulk, and hops (three commits
    each) by `WRITERS` at once, without and with their entries.
    """

    verified: float
    entries: int
    appended: float
    hops_without: float
    hops_with: float
    broken: list[str]


def main(plan: Plan) -> Measured:
    appended = _fill(chain := new_id())
    rates = [_verified(chain) for _ in range(3)]
    without, with_entries = asyncio.run(_hop_rates(plan))
    verdicts = {tenant.participant_id: verify(tenant.uuid) for tenant in plan.tenants}
    broken = [f"{name}: {found.broken}" for name, found in verdicts.items() if found.broken]
    return Measured(median(rates), ENTRIES, appended, without, with_entries, broken)


def _fill(chain: UUID) -> float:
    """Entries as a relay writes them, in a chain of nobody's; returns the rate."""
    start = time.perf_counter()
    for _ in range(ENTRIES // _STRETCH):
        with tenant_scope(chain):
            ledger.record(*(_fact() for _ in range(_STRETCH)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ENTRIES / (time.perf_counter() - start)


def _fact() -> Fact:
    at, ids = datetime.now(UTC), (new_id(), new_id())
    detail = {"outcome": "DELIVERED", "status": 200, "text": "HTTP 200"}
    times = {name: stamp(at) for name in ("received_at", "sent_at", "answered_at", "settled_at")}
    return Fact(Event.ANSWERED, at, *ids, digest=ids[0].bytes * 2, detail={**detail, **times})


def _verified(chain: UUID) -> float:
    start = time.perf_counter()
    verdict = verify(chain)
    seconds = time.perf_counter() - start
    assert verdict.broken is None, verdict.broken
    assert verdict.head.seq == ENTRIES
    return ENTRIES / seconds


async def _hop_rates(plan: Plan) -> tuple[float, float]:
    """Interleaved: without entries, with entries, and so on."""
    store = await Store.open(plan.database, WRITERS)
    rates: dict[bool, list[float]] = {False: [], True: []}
    for window in range(2 * WINDOWS):
        end = time.perf_counter() + WINDOW_SECONDS
        done = await asyncio.gather(
            *(_write(plan, store, writer, window, end) for writer in range(WRITERS))
        )
        rates[_appends(window)].append(sum(done) / WINDOW_SECONDS)
    await store.close()
    return median(rates[False]), median(rates[True])


def _appends(window: int) -> bool:
    return bool(window % 2)


async def _write(plan: Plan, store: Store, writer: int, window: int, end: float) -> int:
    """One control point of one of two tenants, over and over; returns how many hops it made."""
    sites = plan.of(Side.BOUND)
    site = sites[writer % len(sites)]
    point = site.points[writer]
    signer = Signer.load(site.signing, site.participant_id)
    number, append = 20_000_000 + window * 1_000_000, _appends(window)
    done = 0
    while time.perf_counter() < end:
        number += 1
        line = wire.edl(point.name, "MEL", number, mel(point.unit, number))
        endpoint, operator = UUID(point.endpoint), UUID(site.operator)
        hop = Hop(site.uuid, endpoint, operator, point.unit, number, line)
        await store.commit(hop.take(), append=append)
        payload = redeclaration(point.name, point.unit, str(hop.delivery), wire.parse(line).data)
        sealed = wire.seal(payload, str(hop.delivery), signer, OPERATOR)
        await store.commit(hop.claim(payload, sealed, "https://peer"), append=append)
        settle = hop.settle(sealed + line, datetime.now(UTC), line, payload, number)
        await store.commit(settle, append=append)
        done += 1
    return done


if __name__ == "__main__":
    print(json.dumps(asdict(main(read(Path(sys.argv[1]))))))
