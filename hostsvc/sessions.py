"""Sessions of the vendor's staff in the database, under digests of their keys: whoever reads a dump
of it can show no cookie.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.utils import timezone


def stored(session_key: str) -> str:
    """What stands in the table for a cookie's key: as long as the column is, 160 bits."""
    return hashlib.sha256(b"session" + session_key.encode()).hexdigest()[:40]


class SessionStore(DatabaseStore):
    """Django's own but for the name a session is stored under."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: Any) -> Session:
        made = super().create_model_instance(data)
        assert isinstance(made, Session)
        made.session_key = stored(made.session_key)
        return made

    def _get_session_from_db(self) -> Session | None:
        if self.session_key is None:
            return None
        row: Session | None = _found(self.session_key).first()
        if row is None:
            self._session_key = None
        return row

    async def _aget_session_from_db(self) -> Session | None:
        if self.session_key is None:
            return None
        row: Session | None = await _found(self.session_key).afirst()
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(session_key=stored(session_key)).exists()

    async def aexists(self, session_key: str) -> bool:
        return await Session.objects.filter(session_key=stored(session_key)).aexists()

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(session_key=stored(key)).delete()

    async def adelete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            await Session.objects.filter(session_key=stored(key)).adelete()


def _found(session_key: str) -> Any:
    return Session.objects.filter(session_key=stored(session_key), expire_date__gt=timezone.now())
