"""What the control port's requests share: who may ask, and values read from a body or a query."""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from messaging.simulator.http import MIB, Problem, read_body

_LARGEST = 16 * MIB
_JSON = "application/json"


@web.middleware
async def own_callers_only(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The port has no password: a web page from elsewhere, open in a browser on this machine, must
    not reach it. Such a page sends its own Origin, a name that was made to lead here sends itself
    as Host, and a form cannot send JSON. A program, which says none of that, may name the type of
    its JSON as it likes."""
    _require_own_host(request.headers.get("Host", ""))
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.headers.get('Host', '')}":
        raise Problem(403, "asked by a web page from elsewhere")
    is_own = request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
    if not is_own and not _is_link_followed(request):
        raise Problem(403, "asked by a web page from elsewhere")
    is_browser = origin is not None or "Sec-Fetch-Site" in request.headers
    if is_browser and request.can_read_body and request.content_type != _JSON:
        raise Problem(415, f"the body is not {_JSON}: say so in Content-Type")
    return await handler(request)


def _is_link_followed(request: web.Request) -> bool:
    """A person who comes from another page sees this one; nothing is changed by it."""
    mode, where = (request.headers.get(f"Sec-Fetch-{name}") for name in ("Mode", "Dest"))
    return request.method == "GET" and (mode, where) == ("navigate", "document")


def _require_own_host(host: str) -> None:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        is_own = name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        is_own = False
    if not is_own:
        raise Problem(403, "Host is not this machine by its loopback address")


async def read_object(request: web.Request) -> dict[str, object]:
    try:
        body = json.loads(
            await read_body(request, _LARGEST), parse_float=_finite, parse_constant=_finite
        )
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Problem(400, "the body is not a JSON object")
    return body


def _finite(text: str) -> float:
    """Python would read numbers that JSON has not, or that nothing can hold."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def read_seconds(
    source: Mapping[str, Any], name: str, default: float, highest: float, lowest: float = 0.0
) -> float:
    try:
        value = float(source.get(name, default))
    except (TypeError, ValueError):
        raise Problem(400, f"{name} is not a number of seconds") from None
    if not lowest <= value <= highest:
        raise Problem(400, f"{name} is not within {lowest:g}..{highest:g}")
    return value


def read_choice(source: Mapping[str, object], name: str, allowed: tuple[str, ...]) -> str:
    value = source.get(name)
    if not isinstance(value, str) or value not in allowed:
        raise Problem(400, f"{name} is none of {', '.join(allowed)}")
    return value
