"""The sessions of this process, and their end: when their login is revoked, their endpoint is
changed so that they would not be let in, and for each endpoint too many at once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.conf import settings

from messaging.files.entry import Admitted, Attempt, fault_of
from tenants.ids import HOUSE
from tenants.keys.reaction import Reaction
from tenants.models import FileLogin
from tenants.scope import in_tenant

_log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Session:
    """`close` ends it, from any thread."""

    who: Admitted
    attempt: Attempt
    close: Callable[[], None]


class Sessions:
    """Of one process; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[UUID, set[Session]] = {}
        self._each: Counter[UUID] = Counter()
        self._reaction = Reaction("file sessions", self._look_at)

    def enter(self, session: Session) -> bool:
        """No, where its endpoint or this process has as many as it may."""
        who = session.who
        with self._lock:
            if (
                self._each[who.endpoint_id] >= settings.FILES_SESSIONS
                or self._each.total() >= settings.FILES_SESSIONS_ALL
            ):
                return False
            self._each[who.endpoint_id] += 1
            self._open.setdefault(who.tenant_id, set()).add(session)
        self._reaction.start()
        # It may have been revoked since it was looked up.
        self._reaction.look_at(who.tenant_id)
        return True

    def leave(self, session: Session) -> None:
        who = session.who
        with self._lock:
            here = self._open.get(who.tenant_id, set())
            if session not in here:
                return
            here.discard(session)
            if not here:
                del self._open[who.tenant_id]
            self._each[who.endpoint_id] -= 1
            if not self._each[who.endpoint_id]:
                del self._each[who.endpoint_id]

    def close_all(self) -> None:
        with self._lock:
            held = [session for sessions in self._open.values() for session in sessions]
        for session in held:
            session.close()

    def __len__(self) -> int:
        return self._each.total()

    def _look_at(self, who: UUID | None) -> None:
        """On the reaction's thread."""
        if who == HOUSE:
            return
        with self._lock:
            held = {tenant: list(sessions) for tenant, sessions in self._open.items()}
        for tenant_id, sessions in held.items():
            if who is None or who == tenant_id:
                for session in _to_be_closed(tenant_id, sessions):
                    _log.info("file session closed", username=session.who.username)
                    session.close()


def _to_be_closed(tenant_id: UUID, sessions: list[Session]) -> list[Session]:
    logins = {session.who.login_id for session in sessions}

    def read() -> dict[UUID, FileLogin]:
        rows = FileLogin.objects.select_related("endpoint")
        return {row.id: row for row in rows.filter(id__in=logins, revoked_at__isnull=True)}

    found = in_tenant(tenant_id, read)
    return [
        session
        for session in sessions
        if (row := found.get(session.who.login_id)) is None
        or fault_of(row.endpoint, session.attempt)
    ]
