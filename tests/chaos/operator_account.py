"""What the simulated operator noted: what came to it, what it decided, and what it sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from messaging.simulator.services import ASSET, RESULT, STATUS
from tests.chaos import names
from tests.chaos.books import Came, Said, Word

_NO_ANSWER = "no answer given"
_TAKEN = (200, 409, 422)
"""409 says that it had come before, with other bytes."""

_LANDED = frozenset({200, 401, 404, 409, 413, 415, 422, 429, 503})

_WORDS = {
    "ACCEPTED": Word.ACCEPTED,
    "SUCCESS": Word.ACCEPTED,
    "REJECTED": Word.REFUSED,
    "FAILED": Word.REFUSED,
}


@dataclass(slots=True)
class Exchange:
    """A request and its answer, as they were noted: the answer is None until it is."""

    request: Mapping[str, Any]
    answer: Mapping[str, Any] | None = None

    @property
    def payload(self) -> Mapping[str, Any]:
        payload = self.request["payload"]
        return payload if isinstance(payload, dict) else {}

    @property
    def answered(self) -> Mapping[str, Any]:
        payload = self.answer["payload"] if self.answer else None
        return payload if isinstance(payload, dict) else {}

    @property
    def status(self) -> int | None:
        return self.answer["status"] if self.answer else None

    @property
    def was_taken(self) -> bool:
        """By the operator: also where it kept its answer to itself."""
        if not self.request["verified"] or self.answer is None:
            return False
        return self.status in _TAKEN or self.answer["detail"] == _NO_ANSWER


@dataclass(slots=True)
class OperatorAccount:
    """Made entry by entry, as the operator remembers the newest only."""

    exchanges: dict[str, Exchange] = field(default_factory=dict)
    last: int = 0

    def note(self, entries: Iterable[Mapping[str, Any]], last: int) -> None:
        """Entries that were not told before."""
        for entry in entries:
            if entry["role"] == "request":
                self.exchanges[entry["exchange"]] = Exchange(entry)
            elif entry["exchange"] in self.exchanges:
                self.exchanges[entry["exchange"]].answer = entry
        self.last = last

    def came(self, type_: str) -> list[Came]:
        """Each time it came, in order; `type_` is the payload's."""
        decided = self._decided()
        return [
            Came(name, message_id, one.request["payloadSha256"], decided.get(message_id))
            for one in self._requests("in")
            if one.was_taken and one.payload.get("type") == type_
            if (name := names.of_payload(one.payload)) is not None
            for message_id in (str(one.payload["messageId"]),)
        ]

    def registered(self) -> list[Came]:
        """Batches of assets, named after the first asset."""
        final = dict(self._transactions())
        transactions = {
            one.payload["messageId"]: one.answered.get("transactionId")
            for one in self._requests("in")
            if one.request["service"] == ASSET and one.status == 200
        }
        return [
            Came(
                str(one.payload["assets"][0]["assetName"]),
                message_id,
                one.request["payloadSha256"],
                final.get(transactions.get(message_id)),
            )
            for one in self._requests("in")
            if one.request["service"] == ASSET and one.was_taken and one.payload.get("assets")
            for message_id in (str(one.payload["messageId"]),)
        ]

    def instructions(self) -> list[Said]:
        """Each content once, however often and under however many ids it was sent."""
        taken: dict[str, bool] = {}
        for one in self._requests("out"):
            if one.payload.get("type") == "instruction":
                name = str(names.of_payload(one.payload))
                taken[name] = taken.get(name, False) or one.status == 200
        return [Said(name, was_taken) for name, was_taken in taken.items()]

    def unlanded(self) -> int:
        """Instructions that the host has not answered in a way that ends their sending."""
        landed: defaultdict[str, bool] = defaultdict(bool)
        for one in self._requests("out"):
            if one.payload.get("type") == "instruction":
                landed[str(one.payload["messageId"])] |= one.status in _LANDED
        return sum(not is_landed for is_landed in landed.values())

    def passages(self) -> Iterator[tuple[datetime, datetime]]:
        """Of each instruction that got its verdict: when it was first sent, and when that came."""
        begun: dict[Any, datetime] = {}
        for one in self._requests("out"):
            if one.payload.get("type") == "instruction":
                begun.setdefault(_subject(one.payload), _at(one.request))
        for one in self._requests("in"):
            if one.payload.get("type") == "response" and one.status == 200:
                begin = begun.pop(_subject(one.payload), None)
                if begin is not None:
                    yield begin, _at(one.request)

    def _requests(self, direction: str) -> Iterator[Exchange]:
        noted = list(self.exchanges.values())  # which another thread may be adding to
        return (one for one in noted if one.request["direction"] == direction)

    def _decided(self) -> dict[str, Word]:
        """By messageId: in its answer, in a receipt that followed, or told when it was asked what
        it had. Of one that it answered with RECEIVED it then says no more than that again.
        """
        found: dict[str, Word] = {}
        undecided = set()
        for one in self._requests("in"):
            word = _WORDS.get(one.answered.get("status", ""))
            if word is not None and one.status in (200, 422):
                found.setdefault(str(one.payload.get("messageId")), word)
            if one.answered.get("status") == "RECEIVED":
                undecided.add(str(one.payload.get("messageId")))
        for one in self._requests("in"):
            for row in one.answered.get("redeclarations", ()):
                if row["messageId"] not in undecided:
                    found.setdefault(str(row["messageId"]), Word.ACCEPTED)
        for one in self._requests("out"):
            # One that the host would not open, for the operator's clock was wrong, told it nothing.
            if one.payload.get("type") == "receipt" and one.status in (200, 422):
                word = _WORDS.get(one.payload["status"])
                if word is not None:
                    found.setdefault(str(one.payload["inReplyTo"]), word)
        return found

    def _transactions(self) -> Iterator[tuple[Any, Word]]:
        for one in list(self.exchanges.values()):
            told = one.payload if one.request["service"] == RESULT else one.answered
            word = _WORDS.get(told.get("status", ""))
            if one.request["service"] in (RESULT, STATUS) and word is not None:
                yield told.get("transactionId"), word


def _subject(payload: Mapping[str, Any]) -> tuple[Any, ...]:
    number = payload.get("acceptanceNumber", payload.get("instructionNumber"))
    return payload["controlPoint"], payload["bmUnit"], payload["kind"], number


def _at(entry: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(entry["atMicros"] / 1_000_000, UTC)
