"""A trading point of alice's without a file server: files given to the relay as a collector gives
them, and replies found in the directory that the tenant sees.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from messaging.domain.clock import half_hour_of, next_operational_day_start
from messaging.models import Connection, Delivery, Due
from messaging.relay import from_trading_point
from messaging.relay.deliver import deliver
from messaging.relay.from_trading_point import Arrived, Filed
from messaging.states import Lane
from messaging.transports.directories import Directories
from tenants import endpoints
from tenants.clock import now
from tenants.endpoints import Draft
from tenants.models import Environment
from tenants.scope import tenant_scope
from tests.minutes import minute
from tests.people import Person
from tests.protocols.edt.rows import GOLDEN

UNIT, OTHER = "ALICP1-1", "ALICP2-2"
_HALF_HOUR = timedelta(minutes=30)


@dataclass(slots=True)
class Trading:
    """`sent` counts the files that were given in, so that each has a moment of its own."""

    person: Person
    endpoint_id: UUID
    folder: Path
    sent: int = 0

    @property
    def agent(self) -> str:
        return f"{self.person.name[:3].upper()}TA"

    def name(self, sequence: int) -> str:
        return f"{self.agent}_{sequence:06d}.sub"

    def arrived(self, name: str, content: bytes) -> Arrived:
        self.sent += 1
        path = self.folder / f"taking-{self.sent}"
        path.write_bytes(content)
        return Arrived(self.person.tenant_id, self.endpoint_id, name, path, now())

    def leave(self, name: str, content: bytes | Iterable[str]) -> Filed:
        """A file is there: it is taken."""
        if not isinstance(content, bytes):
            content = "".join(f"{line}\n" for line in content).encode()
        return from_trading_point.take(self.arrived(name, content))

    def carry(self) -> None:
        """Replies are brought to where the tenant finds them."""
        with tenant_scope(self.person.tenant_id):
            rows = Delivery.objects.filter(lane=Lane.FILES, endpoint_id=self.endpoint_id)
            waiting = list(rows.filter(state="PENDING").order_by("position"))
        for row in waiting:
            deliver(self.person.tenant_id, row.id, large=True)

    def submit(self) -> None:
        """What was taken is brought to the operator, or tried."""
        with tenant_scope(self.person.tenant_id):
            rows = Delivery.objects.filter(lane=Lane.OPERATOR, queue=f"{self.agent} submissions")
            waiting = list(rows.exclude(state="ACKNOWLEDGED").order_by("position"))
        for row in waiting:
            deliver(self.person.tenant_id, row.id, large=True)

    def replies(self) -> dict[str, str]:
        """All that the tenant finds, once what waits has been carried."""
        self.carry()
        folder = Directories.of(self.person.tenant_id, self.endpoint_id).incoming
        if not folder.exists():
            return {}
        return {path.name: path.read_text("ascii") for path in sorted(folder.iterdir())}

    def clear(self) -> None:
        """The tenant removes its replies."""
        self.carry()
        for path in Directories.of(self.person.tenant_id, self.endpoint_id).incoming.iterdir():
            path.unlink()


def golden(what: str) -> str:
    """A reply file named for what happened."""
    return (GOLDEN / "replies" / what).read_text("ascii")


def open_trading_point(person: Person, folder: Path, name: str, **settings: object) -> Trading:
    with tenant_scope(person.tenant_id):
        draft = Draft(name, "edt", "sftp", Environment.SIMULATOR, settings=settings)
        return Trading(person, endpoints.add(draft).id, folder)


def forget_what_waits(person: Person) -> None:
    with tenant_scope(person.tenant_id):
        Delivery.objects.update(state="ABANDONED")
        Connection.objects.all().delete()
    Due.objects.all().delete()


def first_time() -> datetime:
    """A half-hour whose gate closes hours from now."""
    return half_hour_of(minute()) + timedelta(hours=6)


def notification(agent: str, *levels: int, unit: str = UNIT) -> list[str]:
    """A PN for so many half-hours, less one."""
    start, lines = first_time(), []
    for index in range(len(levels) - 1):
        begin = start + _HALF_HOUR * index
        end = begin + _HALF_HOUR
        times = f"{begin:%Y-%m-%d %H:%M},{levels[index]},{end:%Y-%m-%d %H:%M},{levels[index + 1]}"
        lines.append(f"PN,{agent},{unit},{times}")
    return lines


def scalar(agent: str, value: int = 5, unit: str = UNIT) -> str:
    """An NDZ that is due after all gates of a notification, at any time of day."""
    effective = next_operational_day_start(minute() + timedelta(days=1))
    return f"NDZ,{agent},{unit},{effective:%Y-%m-%d %H:%M},{value}"
