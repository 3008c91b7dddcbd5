"""The operator's side of the Wider Access API: what each of the five services answers to a message
that was received."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from messaging.simulator.book import Book
from messaging.simulator.checks.fields import Fields
from messaging.simulator.checks.findings import Findings, Violation, pointer
from messaging.simulator.checks.redeclaration import check_redeclaration, read_control_point
from messaging.simulator.checks.response import read_response
from messaging.simulator.checks.submission import check_submission
from messaging.simulator.config import Tenant
from messaging.simulator.faults import FaultBoard, each
from messaging.simulator.http import MIB
from messaging.simulator.later import LaterReceipts, Promise
from messaging.simulator.memory import Answer
from messaging.simulator.outage import Outage
from messaging.simulator.payloads import answer, make_payload, make_receipt, refusal
from messaging.simulator.routes import Received, Route
from messaging.simulator.services import (
    HEALTH,
    INSTRUCTION,
    NORMALIZATION,
    REDECLARATION,
    SUBMISSION,
)
from messaging.simulator.stamps import Clock

_LARGE = 64 * MIB
_MOST_ERRORS = 1000


class WiderAccess:
    def __init__(
        self,
        book: Book,
        faults: FaultBoard,
        outage: Outage,
        later: LaterReceipts,
        clock: Clock,
    ) -> None:
        self._book = book
        self._faults = faults
        self._outage = outage
        self._later = later
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                *(HEALTH, "health", check_nothing, self._answer_health),
                in_outage=True,
                is_wider_access=True,
            ),
            Route(
                NORMALIZATION,
                "normalization",
                check_normalization,
                self._answer_normalization,
                largest=_LARGE,
                is_wider_access=True,
            ),
            Route(
                *(INSTRUCTION, "response", read_response, self._answer_response),
                is_wider_access=True,
            ),
            Route(
                *(REDECLARATION, "redeclaration", check_redeclaration),
                self._answer_redeclaration,
                is_wider_access=True,
            ),
            Route(
                *(SUBMISSION, "submission", check_submission, self._answer_submission),
                largest=_LARGE,
                is_wider_access=True,
            ),
        )

    def _answer_health(self, received: Received) -> Answer:
        status = "OUTAGE" if self._outage.is_on() else "OK"
        return self._say("health", received, {"status": status})

    def _answer_normalization(self, received: Received) -> Answer:
        tenant, whose = received.tenant, received.tenant.participant_id
        point = tenant.control_points[str(received.payload["controlPoint"])]
        since = datetime.fromisoformat(str(received.payload["since"]))
        members = {
            "instructions": self._book.first_sent_since(whose, point.name, since),
            "redeclarations": self._book.last_taken(whose, point.bm_units),
        }
        return self._say("normalization", received, members)

    def _answer_response(self, received: Received) -> Answer:
        response = read_response(Fields(received.payload, (), Findings()), received.tenant)
        if response is None:
            raise RuntimeError("a response that was checked can't be read")
        at = self._clock.told(received.at)
        judged = self._book.judge(received.tenant.participant_id, response, at)
        if isinstance(judged, tuple):
            name, code, text = judged
            return refusal(received.message_id, (Violation(pointer((name,)), code, text),), at)
        self._book.settle(judged, received.payload, received.at)
        return self._receipt(received, "ACCEPTED")

    def _answer_redeclaration(self, received: Received) -> Answer:
        self._book.take(received.tenant.participant_id, received.payload, received.message_id)
        return self._accept(received, self._withdraw)

    def _answer_submission(self, received: Received) -> Answer:
        wrong = self._partial_errors(received)
        if wrong:
            at = self._clock.told(received.at)
            return refusal(received.message_id, wrong[:_MOST_ERRORS], at)
        return self._accept(received, _keep)

    def _partial_errors(self, received: Received) -> list[Violation]:
        whose, records = received.tenant.participant_id, received.payload.get("records")
        fault = self._faults.take("partial_errors", received.service, whose)
        if fault is None or not isinstance(records, list):
            return []
        received.faults.append("partial_errors")
        code, text, field = (fault.text(name) for name in ("code", "text", "field"))
        return [
            Violation(pointer(("records", index, *([field] if field else []))), code, text)
            for index in each(fault.whole("every"), len(records))
        ]

    def _withdraw(self, received: Received) -> None:
        self._book.withdraw(received.tenant.participant_id, received.payload, received.message_id)

    def _accept(self, received: Received, rejected: Callable[[Received], None]) -> Answer:
        """ACCEPTED, or RECEIVED where a fault wants the final word later or never, and the profile
        has such a thing."""
        deferring = ("receipt_missing", "receipt_later", "receipt_duplicated")
        for name in deferring if received.tenant.dialect.defers else ():
            whose = received.tenant.participant_id
            fault = self._faults.take(name, received.service, whose)
            if fault is not None:
                received.faults.append(name)
                if name != "receipt_missing":
                    self._later.promise(Promise(received, fault, rejected))
                return self._receipt(received, "RECEIVED")
        return self._receipt(received, "ACCEPTED")

    def _receipt(self, received: Received, status: str) -> Answer:
        return answer(make_receipt(received.message_id, status, self._clock.told(received.at)))

    def _say(self, type_: str, received: Received, members: Mapping[str, object]) -> Answer:
        at = self._clock.told(received.at)
        return answer(make_payload(type_, received.message_id, members, at))


def _keep(received: Received) -> None:
    """A rejected submission changes nothing the operator answers by."""


def check_nothing(fields: Fields, tenant: Tenant) -> None:
    """Health has no members of its own."""


def check_normalization(fields: Fields, tenant: Tenant) -> None:
    read_control_point(fields, tenant)
    fields.stamp("since")
