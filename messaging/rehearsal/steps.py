"""Steps that the scenes of a rehearsal are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from messaging.domain.instructions import BidOfferAcceptance
from messaging.domain.redeclarations import ScalarParameter, ScalarRedeclaration
from messaging.rehearsal.control_point import Answering, Arrival, accept
from messaging.rehearsal.players import Declaration, Player
from messaging.rehearsal.stage import Stage

VERDICT_WITHIN = 30.0


async def dispatch(stage: Stage, instruction: dict[str, Any]) -> dict[str, Any]:
    return await stage.desk.dispatch(instruction, wait=VERDICT_WITHIN)


async def declare_for_each(
    stage: Stage, declare: Callable[[Player], Awaitable[list[Declaration]]]
) -> Iterable[Declaration]:
    return chain(*await asyncio.gather(*map(declare, stage.players)))


def scalar(
    player: Player, unit: int, parameter: ScalarParameter = ScalarParameter.NDZ, value: int = 11
) -> ScalarRedeclaration:
    return ScalarRedeclaration(player.name, player.bm_units[unit], parameter, value)


def series_of(
    player: Player, units: Iterable[int], rounds: int = 3
) -> Iterable[ScalarRedeclaration]:
    """Values that rise, so that any other order shows; each of another parameter, so that none is
    superseded by the next.
    """
    return [
        scalar(player, unit, parameter, 20 + turn)
        for turn, parameter in enumerate(tuple(ScalarParameter)[:rounds])
        for unit in units
    ]


def acceptances_at(player: Player, wanted: Iterable[tuple[str, int]]) -> list[Arrival]:
    """Those that came to the player, by BM unit and number, each as often as it came."""
    numbers = set(wanted)
    return [
        one
        for one in player.arrivals()
        if isinstance(one.message, BidOfferAcceptance)
        and (one.message.bm_unit, one.message.number) in numbers
    ]


@contextmanager
def answering_otherwise(player: Player, answering: Answering) -> Iterator[None]:
    """Has a player answer so for a while, and then accept everything again."""
    player.answering = answering
    try:
        yield
    finally:
        player.answering = accept
