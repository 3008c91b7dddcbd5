"""Messages that are submitted through the API: examined as a control point's are, stored with their
bytes, and sent the same way.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.domain.redeclarations import ScalarParameter, ScalarRedeclaration
from messaging.models import Delivery, Due, Message
from messaging.protocols.base import Parcel
from messaging.protocols.rest.writing import as_json
from messaging.relay import verdicts
from messaging.relay.claim import Claimed, NotClaimed
from messaging.relay.codecs import operator_codec
from messaging.relay.deliver import take_in_hand
from messaging.relay.load import load_locked
from messaging.states import DeliveryState, Lane
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.ids import digest_of
from tenants.models import Endpoint, Tenant
from tenants.scope import in_tenant, tenant_scope
from tests.api.conftest import Ask
from tests.minutes import minute
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_control_point import mel as redeclared_mel
from tests.roles import as_role
from tests.servers import TestServers

POINT, UNIT, OTHER = "ALICP1", "ALICP1-1", "ALICP1-2"
PLACE = "/api/v1/messages"
_keys = itertools.count(1)


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


@pytest.fixture
def link(alice: Person) -> OpenLink:
    return open_link(alice, POINT)


def mel(unit: str = UNIT, level: Any = 100, **changes: Any) -> dict[str, Any]:
    start = minute()
    segment = {
        "type": "Segment",
        "time_from": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "level_from": level,
        "time_to": f"{start + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}",
        "level_to": level,
    }
    told = {"type": "LevelRedeclaration", "control_point": POINT, "bm_unit": unit}
    return {**told, "parameter": "MEL", "levels": [segment], **changes}


def ndz(value: int, unit: str = UNIT) -> dict[str, Any]:
    told = {"type": "ScalarRedeclaration", "control_point": POINT, "bm_unit": unit}
    return {**told, "parameter": "NDZ", "value": value}


def send(asker: Any, body: Any, query: str = "", *, place: str = PLACE, **more: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Idempotency-Key": f'"key {next(_keys)}"'}
    kind = more.pop("content_type", "application/json")
    return asker.generic("POST", place + query, content, content_type=kind, headers=headers)


def stored(person: Person, answer: Any) -> Message:
    assert answer.status_code == 202, answer.content
    with tenant_scope(person.tenant_id):
        found: Message = Message.objects.get(id=answer.json()["id"])
    return found


def claim(person: Person, delivery_id: UUID) -> object:
    return in_tenant(person.tenant_id, lambda: take_in_hand(delivery_id, 1))


def events(person: Person, message_id: UUID) -> list[str]:
    with tenant_scope(person.tenant_id):
        rows = Entry.objects.filter(message_id=message_id).order_by("seq")
        return [row.event for row in rows]


def test_a_message_is_stored_as_it_came_and_waits_to_be_sent(alice: Person, asking: Ask) -> None:
    content = json.dumps(mel(), indent=1).encode()
    answer = send(asking(alice), content)
    row = stored(alice, answer)
    assert answer["Location"].endswith(f"{PLACE}/{row.id}")
    assert (row.origin, row.kind, row.bm_unit) == ("API", "MEL", UNIT)
    assert row.reference.startswith("key ")
    with tenant_scope(alice.tenant_id):
        assert bodies.read(bytes(row.body_digest), row.received_at) == content
        (delivery,) = Delivery.objects.filter(message=row)
        assert (delivery.state, delivery.lane, delivery.queue) == ("PENDING", Lane.OPERATOR, UNIT)
        assert Due.objects.filter(delivery_id=delivery.id).exists()
    assert events(alice, row.id) == ["received", "decoded", "stored"]


def test_the_audit_log_says_who_sent_it(alice: Person, asking: Ask) -> None:
    row = stored(alice, send(asking(alice), mel()))
    with tenant_scope(alice.tenant_id):
        entry = Entry.objects.filter(message_id=row.id).order_by("seq")[0]
    record = json.loads(bytes(entry.record))
    assert record["digest"] == bytes(row.body_digest).hex()
    assert (record["detail"]["way"], record["detail"]["by"]) == ("API", "alice the owner")


def test_its_timeline_shows_it_as_it_was_submitted(alice: Person, asking: Ask) -> None:
    body = mel()
    answer = send(asking(alice), body)
    told = asking(alice).get(answer["Location"]).json()
    assert told["content"] == body
    assert told["deliveries"][0]["state"] == "PENDING"


RATES = {
    "type": "RateRedeclaration",
    "control_point": POINT,
    "bm_unit": UNIT,
    "parameter": "RURE",
    "rates": [
        {"type": "RateStep", "rate": "12.5", "from_mw": None},
        {"type": "RateStep", "rate": "3", "from_mw": 40},
    ],
}


@pytest.mark.parametrize("kind", ["levels", "scalar", "rates"])
def test_each_kind_goes_out_to_the_operator_as_it_was_meant(
    alice: Person, asking: Ask, kind: str
) -> None:
    body = {"levels": mel(), "scalar": ndz(5), "rates": RATES}[kind]
    row = stored(alice, send(asking(alice), body))
    with tenant_scope(alice.tenant_id):
        delivery_id = Delivery.objects.get(message=row).id
    claimed = claim(alice, delivery_id)
    assert isinstance(claimed, Claimed)
    with tenant_scope(alice.tenant_id):
        delivery = Delivery.objects.get(id=delivery_id)
        assert delivery.payload_digest is not None
        assert delivery.payload_at is not None
        payload = bodies.read(bytes(delivery.payload_digest), delivery.payload_at)
    (sent,) = operator_codec({}).decode(Parcel(payload, "Redeclaration")).messages
    assert as_json(sent) == body


def test_it_goes_in_order_with_what_the_control_point_says(
    alice: Person, asking: Ask, link: OpenLink
) -> None:
    first = stored(alice, send(asking(alice), ndz(1)))
    (second,) = link.say(ScalarRedeclaration(POINT, UNIT, ScalarParameter.NDZ, 2)).deliveries
    third = stored(alice, send(asking(alice), ndz(3)))
    with tenant_scope(alice.tenant_id):
        of = {row.message_id: row.id for row in Delivery.objects.filter(queue=UNIT)}
    assert isinstance(claim(alice, second.id), NotClaimed)
    assert isinstance(claim(alice, of[third.id]), NotClaimed)
    assert isinstance(claim(alice, of[first.id]), Claimed)


def test_the_control_point_is_told_nothing_of_what_it_did_not_say(
    alice: Person, asking: Ask, link: OpenLink
) -> None:
    row = stored(alice, send(asking(alice), ndz(1)))
    with tenant_scope(alice.tenant_id):
        delivery_id = Delivery.objects.get(message=row).id
        loaded = load_locked(delivery_id)
        assert loaded is not None
        assert verdicts.refuse(loaded, now(), "R003 too much") == ()
        assert not Message.objects.filter(answers=row).exists()
    told = asking(alice).get(f"{PLACE}/{row.id}").json()["deliveries"][0]
    assert (told["outcome_code"], told["outcome_text"]) == ("R030", "R003 too much")
    assert link.give().outgoing == ()


@pytest.mark.parametrize(
    ("changes", "rule", "code", "pointer"),
    [
        ({"unit": "NOSUCH-1"}, "unit-yours", "R002", "/bm_unit"),
        ({"unit": "x' OR 1"}, "unit-yours", "R002", "/bm_unit"),
        ({"control_point": "ALICP2"}, "unit-yours", "R002", "/control_point"),
        ({"level": 10_000}, "level-range", "R003", "/levels/0/level_from"),
        ({"level": -1}, "level-sign", "R003", "/levels/0/level_from"),
        ({"level": 1.5}, "json-shape", "R001", "/levels/0/level_from"),
        ({"colour": "red"}, "json-shape", "R001", "/colour"),
        ({"type": "FreeText"}, "record-type", "R005", "/type"),
    ],
    ids=str,
)
def test_what_breaks_a_rule_is_refused_with_the_finding_and_leaves_an_entry(
    alice: Person, asking: Ask, changes: dict[str, Any], rule: str, code: str, pointer: str
) -> None:
    content = json.dumps(mel(**changes)).encode()
    with tenant_scope(alice.tenant_id):
        before = Message.objects.count()
    answer = send(asking(alice), content)
    assert answer.status_code == 422
    told = answer.json()
    assert (told["code"], answer["Content-Type"]) == ("message-refused", "application/problem+json")
    first = told["errors"][0]
    assert (first["rule"], first["code"], first["pointer"]) == (rule, code, pointer)
    assert first["text"]
    with tenant_scope(alice.tenant_id):
        assert Message.objects.count() == before
        entry = Entry.objects.order_by("-seq")[0]
    record = json.loads(bytes(entry.record))
    assert (record["event"], record["digest"]) == ("refused", digest_of(content).hex())
    assert (record["detail"]["rule"], record["detail"]["by"]) == (rule, "alice the owner")


def test_a_finding_reads_as_it_does_in_a_nack(alice: Person, asking: Ask, link: OpenLink) -> None:
    nack = link.say(redeclared_mel(UNIT, 10_000)).text
    told = send(asking(alice), mel(level=10_000)).json()["errors"][0]
    assert nack == f"{told['pointer'][1:]} {told['value']}: {told['text']}"


def test_anothers_unit_is_refused_exactly_as_one_that_does_not_exist(
    alice: Person, bob: Person, asking: Ask
) -> None:
    his, none = (send(asking(alice), mel(unit=unit)) for unit in ("BOBCP1-1", "NONCP1-1"))
    assert his.content == none.content.replace(b"NONCP1-1", b"BOBCP1-1")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"type":1,"type":2}', b"NaN"], ids=repr)
def test_what_is_not_json_is_a_bad_request(alice: Person, asking: Ask, content: bytes) -> None:
    answer = send(asking(alice), content)
    assert (answer.status_code, answer.json()["code"]) == (400, "parse-error")


def test_another_type_of_body_is_refused(alice: Person, asking: Ask) -> None:
    answer = send(asking(alice), b"<a/>", content_type="application/xml")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_validating_says_what_would_be_said_and_takes_nothing(alice: Person, asking: Ask) -> None:
    with tenant_scope(alice.tenant_id):
        before = Message.objects.count(), Entry.objects.count()
    client = asking(alice)
    place = f"{PLACE}?validate_only=true"
    good = client.generic("POST", place, json.dumps(mel()), content_type="application/json")
    bad = client.generic("POST", place, json.dumps(ndz(-1)), content_type="application/json")
    assert (good.status_code, good.json()) == (200, {"id": None, "warnings": []})
    assert (bad.status_code, bad.json()["errors"][0]["rule"]) == (422, "scalar-range")
    with tenant_scope(alice.tenant_id):
        assert (Message.objects.count(), Entry.objects.count()) == before


@pytest.mark.parametrize("word", ["true", "True", "yes", "on", "1", "t"])
def test_whatever_is_read_as_a_yes_to_validating_needs_no_key(
    alice: Person, asking: Ask, word: str
) -> None:
    answer = asking(alice).post(f"{PLACE}?validate_only={word}", mel(), format="json")
    assert (answer.status_code, answer.json()) == (200, {"id": None, "warnings": []})


def test_a_message_takes_an_idempotency_key(alice: Person, asking: Ask) -> None:
    answer = asking(alice).post(PLACE, mel(), format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-missing")


@pytest.fixture
def lenient(alice: Person, servers: TestServers, database: str) -> Iterator[None]:
    """Alice's control point has one rule made a warning."""
    with as_role("staff", servers, database), tenant_scope(alice.tenant_id):
        rows = Endpoint.objects.filter(name=POINT)
        rows.update(settings={"warn_only": ["level-sign"]})
    yield
    with as_role("staff", servers, database), tenant_scope(alice.tenant_id):
        rows.update(settings={})


