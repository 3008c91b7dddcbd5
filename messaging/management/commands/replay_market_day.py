"""Replays a day of published market data on a running stack; exits 1 on any difference between what
was sent and what came.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection
from rich.console import Console

from messaging.rehearsal.market.plan import Limits, NothingToReplay, Plan, plan_day
from messaging.rehearsal.market.play import Replayed, replay
from messaging.rehearsal.market.report import flow_table, progress_of, result_lines
from messaging.rehearsal.market.roster import Roster
from messaging.rehearsal.market.rows import BadRow
from messaging.rehearsal.operator_desk import DeskRefused
from messaging.rehearsal.players import NotInTime
from messaging.rehearsal.report import wide_console
from messaging.rehearsal.service_file import NotRunning, Service, read_service
from tenants.directory import AlreadyKnown

_INTERRUPTED = 130
_KNOWN_NUMBERS = """
SELECT bm_unit, max(number) FROM messaging_instruction
WHERE kind = 'BOA' AND bm_unit = ANY(%s) GROUP BY bm_unit
"""


class Command(BaseCommand):
    help = "Replays a day of real acceptances, limits and rates through the running stack."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="with boalf.csv, mel.csv and so on")
        parser.add_argument(
            "--speed", type=_speed, help="times as fast as the day went (default: as it can)"
        )
        parser.add_argument("--date", type=date.fromisoformat, default=date(2022, 1, 1))
        parser.add_argument("--limit", type=_count, help="at most so many acceptances")
        parser.add_argument(
            "--redeclarations", type=_count, help="at most so many (default: as --limit, or all)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        var, console = Path(settings.VAR_DIR), wide_console()
        try:
            service = read_service(var / "service.json", settings.BASE_DIR)
            plan = plan_day(options["folder"], options["date"], datetime.now(UTC), _limits(options))
            for line in plan.lines:
                console.print(f"{line.file:12} {line.words}", soft_wrap=True)
            roster = Roster(var)
            roster.enrol(plan.bm_units, service.simulator_wa)
            known = _known_numbers(plan)
            replayed = asyncio.run(
                _interruptible(plan, service, roster, var, known, options["speed"], console)
            )
        except OperationalError as error:
            raise CommandError(f"the stack's database cannot be reached: {error}") from None
        except (NotRunning, BadRow, NothingToReplay, AlreadyKnown) as error:
            raise CommandError(str(error)) from None
        except (NotInTime, DeskRefused) as error:
            raise CommandError(f"the replay could not go on: {error}") from None
        except asyncio.CancelledError:
            raise SystemExit(_INTERRUPTED) from None
        console.print(flow_table(replayed))
        for words in result_lines(replayed):
            console.print(words, soft_wrap=True)
        if replayed.differences:
            raise SystemExit(1)


async def _interruptible(
    plan: Plan,
    service: Service,
    roster: Roster,
    var: Path,
    known: Mapping[str, int],
    speed: float | None,
    console: Console,
) -> Replayed:
    task = asyncio.current_task()
    assert task is not None, "it is run by asyncio"
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with progress_of(console) as progress:
        return await replay(plan, service, roster, var, known, speed, progress)


def _known_numbers(plan: Plan) -> dict[str, int]:
    """The highest acceptance number of each BM unit that came in an earlier replay."""
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN_NUMBERS, [list(plan.bm_units)])
        return dict(cursor.fetchall())


def _limits(options: Mapping[str, Any]) -> Limits:
    redeclarations = options["redeclarations"]
    return Limits(options["limit"], options["limit"] if redeclarations is None else redeclarations)


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed < float("inf"):
        raise ValueError(text)
    return speed


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count
