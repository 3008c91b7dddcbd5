"""What the scenes of a rehearsal play on: the players, the operator's desk, and instructions to
send from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from messaging.rehearsal.forms import minute_of
from messaging.rehearsal.operator_desk import OperatorDesk
from messaging.rehearsal.outside_books import outcome_of
from messaging.rehearsal.players import Declaration, Player, now


class SceneFailed(Exception):
    """Something came out otherwise than the scene has it; the text says what."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`last_noted` is the operator's entry number at which the rehearsal began; `repeats` tells how
    many messages the host has recognised since as ones that it had taken before.
    """

    players: tuple[Player, ...]
    desk: OperatorDesk
    last_noted: int
    repeats: Callable[[], int]


def acceptance(player: Player, bm_unit: str, at: datetime | None = None) -> dict[str, Any]:
    """A BOA's payload without ids: down to 40 MW in five minutes, a quarter of an hour there, and
    back.
    """
    begin = minute_of(at or now()) + timedelta(minutes=2)
    corners = [(0, 100), (5, 40), (20, 40), (25, 100)]
    times = [_time(begin + timedelta(minutes=minutes)) for minutes, _ in corners]
    levels = [level for _, level in corners]
    pairs = zip(times, levels, times[1:], levels[1:], strict=False)
    return {
        "kind": "BOA",
        "controlPoint": player.name,
        "bmUnit": bm_unit,
        "emergencyFlag": False,
        "soFlag": False,
        "storFlag": False,
        "rrFlag": False,
        "levels": [
            {"timeFrom": t, "levelFrom": level, "timeTo": until, "levelTo": to}
            for t, level, until, to in pairs
        ],
    }


def ancillary(player: Player, bm_unit: str) -> dict[str, Any]:
    return {
        "kind": "ANCILLARY",
        "controlPoint": player.name,
        "bmUnit": bm_unit,
        "service": "STOR",
        "action": "START",
        "timeFrom": _time(minute_of(now()) + timedelta(minutes=10)),
        "timeTo": None,
        "targetMw": 30,
    }


def emergency(player: Player) -> dict[str, Any]:
    """To the control point as a whole."""
    return {
        "kind": "EMERGENCY",
        "controlPoint": player.name,
        "bmUnit": None,
        "text": "Rehearsal: reduce to 0 MW at once",
    }


def require(is_so: object, what: str) -> None:
    if not is_so:
        raise SceneFailed(what)


def require_outcome(declarations: Iterable[Declaration], wanted: str) -> int:
    """How many there were; raises SceneFailed for the first that came to anything else."""
    count = 0
    for one in declarations:
        outcome = outcome_of(one)
        message = one.message
        require(
            outcome == wanted,
            f"{message.parameter} of {message.bm_unit}: {outcome or 'nothing'!r}, not {wanted!r}",
        )
        count += 1
    return count


def require_verdict(shown: dict[str, Any], verdict: str) -> None:
    """Of an instruction as the desk shows it."""
    number = shown["acceptanceNumber"] or shown["instructionNumber"]
    answer, response = shown["answer"], shown["response"]
    require(answer and answer["status"] == 200, f"instruction {number} was answered {answer}")
    require(
        response and response["verdict"] == verdict,
        f"instruction {number}: no {verdict} came to the operator, but {response}",
    )


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
