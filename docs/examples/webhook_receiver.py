"""Receives one event of a webhook, verifies its signature, says so, and ends.

`python docs/examples/webhook_receiver.py PORT SECRET CERTIFICATE KEY`, the standard library alone.
"""

from __future__ import annotations

import base64
import hmac
import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

MOST_BYTES = 1024 * 1024
FRESH_SECONDS = 300
WAIT_SECONDS = 60


def is_good(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the request is signed by the secret, and now (Standard Webhooks)."""
    if abs(time.time() - int(headers["webhook-timestamp"])) > FRESH_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    shown = headers["webhook-signature"].split(" ")
    return any(hmac.compare_digest(wanted, one) for one in shown)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        body = self.rfile.read(min(length, MOST_BYTES))
        headers = {name.lower(): value for name, value in self.headers.items()}
        good = is_good(sys.argv[2], headers, body)
        self.send_response(204 if good else 401)
        self.end_headers()
        if good:
            print(f"the signature holds: {json.loads(body)['type']}", flush=True)
        else:
            print("the signature does not hold", flush=True)

    def log_message(self, *_: object) -> None:
        """Nothing: what is to be said is said above."""


def main() -> None:
    _, port, _, certificate, key = sys.argv
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", int(port)), Receiver) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.timeout = WAIT_SECONDS
        server.handle_request()


if __name__ == "__main__":
    main()
