"""Logins and bearer tokens of endpoints that lead to the Single Markets Platform. Password and
token are sealed in the database, and are neither logged nor shown.

All processes share one token. Of all of them one asks for the next, before it ends; the others go
on with the old one while it lasts, and wait for no longer than an answer may take. Where the one
that asks dies, the next that looks asks instead.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from messaging.protocols.base import RemoteProtocolError
from messaging.protocols.neso.smp.codec import Token
from messaging.protocols.neso.smp.profile import ServiceName
from messaging.relay import signing
from messaging.relay.crash_points import Step
from messaging.relay.smp.places import Platform
from messaging.smp_models import SmpLogin
from messaging.transports.base import TransportError, Unreachable
from messaging.transports.https import post
from tenants import ownership, vault
from tenants.audit import ledger
from tenants.audit.events import THE_SERVICE, Event, Fact
from tenants.clock import now
from tenants.ids import new_id
from tenants.scope import in_tenant, require_tenant

PASSWORD: Final = "smp password"  # noqa: S105 - what the vault binds a password to
TOKEN: Final = "smp token"  # noqa: S105 - likewise
BEFORE_END: Final = timedelta(seconds=60)
"""So long before its end, but never more than a fifth of its life, a token is replaced."""

AGAIN_AFTER_REFUSAL: Final = timedelta(seconds=60)
"""A login that was refused is not tried again before: too many would lock it."""

_LOOK_AGAIN_S: Final = 0.1
_ROOM: Final = timedelta(seconds=10)


class NoLogin(Exception):
    """There is no login, or the platform refuses it: a person must set one."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """What goes into Authorization."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _MayAsk:
    """Nobody else asks meanwhile."""

    login_id: UUID
    owner: int
    username: str
    password: str = field(repr=False)
    set_at: datetime


def set_login(endpoint_id: UUID, username: str, password: str, by: str) -> SmpLogin:
    """In the open scope. What was known of an old one is forgotten."""
    row = SmpLogin.objects.select_for_update().filter(endpoint_id=endpoint_id).first()
    row = row or SmpLogin(id=new_id(), tenant_id=require_tenant(), endpoint_id=endpoint_id)
    row.username, row.set_at, row.set_by = username, now(), by
    row.password = vault.seal(password.encode(), PASSWORD, row.id)
    row.token = row.token_from = row.token_until = row.refused_at = None
    row.refreshing_until = row.owner = None
    row.save()
    detail = {"endpoint": endpoint_id, "username": username, "by": by}
    ledger.record(Fact(Event.LOGIN_SET, row.set_at, detail=detail))
    return row


def password_of(endpoint_id: UUID) -> str | None:
    """In the open scope: for who must compare it, and never to be shown."""
    row = SmpLogin.objects.filter(endpoint_id=endpoint_id).first()
    return vault.unseal(bytes(row.password), PASSWORD, row.id).decode() if row else None


def bearer(tenant_id: UUID, platform: Platform, refused: Bearer | None = None) -> Bearer:
    """A token in force other than `refused`. Outside any scope, as it may have to be asked for.

    Raises NoLogin, and TransportError where the platform gave no answer that counts: nothing but
    the login was sent.
    """
    seconds, owner = platform.read.answer_seconds, ownership.owner()
    deadline = time.monotonic() + 2 * seconds
    look = partial(_find, platform, refused, owner)
    while True:
        found = in_tenant(tenant_id, look, Step.SMP_LOGIN_TURN)
        if isinstance(found, Bearer):
            return found
        if isinstance(found, _MayAsk):
            return _ask(tenant_id, platform, found)
        if time.monotonic() > deadline:
            raise Unreachable("another process asks for a token and gets no answer")
        time.sleep(_LOOK_AGAIN_S)


def _find(platform: Platform, refused: Bearer | None, owner: int) -> Bearer | _MayAsk | None:
    """None where somebody else asks for a token, and none is in force."""
    row = SmpLogin.objects.select_for_update().filter(endpoint_id=platform.id).first()
    if row is None:
        raise NoLogin("no login is set for the Single Markets Platform")
    at = now()
    token = _in_force(row, at, refused)
    if token is not None and (not _is_ending(row, at) or _is_being_asked(row, at)):
        return token
    if _is_being_asked(row, at):
        return None
    if row.refused_at is not None and at < row.refused_at + AGAIN_AFTER_REFUSAL:
        raise NoLogin("the platform refuses the login that is set")
    row.refreshing_until = at + timedelta(seconds=platform.read.answer_seconds) + _ROOM
    row.owner = owner
    row.save(update_fields=["refreshing_until", "owner"])
    password = vault.unseal(bytes(row.password), PASSWORD, row.id).decode()
    return _MayAsk(row.id, owner, row.username, password, row.set_at)


