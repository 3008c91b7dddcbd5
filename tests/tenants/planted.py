"""The tables of the database as its catalogue lists them, a row of a tenant's in any of them, and
the prover that tries whatever one role may try against another tenant's row.

Nothing here names a table, but for the two whose rows must fit a check of their own: a table that
is added is proved as soon as its migration is there.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

_TABLES = """
SELECT c.relname, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
       ARRAY(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid),
       EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'm', 'v', 'f') ORDER BY c.relname
"""
# Not the information schema, which hides what the asking role may not reach.
_COLUMNS = """
SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
"""
_UNIQUE = """
SELECT c.relname, t.relname, i.indisprimary,
       ARRAY(SELECT coalesce(a.attname, '')::text
             FROM unnest(i.indkey::int[]) WITH ORDINALITY AS k(n, o)
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.o)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
WHERE i.indisunique AND t.relname = ANY(%s)
"""

TENANTS = "tenants_tenant"
"""The one table whose tenant is the row itself."""

_VALUES: Mapping[str, Callable[[], Any]] = {
    "uuid": uuid4,
    "text": lambda: secrets.token_hex(4),
    "varchar": lambda: secrets.token_hex(4),
    "bool": lambda: False,
    "timestamptz": lambda: datetime.now(UTC),
    "jsonb": lambda: "{}",
    "bytea": lambda: secrets.token_bytes(32),
    "int2": lambda: 1,
    "int4": lambda: 1,
    "int8": lambda: secrets.randbelow(10**8),
    "numeric": lambda: 1,
}


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    is_partition: bool
    is_secured: bool
    is_forced: bool
    policies: frozenset[str]
    has_tenant: bool

    @property
    def tenant_column(self) -> str:
        return "id" if self.name == TENANTS else "tenant_id"

    @property
    def month(self) -> date:
        """Which month's rows it holds, where it is a partition; else the present one."""
        found = re.search(r"_(\d{4})_(\d{2})$", self.name) if self.is_partition else None
        if found is None:
            return datetime.now(UTC).date().replace(day=1)
        return date(int(found[1]), int(found[2]), 1)


def tables(session: psycopg.Connection) -> list[Table]:
    """Every relation of ours that holds rows, partitions and views among them."""
    rows = session.execute(_TABLES).fetchall()
    return [Table(n, p, s, f, frozenset(policies), t) for n, p, s, f, policies, t in rows]


def unique_indexes(
    session: psycopg.Connection, names: list[str]
) -> list[tuple[str, str, bool, list[str]]]:
    """Name, table, whether it is the primary key, and columns."""
    return session.execute(_UNIQUE, [names]).fetchall()


def row_for(session: psycopg.Connection, table: Table, tenant_id: UUID) -> dict[str, Any]:
    """Values of all columns that must have one, made anew. Whoever may read the catalogue may
    ask.
    """
    columns = session.execute(_COLUMNS, [table.name]).fetchall()
    row = {name: _value(table, name, kind) for name, kind in columns}
    row[table.tenant_column] = tenant_id
    if "audit_body" in table.name:
        row["digest"] = hashlib.sha256(row["content"]).digest()
    if table.name == "tenants_certificate":
        row["state"] = "REQUESTED"
    return row


def insert(
    session: psycopg.Connection, table: Table, row: Mapping[str, Any], ending: str = ""
) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) {}").format(
        sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() for _ in row),
        sql.SQL(ending),
    )
    session.execute(statement, list(row.values()))


def plant(superuser: psycopg.Connection, table: Table, tenant_id: UUID) -> None:
    """Puts a row of the tenant's there unless there can be one only and is, past triggers and
    foreign keys; the superuser sees no policies.
    """
    superuser.execute("SET LOCAL session_replication_role = replica")
    row = row_for(superuser, table, tenant_id)
    insert(superuser, table, row, "ON CONFLICT DO NOTHING")
    superuser.execute("SET LOCAL session_replication_role = origin")


def breaches(
    session: psycopg.Connection,
    table: Table,
    hers: UUID,
    scope: UUID | None,
    *,
    may_read: bool = False,
) -> list[str]:
    """What the session's role can do to a row of hers from within another's scope, or from none:
    the prover. Whatever it does is undone.
    """
    session.execute("SELECT set_config('app.tenant_id', %s, true)", [str(scope or "")])
    name, column = sql.Identifier(table.name), sql.Identifier(table.tenant_column)
    statements = {
        "read": sql.SQL("SELECT 1 FROM {} WHERE {} = %(hers)s"),
        "counted": sql.SQL(
            "SELECT 1 FROM (SELECT count(*) AS n FROM {} WHERE {} = %(hers)s) AS c WHERE n > 0"
        ),
        "changed": sql.SQL("UPDATE {0} SET {1} = {1} WHERE {1} = %(hers)s"),
        "taken over": sql.SQL("UPDATE {0} SET {1} = %(his)s WHERE {1} = %(hers)s"),
        "deleted": sql.SQL("DELETE FROM {} WHERE {} = %(hers)s"),
    }
    values = {"hers": hers, "his": scope or uuid4()}
    found = []
    for verb, statement in statements.items():
        if may_read and verb in {"read", "counted"}:
            continue
        asked = partial(session.execute, statement.format(name, column), values)
        if reached := _tried(session, asked):
            found.append(f"{verb}: {reached}")
    row = row_for(session, table, hers)
    if reached := _tried(session, partial(insert, session, table, row), refusal=True):
        found.append(f"added: {reached}")
    return found


def _tried(
    session: psycopg.Connection, attempt: Callable[[], Any], *, refusal: bool = False
) -> str | None:
    """None where the attempt reached no row: the role may not, or saw none. Where a `refusal` is
    wanted, nothing else will do: another error would be one that the row's absence decides.
    """
    try:
        with session.transaction(force_rollback=True):
            cursor = attempt()
            if refusal:
                return "it was taken"
            return f"{cursor.rowcount} rows" if cursor.rowcount else None
    except psycopg.errors.InsufficientPrivilege:
        return None
    except psycopg.Error as error:
        return f"{type(error).__name__}: {error}"


def _value(table: Table, name: str, kind: str) -> Any:
    if kind == "date":
        return table.month
    return _VALUES[kind]()
