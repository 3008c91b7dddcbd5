"""The enveloped-1 profile: its golden files, what is refused where parts are nested and spelt
otherwise, and a flow without later receipts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from messaging.domain.acknowledgements import (
    Health,
    HealthStatus,
    NormalizationRequest,
    ReceiptError,
    ReceiptOfMessage,
    ReceiptStatus,
)
from messaging.domain.instructions import InstructionAnswer, InstructionKind, Verdict
from messaging.domain.messages import BmMessage
from messaging.domain.redeclarations import ScalarParameter, ScalarRedeclaration
from messaging.protocols.base import (
    Envelope,
    LocalProtocolError,
    Parcel,
    RemoteProtocolError,
    Stamp,
)
from messaging.protocols.loading import FaultyProfile
from messaging.protocols.neso.wa.exchange import (
    Outcome,
    ReceiptMode,
    Sealing,
    exchange_of,
    find_service,
    path_of,
    read_answer,
    ruling_of,
)
from messaging.protocols.neso.wa.loading import OWN_FOLDER, read_profile
from messaging.protocols.neso.wa.profile import Answering
from tests.protocols.neso import rows
from tests.protocols.neso.enveloped_rows import CODEC, GOLDEN, PROFILE, ROWS, golden, opened
from tests.protocols.neso.rows import MESSAGE, NAME, OTHER, SENT, UNIT, at

SCALAR = ScalarRedeclaration(NAME, UNIT, ScalarParameter.MZT, 5)
RESPONSE = InstructionAnswer(NAME, UNIT, 1, Verdict.ACCEPTED, None, None, InstructionKind.BOA, SENT)
RECEIVED = ReceiptOfMessage(ReceiptStatus.RECEIVED)
ACCEPTED = ReceiptOfMessage(ReceiptStatus.ACCEPTED)
REJECTED = ReceiptOfMessage(ReceiptStatus.REJECTED, (ReceiptError("/body/value", "R003", "no"),))

each = pytest.mark.parametrize(("name", "service", "envelope"), [(n, *r) for n, r in ROWS.items()])


def refusal_of(payload: dict[str, Any]) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        CODEC.decode(Parcel(json.dumps(payload).encode()))
    return caught.value


# Golden files.


def test_every_golden_file_is_tested() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == ROWS.keys()


def test_a_message_is_what_a_reader_of_the_profile_would_write() -> None:
    header = {"message": "declaration", "id": MESSAGE, "created": 1795341600000}
    header |= {"schema": "enveloped-1", "parameter": "MEL"}
    begins = {"at": "2026-11-22T10:00:00+00:00", "mw": "100"}
    ends = {"at": "2026-11-22T10:30:00+00:00", "mw": "100"}
    body = {"target": {"control_point": "CPALFA", "bm_unit": "TBMU-1"}}
    body |= {"profile": [{"from": begins, "to": ends}]}  # type: ignore[dict-item]
    assert opened("a_mel_of_100_mw_for_half_an_hour") == {"header": header, "body": body}


@each
def test_it_is_written(name: str, service: str, envelope: Envelope) -> None:
    assert CODEC.encode(envelope) == Parcel(golden(name), service)


@each
def test_it_is_read(name: str, service: str, envelope: Envelope) -> None:
    assert CODEC.decode(Parcel(golden(name), service)) == envelope


def test_neither_profile_reads_the_others_payloads() -> None:
    for name in ROWS:
        for codec, content in ((CODEC, rows.golden(name)), (rows.CODEC, golden(name))):
            with pytest.raises(RemoteProtocolError):
                codec.decode(Parcel(content))


# What is refused.


def without(*path: str) -> Callable[[Any], None]:
    def change(payload: Any) -> None:
        for name in path[:-1]:
            payload = payload[name]
        del payload[path[-1]]

    return change


def put(value: object, *path: str | int) -> Callable[[Any], None]:
    def change(payload: Any) -> None:
        for name in path[:-1]:
            payload = payload[name]
        payload[path[-1]] = value

    return change


BOA = "an_emergency_boa_with_every_flag"
FILE = "a_submission_of_every_form_of_record"


@pytest.mark.parametrize(
    ("name", "change", "code", "pointer"),
    [
        (BOA, without("header"), "R001", "/header/schema"),
        (BOA, put([], "header"), "R001", "/header"),
        (BOA, put("host-1", "header", "schema"), "R006", "/header/schema"),
        (BOA, without("header", "id"), "R001", "/header/id"),
        (BOA, put("MEL", "header", "subject"), "R005", "/header/subject"),
        (BOA, without("body"), "R001", "/body/target/control_point"),
        (BOA, put(None, "body"), "R001", "/body"),
        (BOA, put("CPALFA", "body", "target"), "R001", "/body/target"),
        (BOA, put(1795341600000.5, "header", "created"), "R001", "/header/created"),
        (BOA, put(-1, "header", "created"), "R003", "/header/created"),
        (BOA, put(10**14 * 9, "header", "created"), "R003", "/header/created"),
        (BOA, put("2026-11-22T10:00:00Z", "header", "created"), "R001", "/header/created"),
        (BOA, put(True, "body", "flags", "so"), "R001", "/body/flags/so"),
        (BOA, put(2, "body", "flags", "rr"), "R001", "/body/flags/rr"),
        (BOA, put(12345, "body", "acceptance"), "R001", "/body/acceptance"),
        (BOA, put("1e3", "body", "acceptance"), "R001", "/body/acceptance"),
        (BOA, put("-0", "body", "acceptance"), "R001", "/body/acceptance"),
        (BOA, put("007", "body", "acceptance"), "R001", "/body/acceptance"),
        (BOA, put("-1", "body", "acceptance"), "R003", "/body/acceptance"),
        (BOA, put("1" * 16, "body", "acceptance"), "R001", "/body/acceptance"),
        (BOA, put("2026-11-22T09:58:00Z", "body", "accepted"), "R001", "/body/accepted"),
        (BOA, put("2026-11-22T09:58:01+00:00", "body", "accepted"), "R001", "/body/accepted"),
        (BOA, put("2026-11-31T09:58:00+00:00", "body", "accepted"), "R001", "/body/accepted"),
        (BOA, put("0001-01-01T00:00:00+01:00", "body", "accepted"), "R001", "/body/accepted"),
        (BOA, put("9", "body", "profile", 0, "from", "at"), "R001", "/body/profile/0/from/at"),
        (BOA, put({}, "body", "profile", 0, "to"), "R001", "/body/profile/0/to/at"),
        (BOA, put(7, "body", "profile", 0, "to"), "R001", "/body/profile/0/to"),
        (FILE, put("45.5", "body", "rows", 1, "prices", "offer"), "R001", None),
        (FILE, put(45.5, "body", "rows", 1, "prices", "offer"), "R001", None),
        (FILE, put("NaN", "body", "rows", 1, "prices", "offer"), "R001", None),
    ],
)
def test_what_is_not_so_spelt_or_not_there_is_refused_with_its_place(
    name: str, change: Callable[[Any], None], code: str, pointer: str | None
) -> None:
    payload = opened(name)
    change(payload)
    error = refusal_of(payload)
    assert (error.code, error.field) == (code, pointer or "/body/rows/1/prices/offer")


def test_a_time_with_another_offset_is_read_as_the_moment_it_is() -> None:
    payload = opened("a_boa_that_ramps_down")
    payload["body"]["accepted"] = "2026-11-22T10:58:00+01:00"
    read = CODEC.decode(Parcel(json.dumps(payload).encode()))
    assert read == ROWS["a_boa_that_ramps_down"][1]


def test_what_a_spelling_cannot_hold_is_our_own_fault() -> None:
    for second in (timedelta(seconds=1), timedelta(microseconds=1)):
        boa = rows.ROWS["an_emergency_boa_with_every_flag"][1].messages[0]
        late = type(boa)(**{**_fields(boa), "accepted_at": at(9, 58) + second})
        with pytest.raises(LocalProtocolError):
            CODEC.encode(Envelope(Stamp(MESSAGE, SENT), (late,)))


def _fields(message: BmMessage) -> dict[str, Any]:
    """But for what every message of its class has alike."""
    told = {name: getattr(message, name) for name in message.__slots__}
    return {name: value for name, value in told.items() if name != "kind"}


def test_a_stamp_is_kept_to_the_millisecond() -> None:
    sent = Envelope(Stamp(MESSAGE, SENT + timedelta(microseconds=1999)), (Health(),))
    read = CODEC.decode(CODEC.encode(sent))
    assert read.stamp.sent_at == SENT + timedelta(milliseconds=1)


# Pointers.


@pytest.mark.parametrize(
    ("name", "path", "pointer"),
    [
        (BOA, ("number",), "/body/acceptance"),
        (BOA, ("control_point",), "/body/target/control_point"),
        (BOA, ("levels", 0, "level_to"), "/body/profile/0/to/mw"),
        (BOA, ("so_flag",), "/body/flags/so"),
        (FILE, ("records", 1, "bid_price"), "/body/rows/1/prices/bid"),
        (FILE, ("records", 0, "time_from"), "/body/rows/0/from/at"),
    ],
)
def test_a_path_through_a_message_and_a_pointer_into_its_payload_are_the_same_place(
    name: str, path: tuple[str | int, ...], pointer: str
) -> None:
    (message,) = ROWS[name][1].messages
    assert CODEC.pointer_of(message, path) == pointer
    assert CODEC.path_of(message, pointer) == path


def test_what_tells_a_message_apart_stands_in_its_header() -> None:
    assert CODEC.pointer_of(SCALAR, ("parameter",)) == "/header/parameter"
    assert CODEC.pointer_to("type") == "/header/message"
    assert CODEC.pointer_to("in_reply_to") == "/header/id"


# The flow.


@pytest.mark.parametrize(
    ("message", "path", "method"),
    [
        (SCALAR, f"/declarations/{MESSAGE}", "PUT"),
        (RESPONSE, f"/dispatch-replies/{MESSAGE}", "PUT"),
        (rows.BOA, f"/dispatches/{MESSAGE}", "PUT"),
        (rows.SUBMISSION, f"/day-files/{MESSAGE}", "PUT"),
        (Health(), "/status", "POST"),
        (NormalizationRequest(NAME, SENT), "/resync", "POST"),
    ],
    ids=repr,
)
def test_a_message_goes_to_a_path_of_its_own(message: BmMessage, path: str, method: str) -> None:
    exchange = exchange_of(PROFILE, message)
    assert (exchange.service.path_for(MESSAGE), exchange.service.method) == (path, method)
    assert path_of(PROFILE, exchange.service.name, MESSAGE) == path
    assert find_service(PROFILE, path) is exchange.service
    named = MESSAGE if method == "PUT" else None
    assert exchange.service.message_id_in(path) == named
    assert exchange.receipt is not ReceiptMode.LATER


@pytest.mark.parametrize(
    "path",
    [
        "/dispatches/{messageId}",
        "/dispatches",
        "/dispatches/",
        "/dispatches/7",
        f"/dispatches/{MESSAGE}/x",
        "/Status",
    ],
)
def test_a_path_that_leads_nowhere_has_no_service(path: str) -> None:
    assert find_service(PROFILE, path) is None


@pytest.mark.parametrize(
    ("status", "outcome", "sealing"),
    [
        (200, Outcome.VERDICT, Sealing.ALWAYS),
        (202, Outcome.VERDICT, Sealing.ALWAYS),
        (400, Outcome.REFUSED, Sealing.ALWAYS),
        (422, Outcome.REFUSED, Sealing.NEVER),
        (423, Outcome.HELD, Sealing.EITHER),
        (503, Outcome.HELD, Sealing.EITHER),
        (201, Outcome.FAILED, Sealing.NEVER),
        (500, Outcome.FAILED, Sealing.NEVER),
    ],
)
def test_a_status_has_an_outcome_of_its_own(
    status: int, outcome: Outcome, sealing: Sealing
) -> None:
    ruling = ruling_of(PROFILE, status)
    assert (ruling.outcome, ruling.sealing) == (outcome, sealing)
    assert PROFILE.answering == Answering(202, 400)


def answered(answer: BmMessage, asked: str = OTHER) -> bytes:
    return CODEC.encode(Envelope(Stamp("", SENT, asked), (answer,))).content


@pytest.mark.parametrize(
    ("question", "status", "answer", "outcome", "final"),
    [
        (SCALAR, 200, ACCEPTED, Outcome.VERDICT, True),
        (SCALAR, 202, RECEIVED, Outcome.VERDICT, True),
        (SCALAR, 400, REJECTED, Outcome.REFUSED, True),
        (rows.SUBMISSION, 200, ACCEPTED, Outcome.VERDICT, True),
        (rows.SUBMISSION, 202, RECEIVED, Outcome.VERDICT, True),
        (SCALAR, 423, REJECTED, Outcome.HELD, False),
        (RESPONSE, 202, RECEIVED, Outcome.VERDICT, True),
        (Health(), 200, Health(HealthStatus.OK), Outcome.VERDICT, True),
    ],
    ids=repr,
)
def test_the_first_answer_is_the_last(
    question: BmMessage, status: int, answer: BmMessage, outcome: Outcome, final: bool
) -> None:
    read = read_answer(CODEC, exchange_of(PROFILE, question), status, answered(answer), OTHER)
    assert (read.outcome, read.final) == (outcome, final)
    assert read.envelope.stamp == Stamp(OTHER, SENT, OTHER)


def test_an_answer_to_another_message_is_none() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read_answer(CODEC, exchange_of(PROFILE, SCALAR), 200, answered(ACCEPTED), MESSAGE)
    assert (caught.value.text, caught.value.field) == ("answers another message", "/header/id")


def test_a_question_cannot_say_that_it_answers_another() -> None:
    with pytest.raises(LocalProtocolError):
        CODEC.encode(Envelope(Stamp(MESSAGE, SENT, OTHER), (RESPONSE,)))


# Faults of a profile's file, each with its place.

TEXT = (OWN_FOLDER / "enveloped-1.toml").read_text(encoding="utf-8")
IN_REPLY_TO = 'in_reply_to = { name = "answers", source = "assumed" }\n\n[words.health]'


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('envelope = ["header"]', "envelope = []", "nesting.envelope"),
        ('envelope = ["header"]', 'envelope = "header"', "nesting.envelope"),
        ('told_by = ["header"]', 'told_bye = ["header"]', "nesting.told_bye"),
        ('time = "offset"', 'time = "sundial"', "formats.time"),
        ('flag = "0 or 1"', 'flags = "0 or 1"', "formats.flags"),
        ("places = 2, ", "", "groups.pair-record.members[6].places"),
        ("places = 2, ", "places = 7, ", "groups.pair-record.members[6].places"),
        ("places = 1, ", "places = 1, format = 'roman', ", "groups.rate.members[0].format"),
        ('name = "mw", meaning = "level_from"', 'name = "at", meaning = "level_from"', None),
        ('within = ["flags"]', 'within = ["acceptance"]', "layouts.acceptance.members[4].name"),
        ('body = ["body"]', 'body = ["header", "id"]', "types.health_state.payloads.answer.layout"),
        ('told_by = "subject"', 'told_by = "created"', "types.dispatch.payloads.bid_offer"),
        ("/dispatches/{messageId}", "/dispatches/{id}", "services.Instruction.path"),
        ("/dispatches/{messageId}", "/{messageId}/{messageId}", "services.Instruction.path"),
        ('correlation = "header/id"', 'correlation = "id"', "exchanges[0].correlation"),
        ('receipt = "at once"', 'receipt = "later"', "exchanges[2].receipt"),
        ('type = "declaration"', 'type = "verdict"', "exchanges[4].type"),
        ("taken = 202", "taken = 404", "answering.taken"),
        ("taken = 202", "taken = 299", "answering.taken"),
        ("refused = 400", "refused = 422", "answering.refused"),
        ("refused = 400\n", "", "answering.refused"),
        ('[types.health_state.payloads]\nanswer = { form = "health answer"',
         '[types.health_state.payloads]\nask = { form = "health question", layout ='
         ' "health-question", source = "assumed" }\nanswer = { form = "health answer"',
         "types.health_state.payloads"),
        ("[words.health]", IN_REPLY_TO, "exchanges[0].correlation"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place(
    old: str, new: str, place: str | None, tmp_path: Path
) -> None:
    assert old in TEXT
    path = tmp_path / "real-3.toml"
    path.write_text(TEXT.replace('"enveloped-1"', '"real-3"', 1).replace(old, new, 1))
    with pytest.raises(FaultyProfile) as caught:
        read_profile(path)
    faults = {fault.place: fault.line for fault in caught.value.faults}
    assert (place or "groups.segment.members[1].name") in faults
    assert all(faults.values())


def test_a_profile_of_the_same_shape_whose_receipts_come_later_is_a_few_lines(
    tmp_path: Path,
) -> None:
    """The flow does not hang on the shape."""
    text = TEXT.replace('"enveloped-1"', '"real-3"', 1).replace("[words.health]", IN_REPLY_TO, 1)
    text = text.replace('"header/id"', '"header/answers"')
    text = re.sub(r'(type = "declaration"\n(.*\n){2}receipt = )"at once"', r'\1"later"', text)
    path = tmp_path / "real-3.toml"
    path.write_text(text)
    profile = read_profile(path)
    assert exchange_of(profile, SCALAR).receipt is ReceiptMode.LATER
    assert not profile.answers_echo
