"""PostgreSQL and Redis for a machine with nothing installed; a production run brings its own."""

from __future__ import annotations

from hostsvc.embedded.errors import EmbeddedError
from hostsvc.embedded.postgres import EmbeddedPostgres
from hostsvc.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedError", "EmbeddedPostgres", "EmbeddedRedis"]
