"""Middleware that times what web and admin answer, by route and status, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from prometheus_client import Histogram

REQUESTS = Histogram(
    "hostsvc_http_request_seconds",
    "Answers of the web and admin processes, by method, route and status.",
    ("method", "route", "status"),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@sync_and_async_middleware
def measured(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    if iscoroutinefunction(get_response):
        respond: Callable[[HttpRequest], Awaitable[HttpResponseBase]] = get_response

        async def later(request: HttpRequest) -> HttpResponseBase:
            began = time.monotonic()
            response = await respond(request)
            _observe(request, response, began)
            return response

        return later

    def at_once(request: HttpRequest) -> HttpResponseBase:
        began = time.monotonic()
        response: HttpResponseBase = get_response(request)
        _observe(request, response, began)
        return response

    return at_once


def _observe(request: HttpRequest, response: HttpResponseBase, began: float) -> None:
    """Addresses and methods that are none are all alike: who makes them up makes no new series."""
    found = request.resolver_match
    route = found.route if found else "none"
    method = request.method if request.method in _METHODS else "other"
    REQUESTS.labels(method, route, response.status_code).observe(time.monotonic() - began)
