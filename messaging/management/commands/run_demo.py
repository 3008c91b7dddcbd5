"""Plays one rehearsal on a running stack and says what came of it; its exit code is 0 only if
everything holds.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any, cast

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from rich.console import Console

from messaging.rehearsal import report
from messaging.rehearsal.rehearsal import Account, rehearse
from messaging.rehearsal.report import wide_console
from messaging.rehearsal.service_file import NotRunning, Service, read_service
from tenants import directory
from tenants.audit.verify import verify

_INTERRUPTED = 130
_SHOWN = 40


class Command(BaseCommand):
    help = "Plays the rehearsal on the demonstration's control points of a running stack."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        console = wide_console()
        var = Path(settings.VAR_DIR)
        try:
            service = read_service(var / "service.json", settings.BASE_DIR)
        except NotRunning as error:
            raise CommandError(str(error)) from None
        try:
            connection.ensure_connection()
        except OperationalError as error:
            raise CommandError(f"the stack's database cannot be reached: {error}") from None
        raw = cast(psycopg.Connection, connection.connection)
        try:
            account = asyncio.run(_interruptible(service, var / "demo" / "state", raw, console))
        except asyncio.CancelledError:
            raise SystemExit(_INTERRUPTED) from None
        failures = (*account.failures, *_check_audit(service, console))
        _tell(console, account, failures)
        if failures:
            raise SystemExit(1)


async def _interruptible(
    service: Service, folder: Path, raw: psycopg.Connection, console: Console
) -> Account:
    """SIGTERM and Ctrl-C cancel it, so that links are closed in order."""
    task = asyncio.current_task()
    assert task is not None, "it is run by asyncio"
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await rehearse(
        service,
        folder,
        raw,
        lambda played: console.print(report.scene_line(played), soft_wrap=True),
    )


def _check_audit(service: Service, console: Console) -> list[str]:
    """Both chains from the first entry to the head."""
    broken = []
    for tenant in service.tenants:
        tenant_id = directory.find_tenant(directory.Known.TENANT_NAME, tenant.name.encode())
        if tenant_id is None:
            broken.append(f"{tenant.name} is not enrolled")
            continue
        verdict = verify(tenant_id)
        if verdict.broken is not None:
            where = f"entry {verdict.broken.seq}: {verdict.broken.reason}"
            broken.append(f"the audit chain of {tenant.name} does not hold at {where}")
        else:
            console.print(f"  Audit chain of {tenant.name}: {verdict.head.seq} entries hold")
    return broken


def _tell(console: Console, account: Account, failures: tuple[str, ...]) -> None:
    console.print(report.traffic_table(account))
    console.print(report.hop_table(account))
    for failure in failures[:_SHOWN]:
        console.print(f"  {failure}", style="red", soft_wrap=True)
    records = len(account.books[1].records)
    holds = (
        f"All holds: {records} messages in all three books, none lost, none twice, in order for"
        f" each BM unit, every instruction answered; {account.host.repeats} repeats known as such;"
        " both audit chains whole."
    )
    console.print(report.last_line(failures, holds), soft_wrap=True)
