"""The process that trading points connect to: SFTP on the event loop, FTPS on threads beside it.

One process for both, so that what a trading point may have open at once is counted in one place and
a revocation has one place to act; FTP's library blocks, and so has threads of its own.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog
from django.conf import settings

from messaging.edge import refusals
from messaging.files import ftps, host_key, sftp
from messaging.files.sessions import Sessions
from messaging.files.wake import wake_collector

Wake = Callable[[UUID, UUID], None]
"""Told of a tenant and an endpoint of its where a file is complete."""

THREADS = 16
CLOSED_WITHIN = 8.0

_log = structlog.get_logger(__name__)


async def run() -> None:
    """Listens; returns after SIGTERM or SIGINT, with every session closed."""
    for library in ("asyncssh", "pyftpdlib"):
        logging.getLogger(library).setLevel(logging.WARNING)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with serving():
            await stop.wait()
    finally:
        await asyncio.to_thread(refusals.close)


@asynccontextmanager
async def serving(wake: Wake = wake_collector) -> AsyncIterator[None]:
    """Both servers, until the end of the block and of every session. Raises OSError."""
    sessions = Sessions()
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="files")
    house = sftp.House(threads, sessions, wake)
    by_ssh = await sftp.listen(house, *settings.SFTP_LISTEN, host_key.private_key())
    by_tls = ftps.server(ftps.Shared(sessions, wake), _listening())
    by_tls.start()
    _log.info("file server listens", sftp=settings.SFTP_LISTEN, ftps=settings.FTPS_LISTEN)
    try:
        yield
    finally:
        by_ssh.close()
        sessions.close_all()
        with suppress(TimeoutError):
            await asyncio.wait_for(by_ssh.wait_closed(), CLOSED_WITHIN)
        await asyncio.to_thread(by_tls.stop)
        await asyncio.to_thread(threads.shutdown)


def _listening() -> ftps.Listening:
    host, port = settings.FTPS_LISTEN
    return ftps.Listening(
        host,
        port,
        settings.TLS_CERTIFICATE,
        settings.TLS_KEY,
        settings.FTPS_DATA_PORTS,
        settings.FTPS_ADDRESS,
    )
