"""Examples of what each operation takes and answers, put together by the schemas of the description
from what hostsvc/examples.yaml says of properties and components.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml  # with drf-spectacular, which writes the description by it

_FILE: Final = Path(__file__).with_suffix(".yaml")
_BY_FORMAT: Final[Mapping[str, str]] = {
    "uuid": "019a0f0e-0000-7000-8000-000000000001",
    "date-time": "2026-11-22T10:00:00Z",
}
_UNSAID: Final = object()
JSON: Final = "application/json"

Schema = dict[str, Any]


class Unsaid(LookupError):
    """Nothing is said of a property that no schema tells enough of."""


@lru_cache(maxsize=1)
def _said() -> dict[str, dict[str, Any]]:
    said: dict[str, dict[str, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return said


def add(description: dict[str, Any]) -> None:
    """Puts an example beside each schema of a body in JSON that has none yet, and as far as
    examples.yaml has one for an operation's other bodies there.
    """
    components = description["components"]["schemas"]
    for operation in _operations(description):
        own = _said()["operations"].get(operation["operationId"], {})
        for media_type, content in _bodies(operation):
            if "example" in content or "examples" in content:
                continue
            is_asked = content is operation.get("requestBody", {}).get("content", {}).get(JSON)
            if is_asked and "request" in own:
                content["example"] = own["request"]
            elif media_type in own:
                content["example"] = own[media_type]
            elif media_type == JSON:
                content["example"] = example_of(content["schema"], components)


def example_of(schema: Schema, components: Mapping[str, Schema], name: str = "") -> Any:
    """Of what `name` holds. Raises Unsaid."""
    if "$ref" in schema:
        return _of_component(schema["$ref"].rpartition("/")[2], components, name)
    if "allOf" in schema:
        return example_of(schema["allOf"][0], components, name)
    if (said := _said()["properties"].get(name, _UNSAID)) is not _UNSAID:
        return said
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return example_of(schema[choice][0], components, name)
    if "enum" in schema or "const" in schema:
        return schema.get("const", next(iter(schema.get("enum", [])), None))
    return _of_type(schema, components, name)


def _of_component(title: str, components: Mapping[str, Schema], name: str) -> Any:
    schema = components[title]
    if "enum" in schema:
        usual = _said()["choices"].get(title, schema["enum"][0])
        said = _said()["properties"].get(name)
        return said if said in schema["enum"] else usual
    return _object(schema, components, _said()["components"].get(title, {}))


def _of_type(schema: Schema, components: Mapping[str, Schema], name: str) -> Any:
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "array":
        return [example_of(schema["items"], components)]
    if kind == "object":
        return _object(schema, components, {})
    if kind == "boolean":
        return False
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    raise Unsaid(f"hostsvc/examples.yaml says nothing of {name!r}")


def _object(schema: Schema, components: Mapping[str, Schema], own: Mapping[str, Any]) -> Any:
    """All its properties; of one that can be asked for with none said, those that it must have."""
    told = {}
    for name, part in schema.get("properties", {}).items():
        if name in own:
            told[name] = own[name]
        elif name in schema.get("required", ()):
            told[name] = example_of(part, components, name)
    return told


def _operations(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in description["paths"].values():
        yield from methods.values()


def _bodies(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for status, response in operation["responses"].items():
        if status < "300":
            yield from response.get("content", {}).items()
