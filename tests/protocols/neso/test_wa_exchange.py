"""The exchange table: which service carries what, what each status means, and what an answer comes
to.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from messaging.domain.acknowledgements import (
    Health,
    HealthStatus,
    NormalizationAnswer,
    NormalizationRequest,
    ReceiptError,
    ReceiptOfMessage,
    ReceiptStatus,
    Result,
    ResultVerdict,
)
from messaging.domain.instructions import EmergencyInstruction, InstructionAnswer, Verdict
from messaging.domain.messages import BmMessage
from messaging.domain.redeclarations import ScalarParameter, ScalarRedeclaration
from messaging.protocols.base import Envelope, LocalProtocolError, RemoteProtocolError, Stamp
from messaging.protocols.neso.wa.exchange import (
    Direction,
    Outcome,
    ReceiptMode,
    Sealing,
    exchange_of,
    find_service,
    get_exchange,
    outcome_of,
    path_of,
    read_answer,
    ruling_of,
    service_of,
    verdict_of,
)
from tests.protocols.neso.rows import (
    BOA,
    CODEC,
    MESSAGE,
    NAME,
    OTHER,
    PROFILE,
    ROWS,
    SENT,
    SUBMISSION,
    UNIT,
)

SCALAR = ScalarRedeclaration(NAME, UNIT, ScalarParameter.MZT, 5)
RESPONSE = ROWS["an_accept_of_acceptance_12345"][1].messages[0]
RECEIVED = ReceiptOfMessage(ReceiptStatus.RECEIVED)
ACCEPTED = ReceiptOfMessage(ReceiptStatus.ACCEPTED)
REJECTED = ReceiptOfMessage(ReceiptStatus.REJECTED, (ReceiptError("/value", "R003", "range"),))
OUT = ReceiptOfMessage(ReceiptStatus.REJECTED, (ReceiptError("", "R999", "SO out"),))
NORMAL = NormalizationAnswer((), ())


@pytest.mark.parametrize(
    ("message", "service", "path"),
    [
        (SCALAR, "Redeclaration", "/NESO_Redeclaration"),
        (RESPONSE, "Instruction", "/NESO_Instruction"),
        (BOA, "Instruction", "/NESO_Instruction"),
        (EmergencyInstruction(NAME, "", 1, "x"), "Instruction", "/NESO_Instruction"),
        (Health(), "Health", "/NESO_Health"),
        (NormalizationRequest(NAME, SENT), "Normalization", "/NESO_Normalization"),
        (SUBMISSION, "Submission", "/NESO_Submission"),
    ],
    ids=repr,
)
def test_a_message_goes_to_its_service(message: BmMessage, service: str, path: str) -> None:
    assert service_of(PROFILE, message) == service
    assert path_of(PROFILE, service) == path
    found = find_service(PROFILE, path)
    assert found is not None
    assert (found.name, found.method) == (service, "POST")


@pytest.mark.parametrize(
    "message",
    [
        RECEIVED,
        NORMAL,
        Health(HealthStatus.OK),
        Result(NAME, ResultVerdict.OK, "OK", ""),
        InstructionAnswer(NAME, UNIT, 1, Verdict.ACCEPTED),
    ],
    ids=repr,
)
def test_what_is_no_question_goes_to_no_service(message: BmMessage) -> None:
    with pytest.raises(LocalProtocolError):
        service_of(PROFILE, message)


def test_a_service_that_is_not_there_has_no_path() -> None:
    with pytest.raises(LocalProtocolError):
        path_of(PROFILE, "Dispatch")
    assert find_service(PROFILE, "/NESO_Dispatch") is None
    assert find_service(PROFILE, "/neso_health") is None


TABLE = [
    ("Health", "health", Direction.BOTH, "health", ReceiptMode.NONE),
    ("Normalization", "normalization", Direction.TO_SO, "normalization", ReceiptMode.NONE),
    ("Instruction", "instruction", Direction.FROM_SO, "receipt", ReceiptMode.AT_ONCE),
    ("Instruction", "response", Direction.TO_SO, "receipt", ReceiptMode.AT_ONCE),
    ("Redeclaration", "redeclaration", Direction.TO_SO, "receipt", ReceiptMode.LATER),
    ("Redeclaration", "receipt", Direction.FROM_SO, "receipt", ReceiptMode.AT_ONCE),
    ("Submission", "submission", Direction.TO_SO, "receipt", ReceiptMode.LATER),
    ("Submission", "receipt", Direction.FROM_SO, "receipt", ReceiptMode.AT_ONCE),
]


@pytest.mark.parametrize(("service", "type_", "direction", "answer", "receipt"), TABLE)
def test_the_table_says_who_asks_and_how_it_is_answered(
    service: str, type_: str, direction: Direction, answer: str, receipt: ReceiptMode
) -> None:
    row = get_exchange(PROFILE, service, type_)
    assert (row.direction, row.answer, row.receipt) == (direction, answer, receipt)
    assert row.correlation == "inReplyTo"


def test_the_table_has_no_other_rows() -> None:
    rows = [(row.service.name, row.type) for row in PROFILE.exchanges]
    assert rows == [row[:2] for row in TABLE]
    with pytest.raises(LocalProtocolError):
        get_exchange(PROFILE, "Redeclaration", "instruction")


def test_submission_and_normalization_may_be_large() -> None:
    large = {name for name, one in PROFILE.services.items() if one.max_bytes == 64 << 20}
    assert large == {"Submission", "Normalization"}
    assert all(one.max_bytes in (1 << 20, 64 << 20) for one in PROFILE.services.values())


@pytest.mark.parametrize(
    ("status", "outcome", "sealing"),
    [
        (200, Outcome.VERDICT, Sealing.ALWAYS),
        (422, Outcome.REFUSED, Sealing.ALWAYS),
        (503, Outcome.HELD, Sealing.EITHER),
        *((status, Outcome.REFUSED, Sealing.NEVER) for status in (400, 405, 409, 410, 413, 415)),
        *((status, Outcome.FAILED, Sealing.NEVER) for status in (401, 403, 404, 408, 429)),
        *((status, Outcome.FAILED, Sealing.NEVER) for status in (500, 501, 502, 504, 599)),
        *((status, Outcome.FAILED, Sealing.NEVER) for status in (100, 201, 202, 204, 301, 307)),
        *((status, Outcome.FAILED, Sealing.NEVER) for status in (0, -1, 600, 999)),
    ],
)
def test_a_status_has_an_outcome(status: int, outcome: Outcome, sealing: Sealing) -> None:
    assert outcome_of(PROFILE, status) is outcome
    assert ruling_of(PROFILE, status).sealing is sealing


@pytest.mark.parametrize(
    ("receipt", "outcome"),
    [(RECEIVED, Outcome.VERDICT), (ACCEPTED, Outcome.VERDICT), (REJECTED, Outcome.REFUSED)],
)
def test_a_receipt_has_a_verdict(receipt: ReceiptOfMessage, outcome: Outcome) -> None:
    assert verdict_of(receipt) is outcome


def payload(answer: BmMessage, asked: str = OTHER) -> bytes:
    return CODEC.encode(Envelope(Stamp(MESSAGE, SENT, asked), (answer,))).content


@pytest.mark.parametrize(
    ("question", "status", "answer", "outcome", "final"),
    [
        (SCALAR, 200, ACCEPTED, Outcome.VERDICT, True),
        (SCALAR, 200, RECEIVED, Outcome.VERDICT, False),
        (SCALAR, 200, REJECTED, Outcome.REFUSED, True),
        (SUBMISSION, 200, ACCEPTED, Outcome.VERDICT, True),
        (SUBMISSION, 200, RECEIVED, Outcome.VERDICT, False),
        (SUBMISSION, 422, REJECTED, Outcome.REFUSED, True),
        (SCALAR, 422, REJECTED, Outcome.REFUSED, True),
        (SCALAR, 409, REJECTED, Outcome.REFUSED, True),
        (SCALAR, 503, OUT, Outcome.HELD, False),
        (SCALAR, 500, OUT, Outcome.FAILED, False),
        (RESPONSE, 200, RECEIVED, Outcome.VERDICT, True),
        (RESPONSE, 200, ACCEPTED, Outcome.VERDICT, True),
        (RESPONSE, 422, REJECTED, Outcome.REFUSED, True),
        (Health(), 200, Health(HealthStatus.OK), Outcome.VERDICT, True),
        (Health(), 200, Health(HealthStatus.OUTAGE), Outcome.VERDICT, True),
        (Health(), 422, REJECTED, Outcome.REFUSED, True),
        (Health(), 503, OUT, Outcome.HELD, False),
        (NormalizationRequest(NAME, SENT), 200, NORMAL, Outcome.VERDICT, True),
        (NormalizationRequest(NAME, SENT), 422, REJECTED, Outcome.REFUSED, True),
    ],
)
def test_an_answer_comes_to_an_outcome(
    question: BmMessage, status: int, answer: BmMessage, outcome: Outcome, final: bool
) -> None:
    read = read_answer(CODEC, exchange_of(PROFILE, question), status, payload(answer), OTHER)
    assert (read.outcome, read.final) == (outcome, final)
    assert read.envelope.messages == (answer,)


@pytest.mark.parametrize(
    ("question", "status", "answer"),
    [
        (SCALAR, 200, Health(HealthStatus.OK)),
        (SCALAR, 422, ACCEPTED),
        (SCALAR, 422, RECEIVED),
        (SCALAR, 503, RECEIVED),
        (SCALAR, 500, ACCEPTED),
        (Health(), 200, RECEIVED),
        (Health(), 200, REJECTED),
        (Health(), 200, NORMAL),
        (Health(), 503, Health(HealthStatus.OUTAGE)),
        (NormalizationRequest(NAME, SENT), 200, RECEIVED),
        (NormalizationRequest(NAME, SENT), 422, NORMAL),
    ],
)
def test_an_answer_that_does_not_go_with_its_status_is_none(
    question: BmMessage, status: int, answer: BmMessage
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read_answer(CODEC, exchange_of(PROFILE, question), status, payload(answer), OTHER)
    assert (caught.value.code, caught.value.field) == ("R005", "/type")


def test_an_answer_to_another_message_is_none() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read_answer(
            CODEC, exchange_of(PROFILE, SCALAR), 200, payload(ACCEPTED, asked=MESSAGE), OTHER
        )
    assert (caught.value.field, caught.value.reference) == ("/inReplyTo", MESSAGE)


@pytest.mark.parametrize("question", [BOA, replace(SCALAR, value=1)])
def test_what_answers_nothing_is_none(question: BmMessage) -> None:
    content = CODEC.encode(Envelope(Stamp(MESSAGE, SENT), (question,))).content
    with pytest.raises(RemoteProtocolError):
        read_answer(CODEC, exchange_of(PROFILE, question), 200, content, OTHER)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"<html>"])
def test_an_answer_that_cannot_be_read_is_none(content: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_answer(CODEC, exchange_of(PROFILE, SCALAR), 200, content, OTHER)