def test_a_rule_made_a_warning_is_told_and_refuses_nothing(
    alice: Person, asking: Ask, lenient: None
) -> None:
    answer = send(asking(alice), mel(level=-1))
    assert answer.status_code == 202
    assert {found["rule"] for found in answer.json()["warnings"]} == {"level-sign"}


def test_nothing_is_taken_from_a_suspended_tenant(
    mallory: Person, asking: Ask, servers: TestServers, database: str
) -> None:
    def set_state(state: Tenant.State) -> None:
        with as_role("staff", servers, database), tenant_scope(mallory.tenant_id):
            Tenant.objects.update(state=state)

    body = {**ndz(1, "MALCP1-1"), "control_point": "MALCP1"}
    set_state(Tenant.State.SUSPENDED)
    answer = send(asking(mallory), body)
    set_state(Tenant.State.ACTIVE)
    assert (answer.status_code, answer.json()["code"]) == (403, "suspended")


def bulk(asker: Any, body: Any, query: str = "", **more: Any) -> Any:
    return send(asker, body, query, place=f"{PLACE}/bulk", **more)


@pytest.mark.parametrize("as_lines", [False, True])
def test_of_many_each_has_its_own_outcome_and_those_taken_go_in_order(
    alice: Person, asking: Ask, as_lines: bool
) -> None:
    bodies_ = [ndz(1), ndz(-1), ndz(2), {"type": "x"}, ndz(3, OTHER)]
    if as_lines:
        lines = b"\r\n".join(json.dumps(one).encode() for one in bodies_)
        answer = bulk(asking(alice), lines, content_type="application/x-ndjson")
    else:
        answer = bulk(asking(alice), bodies_)
    assert answer.status_code == 202, answer.content
    told = answer.json()
    assert (told["taken"], told["refused"]) == (3, 2)
    assert [one["index"] for one in told["results"]] == [0, 1, 2, 3, 4]
    states = [one["status"] for one in told["results"]]
    assert states == ["TAKEN", "REFUSED", "TAKEN", "REFUSED", "TAKEN"]
    assert [one["id"] is None for one in told["results"]] == [False, True, False, True, False]
    ids = [one["id"] for one in told["results"] if one["id"]]
    with tenant_scope(alice.tenant_id):
        rows = Delivery.objects.filter(message_id__in=ids).order_by("position")
        assert [str(row.message_id) for row in rows] == ids
    assert told["results"][1]["findings"][0]["rule"] == "scalar-range"


