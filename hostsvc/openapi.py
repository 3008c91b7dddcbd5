"""The description of the API: what views alone do not tell of it, and whether the copy in docs/
still says the same.

`python manage.py spectacular --file docs/openapi.yaml` writes the copy anew.
"""

from __future__ import annotations

from typing import Any, Literal

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
)
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiYamlRenderer
from rest_framework.serializers import CharField

from hostsvc import examples
from hostsvc.env import BASE_DIR
from hostsvc.problems import PROBLEM_TYPE
from messaging.api.content import schemas
from tenants.api import idempotency

COPY = BASE_DIR / "docs" / "openapi.yaml"
HOW_TO_WRITE = "write it anew with: python manage.py spectacular --file docs/openapi.yaml"

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `detail` and `text` are for people.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "permissions": {"type": "array", "items": {"type": "string"}},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "description": "A `field` of the request; or what a rule found: `rule` and"
                " `code` as docs/rules.md has them, and where: `pointer` into the message, `index`"
                " of one among several, `line` and `field` of a file.",
                "properties": {
                    **{name: {"type": "string"} for name in ("field", "text", "rule", "code")},
                    **{name: {"type": "string"} for name in ("pointer", "value")},
                    **{name: {"type": "integer"} for name in ("index", "line")},
                },
                "required": ["text"],
            },
        },
    },
    "required": ["type", "title", "status", "code"],
}
_REFUSALS = {
    "400": "A parameter or member is bad, unknown or given twice: `invalid`, `parse-error`.",
    "401": "No key or certificate, or one that is not in force: `not-authenticated`, "
    "`authentication-failed`.",
    "403": "The caller may not do this: `permission-needed`, with `permissions`.",
    "404": "No such row of this tenant: `not-found`.",
    "406": "The answer is not to be had in the type that `Accept` asks for: `not-acceptable`.",
    "409": "What there is stands against it; `code` says what.",
    "413": "The body is too large: `too-large`.",
    "415": "The address takes no body of this type: `unsupported-media-type`.",
    "422": "What is submitted breaks rules: `message-refused`, with `errors`. Or the idempotency"
    " key was another request's: `idempotency-key-reused`.",
    "429": "A quota is spent, or too many were shown that are not in force: `too-many-requests`, "
    "with Retry-After. Quotas are told by RateLimit-Policy and RateLimit in every answer.",
    "503": "The database is away, or the question took too long: `unavailable`, `took-too-long`.",
}
_WRITING = {"post", "put", "patch", "delete"}
_ONLY_WITH = {
    "400": {"query", "body", "header"},
    "404": {"path", "body"},
    "409": _WRITING,
    "413": {"body"},
    "415": {"body"},
    "422": _WRITING,
}
_ANY_TEXT = r"^[^\x00]*$"
"""PostgreSQL keeps no NUL, and none is taken."""
_NOT_EMPTY = r"^[^\x00]+$"
_NOT_BLANK = r"^[^\x00]*[^\s\x00\x1c-\x1f\x85][^\x00]*$"
"""Something is left when white space is taken away at both ends, as Python does."""
_TEXT = {"schema": {"type": "string"}}
_SECONDS = {
    "schema": {"type": "integer", "minimum": 0},
    "description": "Seconds after which to ask again.",
}
_QUOTAS = {
    "RateLimit-Policy": {
        **_TEXT,
        "description": "The quotas of the key and of the tenant: `q` requests in `w` seconds"
        " (draft-ietf-httpapi-ratelimit-headers).",
        "example": '"key";q=1200;w=60, "tenant";q=6000;w=60',
    },
    "RateLimit": {
        **_TEXT,
        "description": "Of each, what is left (`r`), and in how many seconds it is whole (`t`).",
        "example": '"key";r=1199;t=1, "tenant";r=5999;t=1',
    },
}
_REPLAYED = {
    idempotency.REPLAYED: {
        **_TEXT,
        "description": "`true` on an answer that was given to this key before.",
    }
}
_HEADERS_OF: dict[str, dict[str, Any]] = {
    "401": {"WWW-Authenticate": _TEXT},
    "429": {"Retry-After": _SECONDS},
    "503": {"Retry-After": _SECONDS},
}
_KEY = {
    "name": idempotency.HEADER,
    "in": "header",
    "schema": {"type": "string", "pattern": idempotency.PATTERN},
    "description": "A name of your own for this one request, good for 24 hours: asked again under"
    f" it, nothing is done twice, and the first answer comes again with `{idempotency.REPLAYED}:"
    " true`. To submit messages takes one.",
}


class CredentialScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Any one will do."""

    target_class = "tenants.api.authentication.CredentialAuthentication"
    name = ["bearer", "apiKey", "certificate"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key, `hsk_...`."},
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "mutualTLS", "description": "A client certificate that was pinned."},
        ]


class StrictBody(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A body with a member that is not known is refused."""

    target_class = "tenants.api.wanted.Wanted"
    match_subclasses = True

    def map_serializer(
        self, auto_schema: AutoSchema, direction: Literal["request", "response"]
    ) -> dict[str, Any]:
        return {**_told(self.target, auto_schema, direction), "additionalProperties": False}


class AskedOfList(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Parameters are checked as the members of a body are."""

    target_class = "tenants.api.questions.Question"
    match_subclasses = True

    def map_serializer(
        self, auto_schema: AutoSchema, direction: Literal["request", "response"]
    ) -> dict[str, Any]:
        return _told(self.target, auto_schema, direction)


def _told(
    serializer: Any, auto_schema: AutoSchema, direction: Literal["request", "response"]
) -> dict[str, Any]:
    """As ever, with what may stand in each text that says no more of itself."""
    told: dict[str, Any] = auto_schema._map_serializer(  # type: ignore[no-untyped-call]
        serializer, direction, bypass_extensions=True
    )
    for name, field in serializer.fields.items():
        part = told.get("properties", {}).get(name, {})
        says_more = part.keys() & {"pattern", "format", "minLength"}
        if isinstance(field, CharField) and part.get("type") == "string" and not says_more:
            part["pattern"] = _pattern(field)
    return told


def _pattern(field: CharField) -> str:
    if field.allow_blank:
        return _ANY_TEXT
    return _NOT_BLANK if field.trim_whitespace else _NOT_EMPTY


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Adds the typed messages' schemas, and to each operation the refusals it can answer with, the
    headers of its answers, and examples.
    """
    components = result["components"]
    components["schemas"] |= {**schemas(), "Problem": _PROBLEM}
    components["headers"] = {**_QUOTAS, **_REPLAYED}
    components["responses"] = {
        f"Refused{status}": _refusal(status, text) for status, text in _REFUSALS.items()
    }
    for operations in result["paths"].values():
        for method, operation in operations.items():
            if method in _WRITING:
                operation["parameters"] = [_KEY, *operation.get("parameters", ())]
            _complete_responses(method, operation)
    examples.add(result)
    return result


def _complete_responses(method: str, operation: dict[str, Any]) -> None:
    """What a view tells of a refusal by itself goes before what is told of it everywhere."""
    places = {method, *(parameter["in"] for parameter in operation.get("parameters", ()))}
    places |= {"body"} if "requestBody" in operation else set()
    for status, response in operation["responses"].items():
        replayed = _REPLAYED if method in _WRITING and status < "300" else {}
        response["headers"] = {**_named(_QUOTAS), **_named(replayed)}
    statuses = [s for s in _REFUSALS if s not in _ONLY_WITH or _ONLY_WITH[s] & places]
    common = {status: {"$ref": f"#/components/responses/Refused{status}"} for status in statuses}
    operation["responses"] = {**common, **operation["responses"]}


def description() -> dict[str, Any]:
    """Made from the code."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


def described() -> str:
    """The description as YAML."""
    written: bytes = OpenApiYamlRenderer().render(description(), renderer_context={})  # type: ignore[no-untyped-call]
    return written.decode("utf-8")


def difference() -> str | None:
    """Says that the copy in docs/ is not what the code describes, and what to do; None when it
    is.
    """
    if COPY.exists() and COPY.read_text(encoding="utf-8") == described():
        return None
    return f"{COPY.relative_to(BASE_DIR)} does not describe the API as it is; {HOW_TO_WRITE}"


def _refusal(status: str, text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    quotas = {} if status == "401" else _named(_QUOTAS)
    return {
        "description": text,
        "headers": {**quotas, **_HEADERS_OF.get(status, {})},
        "content": {PROBLEM_TYPE: {"schema": schema}},
    }


def _named(headers: dict[str, Any]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
