"""The API's one error shape: problem+json (RFC 9457) with a stable `code`."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

PROBLEM_TYPE = "application/problem+json"


def problem(
    status: int,
    code: str,
    title: str,
    *,
    detail: str = "",
    errors: list[dict[str, Any]] | None = None,
) -> Response:
    """A problem answer; `errors` are items of `field` and `text`."""
    body: dict[str, Any] = {"type": f"about:blank#{code}", "title": title, "status": status}
    body["code"] = code
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = errors
    return Response(body, status=status, content_type=PROBLEM_TYPE)


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    response = _of(error)
    if wait := getattr(error, "wait", None):
        response["Retry-After"] = str(int(wait) + 1)
    if scheme := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = scheme
    return response


def _of(error: exceptions.APIException) -> Response:
    if isinstance(error, exceptions.ValidationError):
        return problem(400, "invalid", "The request is not valid.", errors=_items(error.detail))
    code = str(error.default_code).replace("_", "-")
    return problem(error.status_code, code, str(error.default_detail), detail=str(error.detail))


def _items(detail: Any, field: str = "") -> list[dict[str, Any]]:
    if isinstance(detail, dict):
        return [i for name, part in detail.items() for i in _items(part, f"{field}/{name}")]
    if isinstance(detail, list):
        return [i for part in detail for i in _items(part, field)]
    return [{"field": field, "text": str(detail)}]
