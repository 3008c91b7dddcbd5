"""The ASGI application of the web and admin processes. What NGESO calls is not here but in
messaging.inbound.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hostsvc.logs import cannot_start
from tenants.checks import refuse_unsafe_start
from tenants.stalling import end_stalled_transactions

STALLS_AFTER = 20.0
"""Seconds: what a frozen process has locked, a request's idempotency key among it, others want."""

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hostsvc.settings")
os.environ.setdefault("HOSTSVC_DATABASE_POOL", "10")

# Static files are handed over by a synchronous iterator, which is no matter: each is small.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")

try:
    django.setup(set_prefix=False)
except ImproperlyConfigured as error:
    cannot_start(error)
end_stalled_transactions(STALLS_AFTER)

# Imported once Django is set up, for they reach the settings and the tables.
from hostsvc.problems import bad_request  # noqa: E402
from messaging.events.stream import EventStreams  # noqa: E402


class _Handler(ASGIHandler):
    """Django's, which lets a Content-Type that it can't read through to the server as a fault."""

    def create_request(
        self, scope: Mapping[str, Any], body_file: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        try:
            return super().create_request(scope, body_file)
        except ValueError as error:
            return None, bad_request(HttpRequest(), error)


application = EventStreams(_Handler())

# On a thread, since a server may import this within its event loop, where nothing may block.
with ThreadPoolExecutor(1, thread_name_prefix="start") as _thread:
    _thread.submit(refuse_unsafe_start).result()
