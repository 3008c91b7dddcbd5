"""The plain parts of HTTP that both servers and the control port share: problems, bounded bodies,
the peer's certificate."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web
from multidict import CIMultiDictProxy

log = logging.getLogger("simulator.http")
MIB = 1024 * 1024


class Problem(Exception):
    """An unsealed refusal: problem+json."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.more = more

    def body(self) -> bytes:
        title = HTTPStatus(self.status).phrase
        head = {"type": "about:blank", "title": title, "status": self.status}
        return json.dumps({**head, "detail": self.detail, **self.more}).encode("ascii")

    def respond(self) -> web.Response:
        return web.Response(
            status=self.status,
            body=self.body(),
            content_type="application/problem+json",
            headers=self.headers,
        )


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every refusal and every fault of our own is problem+json; no traceback reaches a peer."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.respond()
    except web.HTTPException as error:
        allowed = error.headers.get("Allow")
        headers = {} if allowed is None else {"Allow": allowed}
        return Problem(error.status, error.reason, headers).respond()
    except Exception:
        log.exception("unexpected fault at %s", request.path)
        return Problem(500, "the simulator failed; see its log").respond()


async def read_body(request: web.Request, largest: int) -> bytes:
    """Raises Problem 413 as soon as the body is known to be over `largest` bytes."""
    if (request.content_length or 0) > largest:
        raise Problem(413, f"the body is over {largest} bytes")
    chunks = bytearray()
    async for chunk in request.content.iter_any():
        chunks += chunk
        if len(chunks) > largest:
            raise Problem(413, f"the body is over {largest} bytes")
    return bytes(chunks)


def join_headers(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """One that came twice with both values, as RFC 9110, 5.3 joins them: nobody picks one."""
    return {name.lower(): ", ".join(headers.getall(name)) for name in headers}


def require_type(request: web.Request, wanted: str) -> None:
    if request.content_type != wanted:
        raise Problem(415, f"the body is not {wanted}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "an encoded body is not taken")


def find_peer_certificate(request: web.Request) -> bytes | None:
    """The DER of the client's leaf certificate."""
    transport = request.transport
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    if not isinstance(tls, ssl.SSLObject):
        return None
    return tls.getpeercert(binary_form=True)
