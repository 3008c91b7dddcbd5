"""Every way a payload is refused: code, JSON Pointer and reference."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from messaging.protocols.base import Parcel, RemoteProtocolError
from tests.protocols.neso.rows import CODEC, MESSAGE, golden, opened

MEL = "a_mel_of_100_mw_for_half_an_hour"
RATES = "run_up_rates_with_two_elbows"
SCALAR = "an_mdv_of_minus_50_mwh"
BOA = "a_boa_that_ramps_down"
ANCILLARY = "an_ancillary_instruction_with_end_and_target"
EMERGENCY = "an_emergency_instruction"
RESPONSE = "an_accept_of_acceptance_12345"
RECEIPT = "a_receipt_that_rejects"
QUESTION = "a_normalization_question"
ANSWER = "a_normalization_answer"
HEALTH = "a_health_answer"
SUBMISSION = "a_submission_of_every_form_of_record"

MARK: Final = "the place of what is spliced in"


def changed(name: str, pointer: str, raw: str | None) -> bytes:
    """A golden payload with other JSON, as text, at a pointer; without the member for None."""
    payload = opened(name)
    *steps, last = pointer.removeprefix("/").split("/")
    holder: Any = payload
    for step in steps:
        holder = holder[int(step)] if isinstance(holder, list) else holder[step]
    if raw is None:
        del holder[last]
    else:
        holder[int(last) if isinstance(holder, list) else last] = MARK
    text = json.dumps(payload)
    return text.replace(f'"{MARK}"', raw or "").encode("ascii")


def refusal(content: bytes, service: str = "") -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        CODEC.decode(Parcel(content, service))
    assert 0 < len(caught.value.text) < 200
    return caught.value


def refused(name: str, pointer: str, raw: str | None) -> tuple[str, str]:
    """Code and field."""
    error = refusal(changed(name, pointer, raw))
    assert error.reference == (None if pointer == "/messageId" else MESSAGE)
    return error.code, error.field


def members(value: object, at: str = "") -> list[str]:
    """A pointer to every member of a payload."""
    if isinstance(value, list):
        return [one for index, item in enumerate(value) for one in members(item, f"{at}/{index}")]
    if not isinstance(value, dict):
        return []
    found = []
    for name, inner in value.items():
        found += [f"{at}/{name}", *members(inner, f"{at}/{name}")]
    return found


WHOLE = (
    *(MEL, RATES, SCALAR, BOA, ANCILLARY, EMERGENCY, RESPONSE, RECEIPT, QUESTION, ANSWER, HEALTH),
    SUBMISSION,
)
EVERY_MEMBER = [(name, pointer) for name in WHOLE for pointer in members(opened(name))]
MAY_BE_ABSENT = {
    *((HEALTH, "/inReplyTo"), (RESPONSE, "/inReplyTo"), (ANSWER, "/inReplyTo")),
    *((SUBMISSION, f"/records/2/{name}") for name in ("elbow2", "rate2", "elbow3", "rate3")),
}
MAY_BE_NULL = [
    (BOA, "/respondBy"),
    (ANCILLARY, "/timeTo"),
    (ANCILLARY, "/targetMw"),
    (ANCILLARY, "/respondBy"),
    (EMERGENCY, "/bmUnit"),
    (EMERGENCY, "/respondBy"),
    (RESPONSE, "/reasonCode"),
    (RESPONSE, "/reasonText"),
    (ANSWER, "/instructions/0/respondBy"),
    (RATES, "/rates/0/fromMw"),
    (RATES, "/rates/1/fromMw"),
    (RATES, "/rates/2/fromMw"),
]
MAY_BE_EMPTY = {(RECEIPT, "/errors"), (ANSWER, "/instructions"), (ANSWER, "/redeclarations")}


@pytest.mark.parametrize(
    ("name", "pointer"), [one for one in EVERY_MEMBER if one not in MAY_BE_ABSENT]
)
def test_a_missing_member_is_malformed_at_its_pointer(name: str, pointer: str) -> None:
    assert refused(name, pointer, None) == ("R001", pointer)


@pytest.mark.parametrize(
    ("name", "pointer"), [one for one in EVERY_MEMBER if one not in MAY_BE_NULL]
)
def test_null_is_malformed_where_it_is_not_allowed(name: str, pointer: str) -> None:
    assert refused(name, pointer, "null") == ("R001", pointer)


@pytest.mark.parametrize(("name", "pointer"), MAY_BE_NULL)
def test_null_is_read_where_it_is_allowed(name: str, pointer: str) -> None:
    envelope = CODEC.decode(Parcel(changed(name, pointer, "null")))
    assert CODEC.decode(CODEC.encode(envelope)) == envelope


@pytest.mark.parametrize("raw", ["[]", "{}", "[1]", '{"a": []}', '["x", null]'])
@pytest.mark.parametrize(("name", "pointer"), EVERY_MEMBER)
def test_no_list_or_object_stands_for_anything_else(name: str, pointer: str, raw: str) -> None:
    if raw == "[]" and (name, pointer) in MAY_BE_EMPTY:
        return
    code, field = refused(name, pointer, raw)
    assert code == "R001"
    assert field.startswith(pointer)


INTEGERS = [
    (MEL, "/levels/0/levelFrom"),
    (RATES, "/rates/1/fromMw"),
    (SCALAR, "/value"),
    (BOA, "/acceptanceNumber"),
    (ANCILLARY, "/instructionNumber"),
    (ANCILLARY, "/targetMw"),
]


@pytest.mark.parametrize("raw", ["true", "false", '"1"', '""', "100.0", "100.5", "1e2", "-0.0"])
@pytest.mark.parametrize(("name", "pointer"), INTEGERS)
def test_only_an_integer_is_an_integer(name: str, pointer: str, raw: str) -> None:
    assert refused(name, pointer, raw) == ("R001", pointer)


@pytest.mark.parametrize("digits", [16, 17, 400, 5000, 1_000_000])
@pytest.mark.parametrize(("name", "pointer"), INTEGERS)
def test_an_integer_of_more_than_fifteen_digits_is_out_of_range(
    name: str, pointer: str, digits: int
) -> None:
    assert refused(name, pointer, "1" * digits) == ("R003", pointer)
    assert refused(name, pointer, "-" + "1" * digits) == ("R003", pointer)


@pytest.mark.parametrize("raw", ["-1", "10000000000"])
@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        (BOA, "/acceptanceNumber"),
        (ANCILLARY, "/instructionNumber"),
        (EMERGENCY, "/instructionNumber"),
        (RESPONSE, "/acceptanceNumber"),
    ],
)
def test_an_instruction_number_has_at_most_ten_digits_and_no_sign(
    name: str, pointer: str, raw: str
) -> None:
    assert refused(name, pointer, raw) == ("R003", pointer)


@pytest.mark.parametrize("raw", ["true", "false", '"7.5"', '""'])
def test_only_a_number_is_a_rate(raw: str) -> None:
    assert refused(RATES, "/rates/0/rate", raw) == ("R001", "/rates/0/rate")


@pytest.mark.parametrize(
    "raw",
    ["1e16", "1e999999999", "1e99999999999999999999", "1e-16", "0.1234567890123456", "9" * 16],
)
def test_a_rate_that_is_not_kept_exactly_is_out_of_range(raw: str) -> None:
    assert refused(RATES, "/rates/0/rate", raw) == ("R003", "/rates/0/rate")


@pytest.mark.parametrize("raw", ["1E-9", "-0.00001", "0.000099999"])
def test_a_rate_too_near_to_nothing_to_be_sent_on_is_out_of_range(raw: str) -> None:
    assert refused(RATES, "/rates/0/rate", raw) == ("R003", "/rates/0/rate")


@pytest.mark.parametrize("raw", ["0", "1", '"true"', '"Y"', "0.0"])
@pytest.mark.parametrize("flag", ["emergencyFlag", "soFlag", "storFlag", "rrFlag"])
def test_only_true_and_false_are_flags(flag: str, raw: str) -> None:
    assert refused(BOA, f"/{flag}", raw) == ("R001", f"/{flag}")


NO_STAMPS = [
    "",
    "now",
    "2026-11-22",
    "2026-11-22T10:00Z",
    "2026-11-22T10:00:00",
    "2026-11-22T10:00:00z",
    "2026-11-22t10:00:00Z",
    "2026-11-22 10:00:00Z",
    "2026-11-22T10:00:00+00:00",
    "2026-11-22T10:00:00.000Z",
    "2026-11-22T10:00:00.0000000Z",
    "2026-11-22T10:00:00,000000Z",
    "20261122T100000Z",
    "2026-W47-7T10:00:00Z",
    " 2026-11-22T10:00:00Z",
    "2026-11-22T10:00:00Z\n",
    "2026-02-29T10:00:00Z",
    "2026-13-01T10:00:00Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22T10:60:00Z",
    "2026-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "\u0662\u0660\u0662\u0666-11-22T10:00:00Z",
    "2026-11-22T10:00:00Z\u0000",
]
STAMPS = [
    (BOA, "/sentAt"),
    (BOA, "/respondBy"),
    (RESPONSE, "/respondedAt"),
    (QUESTION, "/since"),
    (ANSWER, "/instructions/0/sentAt"),
]
TIMES = [
    (MEL, "/levels/0/timeFrom"),
    (MEL, "/levels/0/timeTo"),
    (BOA, "/acceptanceTime"),
    (ANCILLARY, "/timeFrom"),
    (ANCILLARY, "/timeTo"),
]


@pytest.mark.parametrize("text", NO_STAMPS)
@pytest.mark.parametrize(("name", "pointer"), STAMPS + TIMES)
def test_a_time_in_any_other_form_is_malformed(name: str, pointer: str, text: str) -> None:
    assert refused(name, pointer, json.dumps(text)) == ("R001", pointer)


@pytest.mark.parametrize("text", ["2026-11-22T10:00:01Z", "2026-11-22T10:00:00.000001Z"])
@pytest.mark.parametrize(("name", "pointer"), TIMES)
def test_a_market_time_is_a_whole_minute(name: str, pointer: str, text: str) -> None:
    assert refused(name, pointer, json.dumps(text)) == ("R001", pointer)


NO_NAMES = ["", "tbmu-1", "TBMU 1", "TBMU.1", "TB\u0416U1", "TBMU1\n", "TBMU1\u0000", "\ud800TBMU1"]
NAMES = [
    (BOA, "/controlPoint"),
    (BOA, "/bmUnit"),
    (MEL, "/controlPoint"),
    (MEL, "/bmUnit"),
    (EMERGENCY, "/bmUnit"),
    (RESPONSE, "/bmUnit"),
    (QUESTION, "/controlPoint"),
    (ANSWER, "/redeclarations/0/bmUnit"),
]


@pytest.mark.parametrize("text", NO_NAMES)
@pytest.mark.parametrize(("name", "pointer"), NAMES)
def test_a_name_that_does_not_fit_is_malformed(name: str, pointer: str, text: str) -> None:
    assert refused(name, pointer, json.dumps(text)) == ("R001", pointer)


@pytest.mark.parametrize(
    ("pointer", "text"),
    [
        ("/bmUnit", "ABCD"),
        ("/bmUnit", "ABCDEFGHIJ"),
        ("/controlPoint", "ABCDEFG"),
        ("/controlPoint", "-ABC"),
    ],
)
def test_a_name_is_neither_too_short_nor_too_long(pointer: str, text: str) -> None:
    assert refused(MEL, pointer, json.dumps(text)) == ("R001", pointer)


@pytest.mark.parametrize("text", ["", "ffr", "TOOLONG", "A B", "A-B", "\u0391"])
@pytest.mark.parametrize("member", ["service", "action"])
def test_service_and_action_have_one_to_six_letters_and_digits(member: str, text: str) -> None:
    assert refused(ANCILLARY, f"/{member}", json.dumps(text)) == ("R001", f"/{member}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        MESSAGE[:-1],
        MESSAGE + "0",
        MESSAGE.replace("-", ""),
        "{" + MESSAGE + "}",
        MESSAGE.replace("0", "g"),
        MESSAGE + "\n",
    ],
)
@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        (BOA, "/messageId"),
        (RECEIPT, "/messageId"),
        (ANSWER, "/instructions/0/messageId"),
        (ANSWER, "/redeclarations/0/messageId"),
    ],
)
def test_only_a_uuid_is_an_id(name: str, pointer: str, text: str) -> None:
    assert refused(name, pointer, json.dumps(text)) == ("R001", pointer)


@pytest.mark.parametrize("raw", ['""', '"a\\u0000b"', '"\\ud800"', f'"{"x" * 201}"', "1", "true"])
@pytest.mark.parametrize("name", [RECEIPT, RESPONSE, HEALTH, ANSWER])
def test_an_answer_names_its_question_in_one_to_two_hundred_characters(name: str, raw: str) -> None:
    assert refused(name, "/inReplyTo", raw) == ("R001", "/inReplyTo")


@pytest.mark.parametrize("raw", ['"a\\u0000b"', '"\\ud800"', '"\\udfff x"', '"\\udc00\\ud800"'])
@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        (EMERGENCY, "/text"),
        (RESPONSE, "/reasonCode"),
        (RESPONSE, "/reasonText"),
        (RECEIPT, "/errors/0/path"),
        (RECEIPT, "/errors/1/code"),
        (RECEIPT, "/errors/1/text"),
        (ANSWER, "/redeclarations/0/parameter"),
    ],
)
def test_a_text_that_cannot_be_stored_is_malformed(name: str, pointer: str, raw: str) -> None:
    assert refused(name, pointer, raw) == ("R001", pointer)


def test_an_empty_emergency_text_says_nothing_and_is_malformed() -> None:
    assert refused(EMERGENCY, "/text", '""') == ("R001", "/text")


@pytest.mark.parametrize(
    ("name", "pointer"), [(HEALTH, "/status"), (RECEIPT, "/status"), (RESPONSE, "/verdict")]
)
@pytest.mark.parametrize("word", ["", "ok", "MAYBE", "ACCEPTED ", "\u0000"])
def test_an_unknown_word_is_malformed(name: str, pointer: str, word: str) -> None:
    assert refused(name, pointer, json.dumps(word)) == ("R001", pointer)


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        (BOA, "/type"),
        (BOA, "/kind"),
        (RESPONSE, "/kind"),
        (MEL, "/parameter"),
        (ANSWER, "/instructions/0/type"),
        (ANSWER, "/instructions/0/kind"),
        (SUBMISSION, "/records/0/type"),
        (SUBMISSION, "/records/3/type"),
    ],
)
@pytest.mark.parametrize("word", ["", "boa", "BOAR", "submissions", "PNX", "\ud800", "\u0000"])
def test_an_unknown_type_kind_or_parameter_is_an_unknown_type(
    name: str, pointer: str, word: str
) -> None:
    code, field = refused(name, pointer, json.dumps(word))
    assert field == pointer
    assert code == ("R001" if word in ("\ud800", "\u0000") else "R005")


@pytest.mark.parametrize("pointer", ["/profile", "/instructions/0/profile"])
@pytest.mark.parametrize("word", ["", "host-2", "HOST-1", "host-1 "])
def test_an_unknown_profile_is_refused_as_one(pointer: str, word: str) -> None:
    assert refused(ANSWER, pointer, json.dumps(word)) == ("R006", pointer)


@pytest.mark.parametrize(
    ("name", "pointer"), [(MEL, "/levels"), (BOA, "/levels"), (RATES, "/rates")]
)
def test_an_empty_series_is_malformed(name: str, pointer: str) -> None:
    assert refused(name, pointer, "[]") == ("R001", pointer)


def test_a_fourth_rate_is_out_of_range() -> None:
    rates = json.dumps([{"rate": 1, "fromMw": None}] * 4)
    assert refused(RATES, "/rates", rates) == ("R003", "/rates")


@pytest.mark.parametrize("name", [MEL, RECEIPT, QUESTION, HEALTH, RESPONSE])
def test_only_instructions_stand_in_a_normalization_answer(name: str) -> None:
    code, field = refused(ANSWER, "/instructions/0", golden(name).decode("ascii"))
    assert (code, field) == ("R005", "/instructions/0/type")


def test_a_fault_deep_in_a_normalization_answer_is_pointed_at() -> None:
    pointer = "/instructions/0/levels/1/levelTo"
    assert refused(ANSWER, pointer, "1.0") == ("R001", pointer)


CARRIED = {
    "Health": [HEALTH, "a_health_question", RECEIPT],
    "Normalization": [QUESTION, ANSWER, RECEIPT],
    "Instruction": [BOA, ANCILLARY, EMERGENCY, RESPONSE, RECEIPT],
    "Redeclaration": [MEL, RATES, SCALAR, RECEIPT],
    "Submission": [SUBMISSION, RECEIPT],
}


@pytest.mark.parametrize("service", CARRIED)
@pytest.mark.parametrize("name", [*WHOLE, "a_health_question"])
def test_a_service_carries_its_own_types_only(service: str, name: str) -> None:
    if name in CARRIED[service]:
        CODEC.decode(Parcel(golden(name), service))
        return
    error = refusal(golden(name), service)
    assert (error.code, error.field, error.reference) == ("R005", "/type", MESSAGE)


def test_an_unknown_service_carries_nothing() -> None:
    assert refusal(golden(MEL), "Dispatch").code == "R005"


def test_a_payload_longer_than_its_service_allows_is_malformed() -> None:
    content = golden(MEL) + b" " * (1 << 20)
    assert refusal(content, "Redeclaration").code == "R001"
    assert CODEC.decode(Parcel(content)).stamp.reference == MESSAGE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b"null",
        b"1",
        b'"x"',
        b"[]",
        b"{}x",
        b"{}{}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":0x1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":"\n"}',
        b'{"a":"\x00"}',
        b'{"a":"\\x"}',
        b'{"a":"\\u12"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'// x\n{"a":1}',
        b"{}",
    ],
)
def test_what_is_no_json_object_of_ours_is_malformed_without_a_reference(content: bytes) -> None:
    error = refusal(content)
    assert (error.code, error.reference) == ("R001", None)


@pytest.mark.parametrize(
    "twice",
    [
        (b'"profile"', b'"profile":"host-1","profile"'),
        (b'"levelTo":', b'"levelTo":100,"levelTo":'),
        (b'"levelTo":', b'"level\\u0054o":100,"levelTo":'),
        (b'"type"', b'"x":{"y":[{"":1,"":1}]},"type"'),
    ],
)
def test_a_member_named_twice_is_malformed_wherever_it_stands(twice: tuple[bytes, bytes]) -> None:
    error = refusal(golden(MEL).replace(*twice))
    assert (error.code, error.field) == ("R001", "")
    assert "twice" in error.text


@pytest.mark.parametrize(("opener", "closer"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"]":', b"}]")])
@pytest.mark.parametrize("depth", [33, 1000, 100_000])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting_is_malformed(opener: bytes, closer: bytes, depth: int, closed: bool) -> None:
    nest = opener * depth + b"1" + closer * depth * closed
    error = refusal(golden(MEL).replace(b'{"type"', b'{"x":' + nest + b',"type"'))
    assert error.code == "R001"
    if closed:
        assert error.text == "nested too deeply"


def test_many_brackets_that_are_not_deep_are_read() -> None:
    wide = b"[" + b'["[[[{\\"\\\\"],' * 1000 + b"1]"
    content = golden(MEL).replace(b'{"type"', b'{"x":' + wide + b',"type"')
    assert CODEC.decode(Parcel(content)).stamp.reference == MESSAGE
