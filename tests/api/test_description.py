"""The description of the API: it is what the code does, its copy in docs/ is up to date, and
answers are as it says.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from drf_spectacular.drainage import reset_generator_stats
from openapi_spec_validator import validate

from hostsvc import examples, openapi
from messaging.api.content import as_json, schemas
from messaging.domain.messages import BmMessage
from messaging.protocols.registry import PROTOCOLS
from tests.api.addresses import OPERATIONS, PREFIX, READ, address, named, parameters
from tests.api.carried import Carried
from tests.api.clients import client
from tests.api.conftest import Ask
from tests.people import Person

DESCRIBED: dict[str, Any] = json.loads(json.dumps(openapi.description()))


def operation(route: str, method: str = "GET") -> dict[str, Any]:
    path = PREFIX + re.sub(r"<\w+:(\w+)>", r"{\1}", route)
    found: dict[str, Any] = DESCRIBED["paths"][path][method.lower()]
    return found


def fits(value: Any, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": {"schemas": dict(reached(schema, set()))}}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(whole, format_checker=checker).validate(value)


def reached(part: Any, seen: set[str]) -> Iterator[tuple[str, Any]]:
    """The components that a schema refers to, and no others: a validator reads all it is given."""
    for one in part.values() if isinstance(part, dict) else part:
        if isinstance(one, dict | list):
            yield from reached(one, seen)
    name = part.get("$ref", "").rpartition("/")[2] if isinstance(part, dict) else ""
    if name and name not in seen:
        seen.add(name)
        yield name, DESCRIBED["components"]["schemas"][name]
        yield from reached(DESCRIBED["components"]["schemas"][name], seen)


def response(route: str, status: str, method: str) -> dict[str, Any]:
    told: dict[str, Any] = operation(route, method)["responses"][status]
    if "$ref" in told:
        return dict(DESCRIBED["components"]["responses"][told["$ref"].rpartition("/")[2]])
    return told


def answered(route: str, status: str, method: str = "GET") -> dict[str, Any]:
    told = response(route, status, method)["content"]
    content = told.get("application/json") or next(iter(told.values()))
    schema: dict[str, Any] = content["schema"]
    return schema


def test_the_copy_in_docs_is_the_description() -> None:
    assert openapi.difference() is None, openapi.HOW_TO_WRITE


def test_it_is_valid_openapi_3_1() -> None:
    assert DESCRIBED["openapi"].startswith("3.1")
    validate(DESCRIBED)


def test_it_describes_every_address_and_method_and_no_other() -> None:
    described = sum(len(methods) for methods in DESCRIBED["paths"].values())
    assert described == len(OPERATIONS)
    names = [operation(route, method)["operationId"] for route, method in OPERATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("route", READ)
def test_answers_are_as_described(
    alice: Person, of_alice: Carried, asking: Ask, route: str
) -> None:
    places = [address(route, alice)]
    if parameters(route) == ["message_id"]:
        places = [named(route, message_id=message_id) for message_id in of_alice.messages]
    for place in places:
        told = asking(alice).get(place)
        assert told.status_code == 200
        fits(told.json(), answered(route, "200"))


@pytest.mark.parametrize(("route", "method"), OPERATIONS)
def test_refusals_are_as_described(
    alice: Person, of_alice: Carried, route: str, method: str
) -> None:
    told = client().generic(method, address(route, alice))
    fits(told.json(), answered(route, "401", method))


@pytest.mark.parametrize(("route", "method"), OPERATIONS)
def test_a_key_in_either_header_or_a_certificate_will_do(route: str, method: str) -> None:
    ways: list[dict[str, Any]] = [{"bearer": []}, {"apiKey": []}, {"certificate": []}]
    assert operation(route, method)["security"] == ways


def test_every_typed_message_is_described() -> None:
    assert {kind.__name__ for kind in get_args(BmMessage)} <= schemas().keys()


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda protocol: protocol.name)
def test_every_example_of_a_protocol_is_written_as_described(protocol: Any) -> None:
    written = [
        as_json(message)
        for envelope in protocol.examples("host-1")
        for message in envelope.messages
    ]
    assert written
    for value in written:
        fits(value, {"$ref": f"#/components/schemas/{value['type']}"})


def test_no_member_of_a_message_is_called_type_and_so_hides_which_it_is() -> None:
    for kind in get_args(BmMessage):
        assert "type" not in {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("accept", ["application/json", "application/yaml", "*/*"])
def test_the_description_is_served_without_a_key(database: str, accept: str) -> None:
    told = client().get("/api/v1/openapi", headers={"Accept": accept})
    assert told.status_code == 200
    assert yaml.load(told.content, yaml.CSafeLoader) == DESCRIBED


def test_the_page_about_it_takes_every_file_from_this_host(database: str) -> None:
    page = client().get("/api/v1/docs", headers={"Accept": "text/html"})
    assert page.status_code == 200
    files = re.findall(r'(?:src|href)="([^"]+)"', page.content.decode())
    assert any(file.endswith(".js") for file in files)
    for file in files:
        assert file.startswith("/static/")
        answer = client().get(file)
        assert answer.status_code == 200
        assert b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def contents(route: str, method: str) -> Iterator[tuple[str, dict[str, Any]]]:
    told = operation(route, method)
    yield from told.get("requestBody", {}).get("content", {}).items()
    for status, one in told["responses"].items():
        if status < "300":
            yield from one.get("content", {}).items()


@pytest.mark.parametrize(("route", "method"), OPERATIONS)
def test_every_call_has_examples_and_they_are_as_described(route: str, method: str) -> None:
    for media_type, content in contents(route, method):
        several = [one["value"] for one in content.get("examples", {}).values()]
        shown = several or [content["example"]]
        for value in shown if media_type == examples.JSON else ():
            fits(value, content["schema"])


def test_negative_control_an_example_that_is_not_as_described_is_found() -> None:
    with pytest.raises(jsonschema.ValidationError):
        fits({"label": 1}, {"$ref": "#/components/schemas/NewKey"})


@pytest.mark.parametrize(("route", "method"), OPERATIONS)
def test_every_answer_tells_of_the_quotas(route: str, method: str) -> None:
    for status in operation(route, method)["responses"]:
        told = response(route, status, method)
        assert ("RateLimit" in told["headers"]) is (status != "401")


def test_making_the_description_warns_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    reset_generator_stats()
    openapi.described()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "status"),
    [("ALICP1-1", 200), (" X-1 ", 200), ("\f", 400), ("a\x00b", 400), (" " * 16 + "R030", 400)],
)
def test_a_text_that_is_refused_for_what_it_holds_does_not_fit_the_description(
    asking: Ask, alice: Person, text: str, status: int
) -> None:
    asked = next(p for p in operation("dead-letters")["parameters"] if p["name"] == "bm_unit")
    assert does_fit(text, asked["schema"]) is (status == 200)
    assert asking(alice).get(f"{PREFIX}dead-letters", {"bm_unit": text}).status_code == status
    body, place = {"code": text}, "dead-letters/replay"
    schema = {"$ref": "#/components/schemas/BulkReplay"}
    assert does_fit(body, schema) is (status == 200)
    answer = asking(alice).post(f"{PREFIX}{place}", body, format="json")
    assert answer.status_code == (202 if status == 200 else 400)


def does_fit(value: Any, schema: dict[str, Any]) -> bool:
    try:
        fits(value, schema)
    except jsonschema.ValidationError:
        return False
    return True
