"""The word that a chain has grown, and the end of the process that gives it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

from redis import Redis

from tenants.audit.pulse import CHANNEL
from tests.servers import ROOT, TestServers

_BEAT_AND_END = """
import sys, uuid, django
django.setup()
from tenants.audit import pulse
pulse.beat(uuid.UUID(sys.argv[1]))
"""


def test_a_process_that_ends_at_once_has_published_what_it_noted_and_does_not_hang(
    servers: TestServers,
) -> None:
    """A thread left in the middle of it would keep the client's lock, and the process, for ever."""
    tenant = uuid.uuid4()
    with Redis.from_url(servers.redis) as redis, redis.pubsub() as heard:
        heard.subscribe(CHANNEL)
        assert heard.get_message(timeout=10) is not None
        subprocess.run(
            [sys.executable, "-c", _BEAT_AND_END, str(tenant)],
            env=os.environ | servers.environment("none"),
            cwd=ROOT,
            check=True,
            timeout=60,
        )
        beats = iter(lambda: heard.get_message(timeout=10), None)
        assert any(beat["data"] == tenant.bytes for beat in beats)
