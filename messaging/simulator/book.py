"""What the operator knows of the market's state: instructions sent, verdicts got, redeclarations
taken. Nothing is sent from here."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from messaging.simulator.checks.findings import Code
from messaging.simulator.checks.response import NUMBER_OF_KIND, Response
from messaging.simulator.stamps import read_stamp

_MOST = 20_000
_DEADLINE = timedelta(seconds=120)
# A verdict given in time may still have to be sent again by the host.
_GRACE = timedelta(seconds=30)
_EPOCH = 1_735_689_600  # 2025-01-01
_FORGETTABLE = frozenset({"messageId", "sentAt", "respondBy"})

# Participant, kind, control point, BMU, number.
Key = tuple[str, str, str, str | None, int]


@dataclass(slots=True)
class Verdict:
    """What the tenant said; shared by an instruction and its repeats."""

    payload: dict[str, object] | None = None
    at: datetime | None = None
    come: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Dispatched:
    """One instruction as sent, whole payload included; `answered_at` and `refused` once the host
    has answered."""

    participant_id: str
    message_id: str
    payload: dict[str, object]
    sent_at: datetime
    verdict: Verdict
    answered_at: datetime | None = None
    refused: bool = False
    repeats: bool = False

    @property
    def kind(self) -> str:
        return str(self.payload.get("kind"))

    @property
    def number(self) -> int | None:
        value = self.payload.get(NUMBER_OF_KIND.get(self.kind, ""))
        return value if type(value) is int else None

    def deadline(self) -> datetime:
        """By when a verdict counts: respondBy, or 120 s after the host had it."""
        named = self.payload.get("respondBy")
        by = read_stamp(named) if isinstance(named, str) else None
        return by or (self.answered_at or self.sent_at) + _DEADLINE

    def key(self) -> Key | None:
        point, unit = self.payload.get("controlPoint"), self.payload.get("bmUnit")
        number = self.number
        if number is None or not isinstance(point, str):
            return None
        if unit is not None and not isinstance(unit, str):
            return None
        return self.participant_id, self.kind, point, unit, number

    def content(self) -> dict[str, object]:
        return {name: self.payload[name] for name in self.payload.keys() - _FORGETTABLE}


class Book:
    def __init__(self) -> None:
        self._dispatched: OrderedDict[str, Dispatched] = OrderedDict()
        self._by_key: dict[Key, Dispatched] = {}
        self._numbers: dict[tuple[str, str | None], int] = {}
        self._taken: OrderedDict[tuple[str, str, str], list[str]] = OrderedDict()

    def next_number(self, participant_id: str, bm_unit: str | None) -> int:
        """Rises per BMU, also over restarts: the first one is the seconds since 2025."""
        key = (participant_id, bm_unit)
        number = self._numbers.get(key, int(time.time()) - _EPOCH) + 1
        self._numbers[key] = number
        return number

    def add(
        self, participant_id: str, message_id: str, payload: dict[str, object], at: datetime
    ) -> Dispatched:
        sent = Dispatched(participant_id, message_id, payload, at, Verdict())
        # Under a messageId that was used before, the first message is the one the host may know.
        self._dispatched.setdefault(message_id, sent)
        key = sent.key()
        if key is not None:
            self._join(sent, key)
        while len(self._dispatched) > _MOST:
            self._forget(self._dispatched.popitem(last=False)[1])
        return sent

    def _join(self, sent: Dispatched, key: Key) -> None:
        first = self._by_key.get(key)
        if first is None or first.refused:
            self._by_key[key] = sent
        elif first.content() == sent.content():
            sent.verdict, sent.repeats = first.verdict, True
        counter = (sent.participant_id, key[3])
        self._numbers[counter] = max(self._numbers.get(counter, 0), key[4])

    def _forget(self, old: Dispatched) -> None:
        key = old.key()
        if key is not None and self._by_key.get(key) is old:
            del self._by_key[key]

    def find(self, message_id: str) -> Dispatched | None:
        return self._dispatched.get(message_id)

    def judge(
        self, participant_id: str, response: Response, at: datetime
    ) -> tuple[str, Code, str] | Dispatched:
        """The instruction this verdict is for, or path, code and text of what is wrong with it."""
        sent = self._by_key.get((participant_id, *response.key()))
        wrong = self._judge_reference(participant_id, response, sent)
        if wrong is not None:
            return wrong
        if sent is None or sent.refused:
            name = NUMBER_OF_KIND[response.kind]
            return name, Code.UNKNOWN_INSTRUCTION, "no such instruction was sent"
        return _judge_verdict(sent, response, at) or sent

    def _judge_reference(
        self, participant_id: str, response: Response, sent: Dispatched | None
    ) -> tuple[str, Code, str] | None:
        """A response need not name a message, but one it names must be the instruction's."""
        if response.in_reply_to is None:
            return None
        named = self.find(response.in_reply_to)
        if named is None or named.participant_id != participant_id:
            return "inReplyTo", Code.NOT_YOURS, "not a message sent to this tenant"
        if sent is not None and named.verdict is not sent.verdict:
            return "inReplyTo", Code.UNKNOWN_INSTRUCTION, "another instruction's message"
        return None

    def settle(self, sent: Dispatched, payload: dict[str, object], at: datetime) -> None:
        """The first verdict stays; the same again changes nothing."""
        if sent.verdict.payload is None:
            sent.verdict.payload = payload
            sent.verdict.at = at
            sent.verdict.come.set()

    def first_sent_since(
        self, participant_id: str, control_point: str, since: datetime
    ) -> list[dict[str, object]]:
        """Whole payloads as first sent, in the order they were sent."""
        return [
            sent.payload
            for sent in self._dispatched.values()
            if sent.participant_id == participant_id
            and sent.payload.get("controlPoint") == control_point
            and sent.sent_at >= since
            and not (sent.repeats or sent.refused)
        ]

    def take(self, participant_id: str, payload: Mapping[str, object], message_id: str) -> None:
        """A redeclaration that was taken, RECEIVED included, until `withdraw`."""
        key = (participant_id, str(payload["bmUnit"]), str(payload["parameter"]))
        taken = self._taken.setdefault(key, [])
        taken.append(message_id)
        del taken[:-100]

    def withdraw(self, participant_id: str, payload: Mapping[str, object], message_id: str) -> None:
        """A redeclaration whose final receipt said REJECTED."""
        key = (participant_id, str(payload["bmUnit"]), str(payload["parameter"]))
        taken = self._taken.get(key, [])
        if message_id in taken:
            taken.remove(message_id)

    def last_taken(self, participant_id: str, bm_units: tuple[str, ...]) -> list[dict[str, object]]:
        return [
            {"bmUnit": unit, "parameter": parameter, "messageId": taken[-1]}
            for (participant, unit, parameter), taken in self._taken.items()
            if participant == participant_id and unit in bm_units and taken
        ]


def _judge_verdict(
    sent: Dispatched, response: Response, at: datetime
) -> tuple[str, Code, str] | None:
    said = sent.verdict.payload
    if said is not None and said.get("verdict") != response.verdict:
        return "verdict", Code.SETTLED, "already answered otherwise"
    deadline = sent.deadline()
    if said is None and (response.responded_at > deadline or at > deadline + _GRACE):
        return "respondedAt", Code.SETTLED, "too late"
    return None
