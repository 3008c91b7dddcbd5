"""The simulated operator's notes as a book: each message once, whatever was repeated or refused on
the way.
"""

from __future__ import annotations

from typing import Any

from messaging.rehearsal.outside_books import OperatorNotes

POINTS = {"CP1"}


class Ledger:
    """Entries as the control port shows them."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def exchange(
        self,
        direction: str,
        service: str,
        payload: dict[str, Any],
        answer: dict[str, Any] | None,
        status: int | None = 200,
    ) -> None:
        number = len(self.entries)
        both = {"exchange": f"x{number}", "service": service, "participantId": "ALDER"}
        back = "out" if direction == "in" else "in"
        request: dict[str, Any] = {
            "role": "request",
            "direction": direction,
            "payload": payload,
            "status": None,
        }
        replied: dict[str, Any] = {
            "role": "answer",
            "direction": back,
            "payload": answer,
            "status": status,
        }
        for turn, entry in enumerate((request, replied)):
            times = {"atMicros": 1_000_000 * number + turn, "payloadSha256": f"{number}"}
            self.entries.append({**both, **times, **entry})

    def redeclared(
        self, message_id: str, value: int, status: int = 200, receipt: Any = None
    ) -> None:
        payload = {
            "type": "redeclaration",
            "messageId": message_id,
            "controlPoint": "CP1",
            "bmUnit": "UNIT-1",
            "parameter": "NDZ",
            "value": value,
        }
        answer = receipt or {"status": "ACCEPTED", "errors": []}
        self.exchange("in", "NESO_Redeclaration", payload, answer, status)

    def instructed(self, message_id: str, number: int, status: int | None = 200) -> None:
        payload = self.about("instruction", message_id, number)
        answer = None if status is None else {"status": "RECEIVED"}
        self.exchange("out", "NESO_Instruction", payload, answer, status)

    def responded(self, message_id: str, number: int, **verdict: Any) -> None:
        said = {"verdict": "ACCEPTED", "reasonCode": None, "reasonText": None, **verdict}
        payload = {**self.about("response", message_id, number), **said}
        self.exchange("in", "NESO_Instruction", payload, {"status": "ACCEPTED"})

    def about(self, type_: str, message_id: str, number: int) -> dict[str, Any]:
        return {
            "type": type_,
            "messageId": message_id,
            "kind": "BOA",
            "controlPoint": "CP1",
            "bmUnit": "UNIT-1",
            "acceptanceNumber": number,
        }

    def outcomes(self) -> list[tuple[str, str]]:
        notes = OperatorNotes(self.entries, POINTS)
        return [(record.label, record.outcome) for record in notes.book().records]


def test_a_redeclaration_sent_again_under_its_id_is_one() -> None:
    ledger = Ledger()
    ledger.redeclared("a", 5)
    ledger.redeclared("a", 5)
    ledger.redeclared("b", 6)
    assert ledger.outcomes() == [("NDZ", "OK"), ("NDZ", "OK")]


def test_one_that_was_answered_out_counts_only_when_it_is_taken() -> None:
    ledger = Ledger()
    ledger.redeclared("a", 5, 503)
    assert ledger.outcomes() == []
    ledger.redeclared("a", 5)
    assert ledger.outcomes() == [("NDZ", "OK")]


def test_a_refusal_is_told_as_the_control_point_hears_it() -> None:
    ledger = Ledger()
    error = {"path": "/value", "code": "R003", "text": "too much"}
    ledger.redeclared("a", 5, 422, {"status": "REJECTED", "errors": [error]})
    assert ledger.outcomes() == [("NDZ", "REFUSE R030 R003 too much")]


def test_an_instruction_sent_again_under_any_id_is_one() -> None:
    ledger = Ledger()
    for message_id in ("a", "a", "b"):
        ledger.instructed(message_id, 7)
    ledger.responded("c", 7)
    assert ledger.outcomes() == [("BOA 7", "ACCEPTED")]


def test_a_verdict_keeps_its_reason_and_a_second_one_shows() -> None:
    ledger = Ledger()
    ledger.instructed("a", 7)
    ledger.responded("b", 7, verdict="REJECTED", reasonCode="SAFE", reasonText="tripped")
    assert ledger.outcomes() == [("BOA 7", "REJECTED SAFE tripped")]
    ledger.responded("c", 7)
    assert ledger.outcomes() == [("BOA 7", "REJECTED SAFE tripped and ACCEPTED")]


def test_an_instruction_without_a_verdict_or_without_an_answer() -> None:
    ledger = Ledger()
    ledger.instructed("a", 7)
    ledger.instructed("b", 8, status=None)
    assert ledger.outcomes() == [("BOA 7", "")]


def test_other_control_points_are_left_out() -> None:
    ledger = Ledger()
    ledger.instructed("a", 7)
    assert OperatorNotes(ledger.entries, {"CP2"}).book().records == ()