def test_all_or_nothing_takes_none_where_one_is_refused(alice: Person, asking: Ask) -> None:
    with tenant_scope(alice.tenant_id):
        before = Message.objects.count()
    answer = bulk(asking(alice), [ndz(1), ndz(-1)], "?all_or_nothing=true")
    assert (answer.status_code, answer.json()["code"]) == (422, "message-refused")
    assert answer.json()["errors"][0]["index"] == 1
    with tenant_scope(alice.tenant_id):
        assert Message.objects.count() == before
        assert Entry.objects.order_by("-seq")[0].event == "refused"
    answer = bulk(asking(alice), [ndz(1), ndz(2)], "?all_or_nothing=true")
    assert (answer.status_code, answer.json()["taken"]) == (202, 2)


def test_many_can_be_validated(alice: Person, asking: Ask) -> None:
    with tenant_scope(alice.tenant_id):
        before = Message.objects.count(), Entry.objects.count()
    answer = bulk(asking(alice), [ndz(1), ndz(-1)], "?validate_only=true")
    assert answer.status_code == 200
    assert [one["status"] for one in answer.json()["results"]] == ["VALID", "REFUSED"]
    with tenant_scope(alice.tenant_id):
        assert (Message.objects.count(), Entry.objects.count()) == before


@pytest.mark.parametrize("body", [[], [ndz(1)] * 501], ids=["none", "too many"])
def test_how_many_there_may_be_is_bounded(alice: Person, asking: Ask, body: list[Any]) -> None:
    answer = bulk(asking(alice), body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"{}", "application/json"), (b"{}\nnope", "application/x-ndjson")],
    ids=["no array", "a bad line"],
)
def test_what_is_no_list_of_json_is_refused_whole(
    alice: Person, asking: Ask, content: bytes, kind: str
) -> None:
    answer = bulk(asking(alice), content, content_type=kind)
    assert (answer.status_code, answer.json()["code"]) == (400, "parse-error")
