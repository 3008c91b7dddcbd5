"""An operator that speaks the enveloped-1 profile, written from the profile's page: it shares no
codec and no seal with the host.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from messaging.protocols.neso.seals import Sealed
from tenants.clock import now
from tests.minutes import minute
from tests.protocols.neso.plain import Writer, open_plain
from tests.relay.sealing.both_ends import BothEnds

Json = dict[str, Any]

_PATHS = re.compile(r"/so/(declarations|day-files|dispatch-replies)/([0-9a-f-]{36})")
_MESSAGES = {
    "declarations": "declaration",
    "day-files": "day_file",
    "dispatch-replies": "dispatch_reply",
}
ACCEPTED = 200, {"outcome": "accepted", "faults": []}
HELD = 202, {"outcome": "received", "faults": []}
REFUSED = (
    400,
    {
        "outcome": "rejected",
        "faults": [{"pointer": "/body/profile/0/from/mw", "reason": "R003", "detail": "too high"}],
    },
)
OUT = (
    423,
    {
        "outcome": "rejected",
        "faults": [{"pointer": "", "reason": "R999", "detail": "we are out"}],
    },
)


@dataclass(frozen=True)
class Heard:
    """A request whose seal was the tenant's."""

    method: str
    path: str
    payload: Json


@dataclass
class Peer:
    """`verdict` is what it says next to whatever it is asked; `misnames` has its answers bear
    another messageId.
    """

    ends: BothEnds
    seal: str
    port: int = 0
    verdict: tuple[int, Json] = ACCEPTED
    misnames: bool = False
    heard: list[Heard] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/so"

    def answer(self, method: str, path: str, sealed: Sealed) -> tuple[int, Sealed]:
        url = f"https://127.0.0.1:{self.port}{path}"
        payload = self._opened(method, url, sealed)
        self.heard.append(Heard(method, path, payload))
        header = payload["header"]
        if (method, path) == ("POST", "/so/status"):
            assert header["message"] == "health_request"
            return self._sealed(200, "health_state", header["id"], {"state": "up"}, url)
        found = _PATHS.fullmatch(path)
        assert found is not None, path
        assert method == "PUT"
        assert (header["message"], header["id"]) == (_MESSAGES[found[1]], found[2])
        return self._sealed(self.verdict[0], "verdict", header["id"], self.verdict[1], url)

    def dispatch(self, payload: Json, path: str = "", method: str = "PUT") -> tuple[int, Json]:
        """Puts an instruction to the host; the answer's status, and its payload if it is the
        tenant's own.
        """
        message_id = payload["header"]["id"]
        path = path or f"/wa/simulator/dispatches/{message_id}"
        url = f"https://127.0.0.1:{self.ends.inbound_port}{path}"
        content = json.dumps(payload).encode()
        sealed = self.writer(method, url).close(self.seal, content, message_id)
        return self.put_sealed(sealed, path, method)

    def put_sealed(self, sealed: Sealed, path: str, method: str) -> tuple[int, Json]:
        port, context = self.ends.inbound_port, self.ends.operator_context
        link = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
        try:
            headers = {"Content-Type": sealed.content_type, **sealed.headers}
            link.request(method, path, sealed.body, headers)
            answer = link.getresponse()
            type_, body = answer.headers.get_content_type(), answer.read()
            if type_ == "application/problem+json":
                return answer.status, json.loads(body)
            certificate = self.ends.keys.tenant_signing.certificate
            came = Sealed(body, type_, dict(answer.headers.items()))
            url = f"https://127.0.0.1:{port}{path}"
            payload, _ = open_plain(self.seal, came, certificate, "ANSWER", url)
            return answer.status, json.loads(payload)
        finally:
            link.close()

    def _opened(self, method: str, url: str, sealed: Sealed) -> Json:
        certificate = self.ends.keys.tenant_signing.certificate
        payload, told = open_plain(self.seal, sealed, certificate, method, url)
        read: Json = json.loads(payload)
        assert told.get("jti", read["header"]["id"]) == read["header"]["id"]
        return read

    def _sealed(
        self, status: int, message: str, asked: str, body: Json, url: str
    ) -> tuple[int, Sealed]:
        own = str(uuid4()) if self.misnames else asked
        content = json.dumps({"header": header(message, own), "body": body}).encode()
        return status, self.writer("ANSWER", url).close(self.seal, content, own)

    def writer(self, verb: str, url: str) -> Writer:
        keys, audience = self.ends.keys.signing, self.ends.person.participant_id
        return Writer(
            keys.key, keys.certificate, "NGESO", audience, now(), "RS256", verb=verb, url=url
        )


def header(message: str, message_id: str = "", **more: Any) -> Json:
    created = int(now().timestamp() * 1000)
    names = {"message": message, "id": message_id or str(uuid4()), "created": created}
    return {**names, "schema": "enveloped-1", **more}


def bid_offer(point: str, unit: str, number: int, **body: Any) -> Json:
    """An acceptance of fifteen minutes from soon on, its times an hour ahead of UTC as written."""
    start = minute()
    begins, ends = (written(start + timedelta(minutes=m)) for m in (2, 17))
    level = {"from": {"at": begins, "mw": "0"}, "to": {"at": ends, "mw": "50"}}
    told = {
        "target": {"control_point": point, "bm_unit": unit},
        "acceptance": str(number),
        "accepted": written(start),
        "flags": {"emergency": 0, "so": 1, "stor": 0, "rr": 0},
        "profile": [level],
        "answer_by": None,
    }
    return {"header": header("dispatch", subject="bid_offer"), "body": told | body}


def written(moment: datetime) -> str:
    summer = (moment.astimezone(UTC) + timedelta(hours=1)).replace(tzinfo=None)
    return f"{summer.isoformat(timespec='seconds')}+01:00"


@contextmanager
def running_peer(ends: BothEnds, seal: str) -> Iterator[Peer]:
    peer = Peer(ends, seal)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            type_ = self.headers.get_content_type()
            came = Sealed(body, type_, dict(self.headers.items()))
            status, answer = peer.answer(self.command, self.path, came)
            self.send_response(status)
            lines = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body))}
            for name, value in {**lines, **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_PUT

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = _context(ends).wrap_socket(server.socket, server_side=True)
    peer.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


def _context(ends: BothEnds) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ends.keys.operator_tls.save(ends.folder, "peer"))
    context.load_verify_locations(cadata=ends.keys.tenant_ca.certificate_pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    return context
