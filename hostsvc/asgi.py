"""The ASGI application of the web and admin processes. What NGESO calls is not here but in
messaging.inbound.
"""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

from django.core.asgi import get_asgi_application

from tenants.checks import refuse_unsafe_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hostsvc.settings")
os.environ.setdefault("HOSTSVC_DATABASE_POOL", "10")

# Static files are handed over by a synchronous iterator, which is no matter: each is small.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")

_django = get_asgi_application()

# Imported once Django is set up, for it reaches the tables.
from messaging.events.stream import EventStreams  # noqa: E402

application = EventStreams(_django)

# On a thread, since a server may import this within its event loop, where nothing may block.
with ThreadPoolExecutor(1, thread_name_prefix="start") as _thread:
    _thread.submit(refuse_unsafe_start).result()
