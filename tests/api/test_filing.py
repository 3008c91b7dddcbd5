"""A trading agent's submission through the API: the same numbers, rules and way to the operator as
one that came by file, and no reply files.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from messaging.domain.clock import next_operational_day_start
from messaging.models import AgentSequence, Delivery, Due, Message
from messaging.protocols.base import Parcel
from messaging.relay import verdicts
from messaging.relay.claim import Claimed
from messaging.relay.codecs import operator_codec
from messaging.relay.load import load_locked
from messaging.states import Lane
from tenants import endpoints
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.endpoints import Draft
from tenants.models import Endpoint
from tenants.scope import in_tenant, tenant_scope
from tests.api.conftest import Ask
from tests.api.test_description import answered, fits
from tests.api.test_submission import PLACE, UNIT, claim, send, stored
from tests.minutes import minute
from tests.people import Person
from tests.relay.filing.trading import first_time, forget_what_waits, notification, scalar

AGENT = "ALITA"


@pytest.fixture(scope="module")
def files(alice: Person) -> Endpoint:
    with tenant_scope(alice.tenant_id):
        return endpoints.add(Draft("files", "edt", "sftp", "simulator"))


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person, files: Endpoint) -> None:
    forget_what_waits(alice)


def stamp(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def ndz(value: Any = 5, unit: str = UNIT) -> dict[str, Any]:
    effective = stamp(next_operational_day_start(minute()))
    told = {"type": "ScalarRecord", "parameter": "NDZ", "bm_unit": unit}
    return {**told, "effective_time": effective, "value": value}


def pn(level: int = 10) -> dict[str, Any]:
    start = first_time()
    return {
        "type": "LevelRecord",
        "parameter": "PN",
        "bm_unit": UNIT,
        "time_from": stamp(start),
        "level_from": level,
        "time_to": stamp(start + timedelta(minutes=30)),
        "level_to": level,
    }


def submission(*records: dict[str, Any], **changes: Any) -> dict[str, Any]:
    told = {"type": "Submission", "trading_agent": AGENT, "sequence": None}
    return {**told, "records": list(records), **changes}


def csv(asker: Any, lines: list[str], query: str = "") -> Any:
    content = "".join(f"{line}\r\n" for line in lines).encode()
    return send(asker, content, query, content_type="text/csv")


def expected(person: Person) -> int:
    with tenant_scope(person.tenant_id):
        row = AgentSequence.objects.filter(agent=AGENT).first()
    return row.expected if row else 1


def payload_of(person: Person, row: Message) -> bytes:
    with tenant_scope(person.tenant_id):
        delivery = Delivery.objects.get(message=row, lane=Lane.OPERATOR)
    assert isinstance(claim(person, delivery.id), Claimed)
    with tenant_scope(person.tenant_id):
        delivery.refresh_from_db()
        assert delivery.payload_digest is not None
        assert delivery.payload_at is not None
        return bodies.read(bytes(delivery.payload_digest), delivery.payload_at)


def test_records_are_numbered_stored_and_go_out_as_they_were_meant(
    alice: Person, asking: Ask
) -> None:
    sequence = expected(alice)
    answer = send(asking(alice), submission(pn(), ndz()))
    row = stored(alice, answer)
    assert answer.json()["sequence"] == sequence
    fits(answer.json(), answered("messages", "202", "POST"))
    assert (row.origin, row.kind, row.reference) == ("API", "SUBMISSION", f"ALITA_{sequence:06d}")
    (sent,) = operator_codec({}).decode(Parcel(payload_of(alice, row), "Submission")).messages
    told = asking(alice).get(answer["Location"]).json()["content"]
    assert told == submission(pn(), ndz(), sequence=sequence)
    assert len(getattr(sent, "records", ())) == 2
    assert getattr(sent, "sequence", 0) == sequence
    assert expected(alice) == sequence + 1


def test_csv_has_the_columns_of_a_file(alice: Person, asking: Ask) -> None:
    sequence = expected(alice)
    lines = ["# from a spreadsheet", *notification(AGENT, 0, 10, 20), scalar(AGENT)]
    answer = csv(asking(alice), lines, f"?sequence={sequence}")
    row = stored(alice, answer)
    assert answer.json()["sequence"] == sequence
    with tenant_scope(alice.tenant_id):
        kept = bodies.read(bytes(row.body_digest), row.received_at)
    assert kept.decode().splitlines() == lines
    payload = json.loads(payload_of(alice, row))
    assert [one["type"] for one in payload["records"]] == ["PN", "PN", "NDZ"]


def test_the_errors_of_csv_stand_at_their_lines_and_use_no_number(
    alice: Person, asking: Ask
) -> None:
    sequence = expected(alice)
    lines = [
        "* a comment",
        scalar(AGENT),
        "XYZ,1",
        scalar(AGENT, -1),
        scalar(AGENT, 5, "BOBCP1-1"),
    ]
    answer = csv(asking(alice), lines)
    assert answer.status_code == 422
    told = [(one["line"], one["code"], one["rule"]) for one in answer.json()["errors"]]
    assert told == [
        (3, "E005", "record-type"),
        (4, "E003", "scalar-range"),
        (5, "E002", "unit-yours"),
    ]
    assert expected(alice) == sequence
    with tenant_scope(alice.tenant_id):
        entry = Entry.objects.order_by("-seq")[0]
    assert json.loads(bytes(entry.record))["event"] == "refused"


@pytest.mark.parametrize(
    ("record", "changes", "rule", "pointer"),
    [
        ({"value": 1000}, {}, "scalar-range", "/records/0/value"),
        ({"bm_unit": "BOBCP1-1"}, {}, "unit-yours", "/records/0/bm_unit"),
        ({"bm_unit": "NOSUCH-1"}, {}, "unit-yours", "/records/0/bm_unit"),
        ({"value": "5"}, {}, "json-shape", "/records/0/value"),
        ({"type": "Segment"}, {}, "record-type", "/records/0/type"),
        ({}, {"trading_agent": "BOBTA"}, "unit-yours", "/trading_agent"),
        ({}, {"trading_agent": "x\x00"}, "json-shape", "/trading_agent"),
        ({}, {"sequence": "1"}, "json-shape", "/sequence"),
        ({}, {"records": []}, "json-shape", "/records"),
    ],
    ids=str,
)
def test_records_that_break_a_rule_are_refused_by_their_place(
    alice: Person,
    asking: Ask,
    record: dict[str, Any],
    changes: dict[str, Any],
    rule: str,
    pointer: str,
) -> None:
    sequence = expected(alice)
    answer = send(asking(alice), submission({**ndz(), **record}, **changes))
    assert (answer.status_code, answer.json()["code"]) == (422, "message-refused")
    first = answer.json()["errors"][0]
    assert (first["rule"], first["pointer"]) == (rule, pointer)
    assert expected(alice) == sequence


def test_a_number_out_of_turn_is_refused_and_the_same_again_is_a_repeat(
    alice: Person, asking: Ask
) -> None:
    sequence = expected(alice)
    late = send(asking(alice), submission(ndz(), sequence=sequence + 5))
    assert late.status_code == 422
    (found,) = late.json()["errors"]
    assert (found["code"], found["text"]) == ("R011", f"expected {sequence:06d}")
    first, again = (
        send(asking(alice), submission(ndz(), sequence=sequence)).json() for _ in range(2)
    )
    assert again["id"] == first["id"]
    other = send(asking(alice), submission(ndz(6), sequence=sequence))
    assert (other.status_code, other.json()["errors"][0]["code"]) == (422, "R010")
    with tenant_scope(alice.tenant_id):
        assert Delivery.objects.filter(message_id=first["id"]).count() == 1


@pytest.mark.parametrize("as_csv", [False, True])
def test_validating_uses_no_number_and_leaves_nothing(
    alice: Person, asking: Ask, as_csv: bool
) -> None:
    with tenant_scope(alice.tenant_id):
        before = Message.objects.count(), Entry.objects.count()
    sequence = expected(alice)
    for value, status in ((5, 200), (1000, 422)):
        if as_csv:
            answer = csv(asking(alice), [scalar(AGENT, value)], "?validate_only=true")
        else:
            answer = send(asking(alice), submission(ndz(value)), "?validate_only=true")
        assert answer.status_code == status
    with tenant_scope(alice.tenant_id):
        assert (Message.objects.count(), Entry.objects.count()) == before
    assert expected(alice) == sequence


def test_no_reply_file_is_made_whatever_the_operator_says(alice: Person, asking: Ask) -> None:
    row = stored(alice, send(asking(alice), submission(ndz())))

    def refuse() -> verdicts.Made:
        delivery = load_locked(Delivery.objects.get(message=row).id)
        assert delivery is not None
        return verdicts.refuse(delivery, now(), "R003 no")

    assert in_tenant(alice.tenant_id, refuse) == ()
    told = asking(alice).get(f"{PLACE}/{row.id}").json()
    assert told["answered_by"] == []
    assert told["deliveries"][0]["outcome_text"] == "R003 no"
    letter = asking(alice).get("/api/v1/dead-letters", {"kind": "SUBMISSION"}).json()["results"][0]
    answer = asking(alice).post(f"/api/v1/deliveries/{letter['id']}/replay", {}, format="json")
    assert answer.status_code == 202
    assert Due.objects.filter(delivery_id=letter["id"]).exists()


def test_where_there_is_none_nothing_can_be_filed(
    bob: Person, asking: Ask, files: Endpoint
) -> None:
    """Alice's is none of bob's."""
    for query in ("", f"?endpoint_id={files.id}"):
        answer = send(asking(bob), submission(ndz(), trading_agent="BOBTA"), query)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "/endpoint_id")


def test_of_several_points_one_is_named(alice: Person, asking: Ask) -> None:
    """The last of all: from here on she has two."""
    with tenant_scope(alice.tenant_id):
        second = endpoints.add(Draft("more files", "edt", "sftp", "simulator"))
    answer = send(asking(alice), submission(ndz()), "?validate_only=true")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "/endpoint_id")
    query = f"?validate_only=true&endpoint_id={second.id}"
    assert send(asking(alice), submission(ndz()), query).status_code == 200
