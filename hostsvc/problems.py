"""The API's one error shape: problem+json (RFC 9457) with a stable `code`."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

PROBLEM_TYPE = "application/problem+json"
MOST_ERRORS = 100
LONGEST_TEXT = 500
"""What a request says is told back only so far."""

RETRY_AFTER_S = 2

_log = logging.getLogger(__name__)


def problem(
    status: int, code: str, *, detail: str = "", errors: list[dict[str, str]] | None = None
) -> Response:
    """A problem answer; `errors` are items of `field` (JSON Pointer) and `text`."""
    return Response(_body(status, code, detail, errors), status=status, content_type=PROBLEM_TYPE)


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler. What it does not know is a bug, and becomes `internal`
    below.
    """
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    if isinstance(error, OperationalError | InterfaceError):
        return _without_database(error)
    if isinstance(error, RequestDataTooBig):
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return problem(413, "too-large", detail=f"The body is larger than {limit} bytes.")
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    response = _of(error)
    if (wait := getattr(error, "wait", None)) is not None:
        response["Retry-After"] = str(math.ceil(wait))
    if scheme := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = scheme
    return response


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Django's handler400."""
    return _plain(400, "bad-request")


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Django's handler404: an address that does not exist, told as a row that does not; but where
    all addresses are told is said.
    """
    if not request.path.startswith("/api/"):
        return _plain(404, "not-found")
    detail = "No address of the API's is like this: GET /api/v1/openapi tells them all."
    if request.path.endswith("/"):
        detail += " None ends with a slash."
    return _plain(404, "not-found", detail)


def internal(request: HttpRequest) -> JsonResponse:
    """Django's handler500."""
    return _plain(500, "internal")


def _plain(status: int, code: str, detail: str = "") -> JsonResponse:
    return JsonResponse(_body(status, code, detail), status=status, content_type=PROBLEM_TYPE)


def _body(
    status: int, code: str, detail: str = "", errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase}
    body |= {"status": status, "code": code}
    if detail:
        body["detail"] = _fit(detail)
    if errors:
        told = errors[:MOST_ERRORS]
        body["errors"] = [{name: _fit(text) for name, text in one.items()} for one in told]
    return body


def _fit(text: str) -> str:
    """What was asked may stand in it: of any length, and with halves of surrogate pairs, which no
    encoding writes.
    """
    cut = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."
    return cut.encode("utf-8", "replace").decode("utf-8")


def _of(error: exceptions.APIException) -> Response:
    if isinstance(error, exceptions.ValidationError):
        return problem(400, "invalid", errors=_items(error.detail))
    code = str(error.default_code).replace("_", "-")
    response = problem(error.status_code, code, detail=str(error.detail))
    response.data |= getattr(error, "members", {})
    return response


def _without_database(error: Exception) -> Response:
    _log.warning("a request was refused for want of the database: %s", type(error.__cause__))
    if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
        return problem(503, "took-too-long", detail="Ask for less: a shorter time, fewer rows.")
    response = problem(503, "unavailable", detail="Try again in a moment.")
    response["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _items(detail: Any, field: str = "") -> list[dict[str, str]]:
    if isinstance(detail, dict):
        return [i for name, part in detail.items() for i in _items(part, f"{field}/{name}")]
    if isinstance(detail, list):
        return [i for part in detail for i in _items(part, field)]
    return [{"field": field, "text": str(detail)}]
