"""What the parties say of the traffic since a moment: what was lost, came twice, late, or out of
order. Empty where all is well.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from messaging.rehearsal import hops
from messaging.rehearsal.database_book import HostReader
from messaging.rehearsal.operator_desk import OperatorDesk
from messaging.rehearsal.outside_books import OperatorNotes, book_of_players
from messaging.rehearsal.players import NotInTime, Player, until
from messaging.rehearsal.rehearsal import compared, compared_bytes
from tests.e2e.rig import Rig

QUIET_SECONDS = 150.0
_NOTED_EVERY = 5.0

# A try that began after the business deadline, and an instruction that was put on a link after its
# time to respond.
_LATE = """
SELECT count(*) FROM messaging_attempt a JOIN messaging_delivery d ON d.id = a.delivery_id
WHERE a.settled_at >= %s AND a.sent_at > d.deadline AND a.outcome <> 'FAILED'
"""
_LATE_ON_LINKS = """
SELECT count(*) FROM messaging_delivery d
JOIN messaging_instruction i ON i.message_id = d.message_id
WHERE d.lane = 'link' AND d.sent_at >= %s AND d.sent_at > i.respond_by
"""
# One reference to the operator is one delivery with one payload, ever.
_TWO_PAYLOADS = """
SELECT count(*) FROM (SELECT reference FROM messaging_delivery WHERE lane = 'operator'
AND reference <> '' AND id > %s GROUP BY tenant_id, reference
HAVING count(*) > 1 OR count(DISTINCT payload_digest) > 1) twice
"""


class Books:
    """The books of one stack, opened anew for each stretch of traffic."""

    def __init__(self, rig: Rig, players: tuple[Player, ...], desk: OperatorDesk) -> None:
        self._players, self._desk = players, desk
        url = rig.environment["DATABASE_STAFF_URL"]
        self._database = psycopg.connect(url, autocommit=True)
        self._reader = HostReader(self._database, [player.name for player in players])

    def close(self) -> None:
        self._database.close()

    async def open(self) -> None:
        """From now on it counts, once nothing is under way any more."""
        await self._quiet(UUID(int=0), leftovers=True)
        for player in self._players:
            player.begin()
        self._begun = _moment(self._database)
        self._noted = await self._desk.last_noted()
        self._entries: list[dict[str, Any]] = []

    async def keep_noting(self) -> None:
        """The operator remembers the newest messages only."""
        while True:
            await self._note()
            await asyncio.sleep(_NOTED_EVERY)

    async def _note(self) -> None:
        noted = await self._desk.noted(self._noted)
        self._entries += noted.entries
        self._noted = noted.last

    async def compare(self) -> list[str]:
        """Waits for the end of what is under way, and says what does not agree."""
        floor = hops.floor_at(self._begun)
        left = await self._quiet(floor)
        found = [f"{left} deliveries have not come to their end"] if left else []
        await self._note()
        operator = OperatorNotes(tuple(self._entries), {player.name for player in self._players})
        host = self._reader.notes(floor)
        books = (book_of_players(self._players), host.book, operator.book())
        found += compared(books)
        found += compared_bytes(self._players, host, operator)
        found += two_payloads(self._entries)
        found += self._late(floor)
        return found

    def _late(self, floor: UUID) -> Iterator[str]:
        checks = (
            (_LATE, self._begun, "tries began after their deadlines"),
            (_LATE_ON_LINKS, self._begun, "instructions were put on a link after their time"),
            (_TWO_PAYLOADS, floor, "references have two deliveries, or two payloads"),
        )
        for statement, value, words in checks:
            row = self._database.execute(statement, [value]).fetchone()
            if row and row[0]:
                yield f"{row[0]} {words}"

    async def _quiet(self, floor: UUID, *, leftovers: bool = False) -> int:
        def under_way() -> int:
            return self._reader.under_way(floor, waiting_for_verdict=not leftovers)

        try:
            await until(
                lambda: not under_way(), "the last delivery", seconds=QUIET_SECONDS, every=0.1
            )
        except NotInTime:
            return under_way()
        return 0


def two_payloads(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Requests to the operator that had one id and two payloads."""
    digests: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in entries:
        payload = entry["payload"]
        is_request = entry["role"] == "request" and entry["direction"] == "in"
        if is_request and isinstance(payload, dict) and "messageId" in payload:
            digests[entry["participantId"], payload["messageId"]].add(entry["payloadSha256"])
    for (whose, id_), found in digests.items():
        if len(found) > 1:
            yield f"the operator got {id_} of {whose} with {len(found)} payloads"


def _moment(database: psycopg.Connection) -> datetime:
    row = database.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None, "it has the time"
    moment: datetime = row[0]
    return moment
