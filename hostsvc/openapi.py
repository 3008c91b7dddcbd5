"""The description of the API: what views alone do not tell of it, and whether the copy in docs/
still says the same.

`python manage.py spectacular --file docs/openapi.yaml` writes the copy anew.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiYamlRenderer

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
    "409": "What there is stands against it; `code` says what.",
    "422": "What is submitted breaks rules: `message-refused`, with `errors`. Or the idempotency"
    " key was another request's: `idempotency-key-reused`.",
    "429": "A quota is spent, or too many were shown that are not in force: `too-many-requests`, "
    "with Retry-After. Quotas are told by RateLimit-Policy and RateLimit in every answer.",
    "503": "The database is away, or the question took too long: `unavailable`, `took-too-long`.",
}
_WRITING = {"post", "put", "patch", "delete"}
_ONLY_WITH = {
    "400": {"query", "body", "header"},
    "404": {"path"},
    "409": _WRITING,
    "422": _WRITING,
}
_KEY = {
    "name": idempotency.HEADER,
    "in": "header",
    "schema": {"type": "string", "maxLength": idempotency.LONGEST_KEY},
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


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Adds the typed messages' schemas, and to each operation the refusals it can answer with."""
    result["components"]["schemas"] |= {**schemas(), "Problem": _PROBLEM}
    for operations in result["paths"].values():
        for method, operation in operations.items():
            if method in _WRITING:
                operation["parameters"] = [_KEY, *operation.get("parameters", ())]
            places = {method, *(parameter["in"] for parameter in operation.get("parameters", ()))}
            places |= {"body"} if "requestBody" in operation else set()
            statuses = [s for s in _REFUSALS if s not in _ONLY_WITH or _ONLY_WITH[s] & places]
            operation["responses"] |= {status: _refusal(_REFUSALS[status]) for status in statuses}
    return result


def described() -> str:
    """The description as YAML, made from the code."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    written: bytes = OpenApiYamlRenderer().render(schema, renderer_context={})  # type: ignore[no-untyped-call]
    return written.decode("utf-8")


def difference() -> str | None:
    """Says that the copy in docs/ is not what the code describes, and what to do; None when it
    is.
    """
    if COPY.exists() and COPY.read_text(encoding="utf-8") == described():
        return None
    return f"{COPY.relative_to(BASE_DIR)} does not describe the API as it is; {HOW_TO_WRITE}"


def _refusal(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": text, "content": {PROBLEM_TYPE: {"schema": schema}}}
