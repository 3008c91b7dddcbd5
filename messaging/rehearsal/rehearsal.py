"""One rehearsal from the first scene to the comparison of the books. What is said of it on a
terminal is the report's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psycopg

from messaging.rehearsal import hops
from messaging.rehearsal.books import Book, byte_differences, differences
from messaging.rehearsal.database_book import HostNotes, HostReader
from messaging.rehearsal.hops import Passage
from messaging.rehearsal.operator_desk import DeskRefused, OperatorDesk
from messaging.rehearsal.outside_books import OperatorNotes, book_of_players, sent_by, taken_by
from messaging.rehearsal.players import NotInTime, Player, now, on_stage, until
from messaging.rehearsal.scenes import SCENES, Pace, Scene
from messaging.rehearsal.service_file import Service
from messaging.rehearsal.stage import SceneFailed, Stage

_SCENE_SECONDS = 40.0
_QUIET_SECONDS = 20.0
_PASSAGES = 5_000


@dataclass(frozen=True, slots=True)
class Played:
    """How a scene came out: `failed` says why where it did."""

    scene: Scene
    words: str
    failed: str
    begun: datetime
    ended: datetime

    @property
    def seconds(self) -> float:
        return (self.ended - self.begun).total_seconds()


@dataclass(frozen=True, slots=True)
class Account:
    """What a rehearsal came to."""

    played: tuple[Played, ...]
    players: tuple[Player, ...]
    books: tuple[Book, Book, Book]
    host: HostNotes
    operator: OperatorNotes
    passages: tuple[Passage, ...]
    differences: tuple[str, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        scenes = [f"{one.scene.title}: {one.failed}" for one in self.played if one.failed]
        return (*scenes, *self.differences)

    def pace_at(self, moment: datetime) -> Pace:
        """That of the scene which was being played."""
        for one in self.played:
            if one.begun <= moment <= one.ended:
                return one.scene.pace
        return Pace.DISTURBED


async def rehearse(
    service: Service,
    folder: Path,
    connection: psycopg.Connection,
    tell: Callable[[Played], None],
    scenes: tuple[Scene, ...] = SCENES,
) -> Account:
    """Plays the scenes on the driven control points; `tell` hears of each as it ends."""
    async with (
        OperatorDesk(service.simulator_control) as desk,
        on_stage(service.driven(), service, folder) as players,
    ):
        reader = HostReader(connection, [player.name for player in players])
        await _quiet(reader, UUID(int=0), leftovers=True)
        for player in players:
            player.begin()
        begun_at = now()
        begun = hops.floor_at(begun_at)
        stage = Stage(players, desk, await desk.last_noted(), lambda: reader.repeats(begun))
        played = []
        for scene in scenes:
            played.append(await _play(stage, scene))
            tell(played[-1])
        left = await _quiet(reader, begun)
        noted = await desk.noted(stage.last_noted)
    operator = OperatorNotes(noted.entries, {player.name for player in players})
    host = reader.notes(begun)
    books = (book_of_players(players), host.book, operator.book())
    found = [f"{left} deliveries have not come to their end"] if left else []
    found += compared(books)
    found += compared_bytes(players, host, operator)
    passages = hops.passages_since(connection, begun_at, _PASSAGES)
    return Account(tuple(played), players, books, host, operator, passages, tuple(found))


async def _play(stage: Stage, scene: Scene) -> Played:
    begun = now()
    words, failed = "", ""
    try:
        async with asyncio.timeout(_SCENE_SECONDS):
            words = await scene.play(stage)
    except (SceneFailed, NotInTime, DeskRefused, LookupError) as error:
        failed = str(error)
    except TimeoutError:
        failed = f"not over within {_SCENE_SECONDS:.0f} s"
    return Played(scene, words, failed, begun, now())


async def _quiet(reader: HostReader, floor: UUID, *, leftovers: bool = False) -> int:
    """Waits until everything is delivered; how much is not after all."""
    try:
        await until(
            lambda: not reader.under_way(floor, waiting_for_verdict=not leftovers),
            "the last delivery",
            seconds=_QUIET_SECONDS,
            every=0.2,
        )
    except NotInTime:
        return reader.under_way(floor)
    return 0


def compared(books: tuple[Book, Book, Book]) -> list[str]:
    """The control points' book against the host's, and both against the operator's, who never heard
    of what the host refused.
    """
    players, host, operator = books
    found = differences(players, host)
    found += differences(host.without("NACK"), operator)
    found += differences(players.without("NACK"), operator)
    return list(found)


def compared_bytes(
    players: tuple[Player, ...], host: HostNotes, operator: OperatorNotes
) -> list[str]:
    """Every message on each of the four wires, by the digest of its bytes at either end."""
    sent = [one for player in players for one in sent_by(player)]
    taken = [one for player in players for one in taken_by(player)]
    to_operator = [one.reference for one in (*operator.redeclarations, *operator.responses)]
    from_operator = [one.reference for one in operator.instructions]
    return [
        *byte_differences("control points to host", sent, host.from_control_points),
        *byte_differences("host to control points", host.to_control_points, taken),
        *byte_differences("host to operator", host.to_operator, to_operator),
        *byte_differences("operator to host", from_operator, host.from_operator),
    ]
