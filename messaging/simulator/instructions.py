"""Makes an instruction's payload out of what was asked for, and a plausible acceptance out of
nothing; sending is `dispatch.py`'s."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from messaging.simulator.book import Book
from messaging.simulator.checks.envelope import PROFILE
from messaging.simulator.checks.response import NUMBER_OF_KIND
from messaging.simulator.config import ControlPoint
from messaging.simulator.stamps import write_market_time, write_stamp

_RESPOND_SECONDS = 120


def fill_instruction(
    asked: Mapping[str, object], participant_id: str, book: Book, at: datetime
) -> dict[str, object]:
    """What was given stands, wrong values too: a host has to be rehearsed with those as well. `at`
    is when it is made, by the operator's clock."""
    payload: dict[str, object] = {
        "type": "instruction",
        "messageId": str(uuid.uuid4()),
        "sentAt": write_stamp(at),
        "profile": PROFILE,
        **asked,
    }
    number = NUMBER_OF_KIND.get(str(asked.get("kind")))
    if number is not None and number not in payload:
        unit = asked.get("bmUnit")
        payload[number] = book.next_number(participant_id, unit if isinstance(unit, str) else None)
    if asked.get("kind") == "BOA":
        payload.setdefault("acceptanceTime", write_market_time(at))
    payload.setdefault("respondBy", write_stamp(at + timedelta(seconds=_RESPOND_SECONDS)))
    return payload


def make_plausible_boa(
    point: ControlPoint, chance: random.Random, at: datetime
) -> dict[str, object]:
    """Up to a level, along it and back to nothing, from the minute after next."""
    level = chance.randrange(5, 50, 5)
    begin = at + timedelta(minutes=2)
    ramp, hold = timedelta(minutes=5), timedelta(minutes=chance.randrange(10, 31, 5))
    corners = [(begin, 0), (begin + ramp, level), (begin + ramp + hold, level)]
    corners.append((begin + 2 * ramp + hold, 0))
    return {
        "kind": "BOA",
        "controlPoint": point.name,
        "bmUnit": chance.choice(point.bm_units),
        "emergencyFlag": False,
        "soFlag": False,
        "storFlag": False,
        "rrFlag": False,
        "levels": [_segment(*first, *second) for first, second in pairwise(corners)],
    }


def _segment(begin: datetime, low: int, end: datetime, high: int) -> dict[str, object]:
    return {
        "timeFrom": write_market_time(begin),
        "levelFrom": low,
        "timeTo": write_market_time(end),
        "levelTo": high,
    }
