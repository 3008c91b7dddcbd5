"""The JSON Schema of each profile, held against its codec: what one takes the other takes too."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from messaging.domain.messages import kind_of
from messaging.protocols.base import Envelope, Parcel, RemoteProtocolError
from messaging.protocols.neso import PROTOCOL
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.forms import form_of
from messaging.protocols.neso.wa.loading import load_profile
from messaging.protocols.neso.wa.schema import definition_name, schema_of
from messaging.protocols.registry import PROTOCOLS
from tests.protocols.neso import enveloped_rows, rows
from tests.servers import ROOT

ROWS = {"host-1": rows.ROWS, "enveloped-1": enveloped_rows.ROWS}
GOLDEN = [(profile, name) for profile, found in ROWS.items() for name in found]
WRONG: tuple[object, ...] = (None, [], {}, 1.5, True, "", "x", -1, 10**16, "\0")

each_profile = pytest.mark.parametrize("profile", PROTOCOLS["neso-wa"].profiles())
each_golden = pytest.mark.parametrize(("profile", "name"), GOLDEN)


@cache
def codec_of(profile: str) -> WaCodec:
    return WaCodec(load_profile(profile))


@cache
def validator_of(profile: str, definition: str = "") -> Draft202012Validator:
    """Of the whole document, or of one of its definitions."""
    schema = schema_of(load_profile(profile))
    if definition:
        schema = {"$defs": schema["$defs"], "$ref": f"#/$defs/{definition}"}
    return Draft202012Validator(schema)


def written(profile: str, envelope: Envelope) -> Any:
    return json.loads(codec_of(profile).encode(envelope).content)


def definition_of(profile: str, envelope: Envelope) -> str:
    return definition_name(load_profile(profile).by_meaning[form_of(envelope.messages[0])])


@each_profile
def test_the_document_in_docs_is_a_schema_of_draft_2020_12(profile: str) -> None:
    text = (ROOT / "docs" / "profiles" / f"neso-wa-{profile}.schema.json").read_text()
    schema = json.loads(text)
    assert schema == schema_of(load_profile(profile))
    Draft202012Validator.check_schema(schema)


@each_profile
def test_every_member_says_what_it_means_and_where_that_is_known_from(profile: str) -> None:
    schema = schema_of(load_profile(profile))
    told = list(_descriptions(schema["$defs"]))
    assert len(told) > 200
    assert all("Source: " in text for text in told)


def _descriptions(value: object) -> Iterator[str]:
    """Of everything but the objects that others stand in."""
    if isinstance(value, dict):
        if "const" in value or "pattern" in value or "enum" in value:
            yield value.get("description", "Source: of what holds it")
        for inner in value.values():
            yield from _descriptions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _descriptions(inner)


@each_golden
def test_every_golden_payload_fits_one_definition_and_its_own(profile: str, name: str) -> None:
    envelope = ROWS[profile][name][1]
    payload = written(profile, envelope)
    assert list(validator_of(profile).iter_errors(payload)) == []
    own = definition_of(profile, envelope)
    assert validator_of(profile, own).is_valid(payload)
    others = schema_of(load_profile(profile))["$defs"].keys() - {own}
    assert not any(validator_of(profile, other).is_valid(payload) for other in others)


@each_profile
def test_every_example_fits_its_definition(profile: str) -> None:
    for envelope in PROTOCOL.examples(profile):
        payload = written(profile, envelope)
        definition = definition_of(profile, envelope)
        errors = list(validator_of(profile, definition).iter_errors(payload))
        assert errors == [], kind_of(envelope.messages[0])


@each_golden
def test_what_the_schema_says_of_a_changed_payload_is_what_the_codec_says(
    profile: str, name: str
) -> None:
    """Each member left out, beside a stranger, and with a value of every wrong kind."""
    envelope = ROWS[profile][name][1]
    validator = validator_of(profile, definition_of(profile, envelope))
    refused = 0
    for payload in _changed(written(profile, envelope)):
        try:
            codec_of(profile).decode(Parcel(json.dumps(payload).encode()))
            taken = True
        except RemoteProtocolError:
            taken = False
        fits = validator.is_valid(payload)
        if taken and not fits:  # as another kind of payload, as a health answer without inReplyTo
            fits = validator_of(profile).is_valid(payload)
        assert fits is taken, payload
        refused += not taken
    assert refused > 20


def _changed(payload: Any) -> Iterator[Any]:
    for path in _paths(payload):
        for value in WRONG:
            changed = copy.deepcopy(payload)
            holder = _at(changed, path[:-1])
            holder[path[-1]] = value
            yield changed
        if isinstance(path[-1], str):
            changed = copy.deepcopy(payload)
            del _at(changed, path[:-1])[path[-1]]
            yield changed
            changed = copy.deepcopy(payload)
            _at(changed, path[:-1])["stranger"] = 1
            yield changed


def _paths(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Of every member, and of the first two items of a list."""
    steps: list[Any] = []
    if isinstance(value, dict):
        steps = list(value)
    elif isinstance(value, list):
        steps = list(range(len(value)))[:2]
    for step in steps:
        yield (*at, step)
        yield from _paths(value[step], (*at, step))


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value