def _in_force(row: SmpLogin, at: datetime, refused: Bearer | None) -> Bearer | None:
    if row.token is None or row.token_until is None or at >= row.token_until:
        return None
    token = Bearer(vault.unseal(bytes(row.token), TOKEN, row.id).decode())
    return None if token == refused else token


def _is_ending(row: SmpLogin, at: datetime) -> bool:
    assert row.token_until is not None, "a token that is in force has an end"
    assert row.token_from is not None, "and a beginning"
    return at >= row.token_until - min(BEFORE_END, (row.token_until - row.token_from) / 5)


def _is_being_asked(row: SmpLogin, at: datetime) -> bool:
    return ownership.is_held(row.owner, row.refreshing_until, at)


def _ask(tenant_id: UUID, platform: Platform, asking: _MayAsk) -> Bearer:
    at = now()
    try:
        token = _authenticate(tenant_id, platform, asking)
    except BaseException as error:
        refused_at = now() if isinstance(error, NoLogin) else None
        work = partial(_let_go, platform, asking, refused_at)
        in_tenant(tenant_id, work, Step.SMP_LOGIN_LEFT)
        raise
    in_tenant(tenant_id, lambda: _keep(platform, asking, token, at), Step.SMP_LOGIN_KEPT)
    return Bearer(token.text)


def _authenticate(tenant_id: UUID, platform: Platform, asking: _MayAsk) -> Token:
    """Raises NoLogin, TransportError."""
    codec, seconds = platform.codec, platform.read.answer_seconds
    keys = in_tenant(tenant_id, lambda: signing.credentials_for(platform.sealing).connection)
    service = codec.profile.services[ServiceName.AUTHENTICATE]
    try:
        answer = post(
            platform.address + service.path,
            codec.login(asking.username, asking.password),
            {"Content-Type": "application/json"},
            context=keys.context,
            identity=keys.identity,
            seconds=seconds,
            step=Step.SMP_LOGIN,
        )
    except TransportError as error:
        # Whatever became of it, nothing but a login was sent.
        raise Unreachable(f"no token: {error}") from None
    if answer.status in (401, 403):
        raise NoLogin(f"the platform refuses the login: HTTP {answer.status}")
    if answer.status != 200 or len(answer.body) > service.max_bytes:
        raise Unreachable(f"no token: HTTP {answer.status}")
    try:
        return codec.token(answer.body)
    except RemoteProtocolError as error:
        raise Unreachable(f"no token: {error.text}") from None


def _keep(platform: Platform, asking: _MayAsk, token: Token, asked_at: datetime) -> None:
    row = _same(asking)
    if row is None:
        return
    row.token = vault.seal(token.text.encode(), TOKEN, row.id)
    row.token_from, row.token_until = asked_at, asked_at + timedelta(seconds=token.seconds)
    row.refreshing_until = row.owner = row.refused_at = None
    row.save()
    detail = {
        "endpoint": platform.id,
        "username": row.username,
        "seconds": token.seconds,
        "by": THE_SERVICE,
    }
    ledger.record(Fact(Event.LOGGED_IN, now(), detail=detail))


def _let_go(platform: Platform, asking: _MayAsk, refused_at: datetime | None) -> None:
    row = _same(asking)
    if row is None:
        return
    row.refreshing_until, row.owner, row.refused_at = None, None, refused_at
    row.save(update_fields=["refreshing_until", "owner", "refused_at"])
    if refused_at is not None:
        detail = {
            "endpoint": platform.id,
            "username": row.username,
            "text": "the platform refuses the login",
        }
        ledger.record(Fact(Event.ALARMED, refused_at, detail=detail))


def _same(asking: _MayAsk) -> SmpLogin | None:
    """None where another login was set meanwhile, which this token is not for, or where another
    process asks by now.
    """
    return (
        SmpLogin.objects.select_for_update()
        .filter(id=asking.login_id, set_at=asking.set_at, owner=asking.owner)
        .first()
    )
