"""Scenes in which everyone does as they should, or says no for a reason."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from messaging.domain.instructions import (
    BidOfferAcceptance,
    Instruction,
    InstructionAnswer,
    Verdict,
)
from messaging.domain.redeclarations import LevelParameter, ScalarParameter
from messaging.rehearsal.control_point import Answering, accept
from messaging.rehearsal.forms import every_form, flat
from messaging.rehearsal.players import Declaration, Player, now
from messaging.rehearsal.stage import (
    Stage,
    acceptance,
    ancillary,
    emergency,
    require,
    require_outcome,
    require_verdict,
)
from messaging.rehearsal.steps import (
    VERDICT_WITHIN,
    acceptances_at,
    answering_otherwise,
    declare_for_each,
    dispatch,
    scalar,
)

_MS = timedelta(milliseconds=1)
_SINGLES = 10


async def one_at_a_time(stage: Stage) -> str:
    """A redeclaration, then an acceptance, each to its end before the next begins."""
    for turn in range(_SINGLES):
        for player in stage.players:
            unit = player.bm_units[turn % len(player.bm_units)]
            declared = await player.declare(scalar(player, turn, value=turn))
            require_outcome([declared], "OK")
            require_verdict(await dispatch(stage, acceptance(player, unit)), "ACCEPTED")
    count = _SINGLES * len(stage.players)
    return f"{count} redeclarations and {count} BOAs, each to its end before the next"


async def every_redeclaration(stage: Stage) -> str:
    declared = await declare_for_each(
        stage, lambda player: player.declare_all(every_form(player.name, player.bm_units, now()))
    )
    count = require_outcome(declared, "OK")
    return f"{count} sent, acknowledged and taken by the operator"


async def burst(stage: Stage) -> str:
    """One acceptance for each BM unit, all at once."""
    instructions = [
        acceptance(player, unit) for player in stage.players for unit in player.bm_units
    ]
    shown = await stage.desk.burst(instructions, wait=VERDICT_WITHIN)
    for one in shown:
        require_verdict(one, "ACCEPTED")
    begun = min(stamp_of(one["sentAt"]) for one in shown)
    sent = [
        (i["bmUnit"], int(one["acceptanceNumber"]))
        for i, one in zip(instructions, shown, strict=True)
    ]
    arrived = [one for player in stage.players for one in acceptances_at(player, sent)]
    require(len(arrived) == len(shown), f"{len(arrived)} of {len(shown)} came to control points")
    on_link = (max(one.at for one in arrived) - begun) / _MS
    settled = (max(stamp_of(one["respondedAt"]) for one in shown) - begun) / _MS
    return (
        f"{len(shown)} sent at once: the last on its link after {on_link:.0f} ms,"
        f" the last verdict with the operator after {settled:.0f} ms"
    )


async def verdicts(stage: Stage) -> str:
    """A BOA rejected for a reason, an ancillary and an emergency instruction accepted."""

    async def one(player: Player) -> None:
        unit = player.bm_units[0]
        with answering_otherwise(player, _reject_acceptances("SAFE", "unit has tripped")):
            rejected = await dispatch(stage, acceptance(player, unit))
            require_verdict(rejected, "REJECTED")
            said = (rejected["response"]["reasonCode"], rejected["response"]["reasonText"])
            require(said == ("SAFE", "unit has tripped"), f"the reason came as {said}")
            for instruction in (ancillary(player, unit), emergency(player)):
                require_verdict(await dispatch(stage, instruction), "ACCEPTED")

    await asyncio.gather(*map(one, stage.players))
    return "a BOA rejected with its reason; ancillary and emergency instructions accepted"


async def refused_by_operator(stage: Stage) -> str:
    text = "above the registered capacity"
    fault = {
        "fault": "refuse",
        "path": "NESO_Redeclaration",
        "parameter": "SEL",
        "code": "R003",
        "text": text,
    }
    await stage.desk.set_faults(fault)
    try:
        declared = await declare_for_each(
            stage,
            lambda player: player.declare_all([scalar(player, 0, ScalarParameter.SEL, 9000)]),
        )
    finally:
        await stage.desk.set_faults()
    count = require_outcome(declared, f"REFUSE R030 R003 {text}")
    return f"{count} refused, each control point told R030 with the operator's words"


async def refused_by_host(stage: Stage) -> str:
    """A MEL below nothing, and another tenant's BM unit."""
    strangers = dict(zip(stage.players, reversed(stage.players), strict=True))

    async def one(player: Player) -> tuple[list[Declaration], list[Declaration]]:
        negative = flat(player.name, player.bm_units[0], LevelParameter.MEL, -5, now())
        foreign = replace(scalar(player, 0), bm_unit=strangers[player].bm_units[0])
        return await player.declare_all([negative]), await player.declare_all([foreign])

    pairs = await asyncio.gather(*map(one, stage.players))
    count = require_outcome(chain(*(low for low, _ in pairs)), "NACK R003")
    count += require_outcome(chain(*(foreign for _, foreign in pairs)), "NACK R002")
    return f"{count} refused at once: a level out of range, another tenant's BM unit"


def _reject_acceptances(code: str, text: str) -> Answering:
    def answer(instruction: Instruction) -> InstructionAnswer:
        said = accept(instruction)
        if not isinstance(instruction, BidOfferAcceptance):
            return said
        return replace(said, verdict=Verdict.REJECTED, reason_code=code, reason_text=text)

    return answer


def stamp_of(text: str) -> datetime:
    return datetime.fromisoformat(text)
