"""Errands on links: of driven control points, whose books are compared, and of the tests' own, with
every byte said by hand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from messaging.domain.redeclarations import ScalarParameter
from messaging.rehearsal.operator_desk import DeskRefused
from messaging.rehearsal.players import Declaration, Player
from messaging.rehearsal.stage import acceptance
from messaging.rehearsal.steps import scalar
from messaging.simulator.services import REDECLARATION
from tenants.clock import now
from tests.chaos.points_cast import OPERATOR, PATIENCE, Cast, NotDone, until
from tests.e2e.bad_input import RawLink, Said, connect, context_of, message
from tests.e2e.rig import Rig

T = TypeVar("T")
# On the links of driven control points, whose books are compared.


async def talk(cast: Cast) -> None:
    """For each control point two redeclarations of one BM unit, and an acceptance of another."""
    value = cast.next_value()

    async def one(player: Player) -> None:
        mine = cast.next_units(player)
        parameters = cast.chance.sample(list(ScalarParameter)[:4], 2)
        values = [scalar(player, mine[0], parameter, value) for parameter in parameters]
        await asyncio.gather(
            player.declare_all(values), _instruct(cast, player, player.bm_units[mine[1]])
        )

    await asyncio.gather(*map(one, cast.players))


async def _instruct(cast: Cast, player: Player, unit: str) -> None:
    """Whatever becomes of it meanwhile, the books tell."""
    try:
        shown = await cast.desk.dispatch(acceptance(player, unit), wait=100)
    except DeskRefused as error:
        raise NotDone(f"an acceptance of {unit}: {error}") from None
    if not shown["response"]:
        raise NotDone(f"no verdict on {shown['acceptanceNumber']} of {unit}")


async def reconnect(cast: Cast) -> None:
    """Links that break, and what is said on the next ones."""
    for player in cast.players:
        player.point.drop()
    await talk(cast)


async def outage(cast: Cast) -> None:
    """The operator is out while redeclarations come; then what was missed is asked for."""
    async with cast.lock(OPERATOR):
        await _outage(cast)


async def _outage(cast: Cast) -> None:
    since = now()
    await cast.desk.switch_outage(True)
    try:
        tasks = _declared(cast)
        held = "SELECT 1 FROM messaging_delivery WHERE state = 'HELD' AND held_at >= %s"
        await until(lambda: cast.query(held, since), "what is held while the operator is out")
    finally:
        await cast.desk.switch_outage(False)
    await asyncio.gather(*tasks)
    over = (
        "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM messaging_connection"
        " WHERE normalize_from IS NOT NULL OR is_holding)"
    )
    await until(lambda: cast.query(over), "all that was missed to be asked for")


async def broken_way(cast: Cast) -> None:
    """The operator fails over every redeclaration until it is left alone; then it is well again."""
    left_alone = "SELECT 1 FROM messaging_breaker WHERE state <> 'CLOSED'"
    async with cast.lock(OPERATOR):
        async with cast.failing("http_500", REDECLARATION):
            tasks = _declared(cast)
            await until(lambda: cast.query(left_alone), "an endpoint that is left alone")
        await asyncio.gather(*tasks)
        await until(lambda: not cast.query(left_alone), "no endpoint to be left alone any more")


def _declared(cast: Cast) -> list[asyncio.Task[Declaration]]:
    """A redeclaration of each control point, followed to its last word."""
    value = cast.next_value()
    return [
        asyncio.create_task(player.declare(scalar(player, cast.next_units(player)[0], value=value)))
        for player in cast.players
    ]


# On links of the tests' own, with every byte said by hand.

_SILENT_SECONDS, _HEARTBEAT_SECONDS = 29.0, 45.0
RAW_TENANT, RAW_POINT = "birch", "BRCH2"


def _raw(rig: Rig) -> RawLink:
    point = rig.tenant(RAW_TENANT)["controlPoints"][1]
    link = connect(rig, context_of(rig, point["certificate"], point["key"]), point["name"])
    if link.greet().type != "READY":
        link.link.close()
        raise ConnectionResetError("not let in")
    return link


async def by_hand(cast: Cast, conversation: Callable[[RawLink], T], seconds: float = PATIENCE) -> T:
    """Has the conversation on a new link, and again from the start where the link breaks."""
    async with cast.lock(RAW_POINT):
        return await _by_hand(cast, conversation, seconds)


async def _by_hand(
    cast: Cast, conversation: Callable[[RawLink], T], seconds: float = PATIENCE
) -> T:
    def attempt() -> tuple[T] | None:
        with _raw(cast.rig) as link:
            return (conversation(link),)

    (result,) = await until(attempt, f"a conversation with {RAW_POINT}", seconds)
    return result


async def idle(cast: Cast) -> None:
    """Nothing, for as long as it takes the host to say that a link lives. Where that was its death,
    the next link need but be there.
    """
    silent_since: list[float] = []

    def conversation(link: RawLink) -> None:
        if silent_since and time.monotonic() - silent_since[-1] > _SILENT_SECONDS:
            return
        silent_since.append(time.monotonic())
        link.link.settimeout(_HEARTBEAT_SECONDS)
        while (said := link.hear()).type != "HBEAT":
            if said.number:
                link.say("ACK", "OK  ", 0, said.number)

    await by_hand(cast, conversation, 3 * PATIENCE)


async def repeat(cast: Cast) -> None:
    """The same message under the same number twice on one link."""
    text = f"{cast.rig.units(RAW_TENANT)[0]:9}{cast.next_value():6d}"

    def conversation(link: RawLink) -> None:
        link.number += 1
        # The same bytes, the time of sending among them.
        content = message(link.name, "NDZ", text, link.number)
        link.send(content)
        first = link.answer(link.number)
        link.send(content)
        again = link.answer(link.number)
        assert first.type == again.type == "ACK", f"{first} and {again}"

    await by_hand(cast, conversation)


async def gap(cast: Cast) -> None:
    """A number that is too high is refused."""

    def conversation(link: RawLink) -> None:
        link.say("TEXT", f"{'left out one':200}", link.number + 2)
        assert link.answer(link.number + 2).type == "NACK"

    await by_hand(cast, conversation)


async def refuse(cast: Cast) -> None:
    """An acceptance that the control point will not have."""

    def conversation(link: RawLink) -> None:
        said = _instructed(cast, link)
        link.say("NACK", f"R003{'no such thing':80}", 0, said.number)
        link.leave()

    await by_hand(cast, conversation)


async def go_back(cast: Cast) -> None:
    """One that it says came before its turn: it is given again, behind what the host had stored
    before it, for another BM unit, and was only committed after.
    """

    def conversation(link: RawLink) -> None:
        first = _instructed(cast, link)
        expected = f"R011{f'expected {first.number:08d}':80}"
        link.say("NACK", expected, 0, first.number)
        # What was on its way behind it is before its turn as well.
        while (said := link.hear()).number != first.number:
            link.say("NACK", expected, 0, said.number)
        while said.data != first.data:
            link.say("ACK", "OK  ", 0, said.number)
            said = link.hear()
        link.say("ACK", "OK  ", 0, said.number)
        link.say_next("ACCEPT", f"{said.data[:19]}{'':64}", said.number)

    await by_hand(cast, conversation)


def _instructed(cast: Cast, link: RawLink) -> Said:
    """An acceptance on this link: what became of one on the last link is not known."""
    cast.rig.dispatch(cast.rig.units(RAW_TENANT)[1], RAW_POINT, wait=0, level=40)
    while (said := link.hear()).type != "BOAI":
        link.say("ACK", "OK  ", 0, said.number)
    return said


async def lose(cast: Cast) -> None:
    """A link that is away for longer than its endpoint's setting, and so alarmed."""
    state = "SELECT 1 FROM messaging_link l JOIN tenants_endpoint e ON e.id = l.endpoint_id"
    alarmed = f"{state} WHERE e.name = %s AND l.alarmed_at >= %s"
    async with cast.lock(RAW_POINT):
        since = now()
        await _by_hand(cast, lambda link: None)
        await until(lambda: cast.query(alarmed, RAW_POINT, since), "the alarm of a lost link")
