"""The one door to a tenant's rows: `tenant_scope` opens a transaction that sees one tenant and
nothing else.

The database enforces it (row policies read `app.tenant_id`, see isolation); this module sets it,
and is loud when it is missing. A scope is a transaction, so it is never held over network I/O.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

from tenants import crash

T = TypeVar("T")


@dataclass(slots=True)
class _Scope:
    tenant_id: UUID
    gathered: dict[Callable[[list[Any]], None], list[Any]] = field(default_factory=dict)


_open: ContextVar[_Scope | None] = ContextVar("tenant_scope", default=None)

_RETRIES = 5
_FIRST_WAIT_S = 0.1


class ScopeError(RuntimeError):
    """A tenant's rows were asked for without a scope, or from within another tenant's: a bug, never
    an input.
    """


def current_tenant() -> UUID | None:
    """The tenant whose scope is open in this context."""
    scope = _open.get()
    return scope.tenant_id if scope else None


def require_tenant() -> UUID:
    """The tenant whose scope is open; raises ScopeError when none is."""
    tenant_id = current_tenant()
    if tenant_id is None:
        raise ScopeError("no tenant scope is open")
    return tenant_id


def require_scope() -> None:
    """Raises ScopeError unless a scope is open. The vendor's staff processes read across tenants
    under their own role.
    """
    if settings.DATABASE_ROLE != "staff":
        require_tenant()


def gather(items: Sequence[T], write: Callable[[list[T]], None]) -> None:
    """Collects `items`, for `write` to get them all at once as the last thing in the open scope's
    transaction.

    Raises ScopeError when no scope is open.
    """
    scope = _open.get()
    if scope is None:
        raise ScopeError("no tenant scope is open")
    scope.gathered.setdefault(write, []).extend(items)


@contextmanager
def tenant_scope(tenant_id: UUID, step: str | None = None) -> Iterator[None]:
    """A transaction in which the database shows this tenant's rows only. `step` names its commit
    (see crash).

    Inside the same tenant's scope it joins that one. Raises ScopeError inside another tenant's.
    """
    open_scope = _open.get()
    if open_scope is not None:
        if open_scope.tenant_id != tenant_id:
            raise ScopeError("a scope for another tenant is open")
        yield
        return
    scope = _Scope(tenant_id)
    token = _open.set(scope)
    try:
        within_another = connection.in_atomic_block
        with transaction.atomic():
            crash.committed(step)
            if within_another:
                _set(str(tenant_id))
            else:
                _begin(tenant_id)
            yield
            for write, items in scope.gathered.items():
                write(items)
            if within_another:
                _set("")
            crash.committing(step)
    finally:
        _open.reset(token)


def in_tenant(tenant_id: UUID, work: Callable[[], T], step: str | None = None) -> T:
    """Runs `work` in a scope, and again from the start when the database connection was lost
    meanwhile. `step` names its commit (see crash).

    The commit of a lost connection may or may not have happened, so `work` must be safe to run
    twice. Inside an open scope there is nothing to retry on its own: the error goes to whoever
    opened that scope.
    """
    if _open.get() is not None or connection.in_atomic_block:
        with tenant_scope(tenant_id):
            return work()
    return reconnecting(lambda: _in_scope(tenant_id, work, step))


def reconnecting(work: Callable[[], T], step: str | None = None) -> T:
    """Runs `work`, again after a pause while the database connection is lost; gives up after about
    three seconds. `step` names what it commits statement by statement.
    """
    if step is not None:
        with crash.sending(step):
            return reconnecting(work)
    wait = _FIRST_WAIT_S
    for _ in range(_RETRIES):
        try:
            return work()
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(wait)
            wait *= 2
    return work()


def _in_scope(tenant_id: UUID, work: Callable[[], T], step: str | None) -> T:
    with tenant_scope(tenant_id, step):
        return work()


def _begin(tenant_id: UUID) -> None:
    """The transaction and the tenant in one round trip, which every message's latency has several
    of: Django and its driver would take one for each.
    """
    pgconn = connection.connection.pgconn
    if pgconn.transaction_status != TransactionStatus.IDLE:
        _set(str(tenant_id))
        return
    written = UUID(int=tenant_id.int)  # nothing else can be written into a statement here
    with connection.wrap_database_errors:
        result = pgconn.exec_(f"BEGIN; SET LOCAL app.tenant_id = '{written}'".encode())
        if pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError("the connection is lost")
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)


def _set(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [value])
