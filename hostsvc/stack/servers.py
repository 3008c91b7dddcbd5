"""The database and the broker of a local stack: embedded ones, or those that DATABASE_URL and
REDIS_URL name.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg

from hostsvc.embedded import EmbeddedPostgres, EmbeddedRedis
from hostsvc.stack.layout import write_private
from hostsvc.supervisor import Child

ROLES = ("owner", "app", "staff")
ROLES_SQL = Path(__file__).resolve().parent.parent / "database" / "roles.sql"
_URL_OF = {"app": "DATABASE_URL", "owner": "DATABASE_OWNER_URL", "staff": "DATABASE_STAFF_URL"}


class BadServer(Exception):
    """A server that was named cannot serve; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Programs to start first, none where both servers are elsewhere, and the URLs of both."""

    children: tuple[Child, ...]
    urls: dict[str, str]


def find_servers(var: Path, given: Mapping[str, str] = os.environ) -> Servers:
    """Raises BadServer or EmbeddedError."""
    children: list[Child] = []
    if "DATABASE_URL" in given:
        urls = _external(var, given)
    else:
        postgres = EmbeddedPostgres(var / "postgres")
        postgres.prepare()
        children.append(postgres.child())
        urls = {_URL_OF[role]: postgres.url(role) for role in ROLES}  # type: ignore[arg-type]
    if "REDIS_URL" in given:
        urls["REDIS_URL"] = given["REDIS_URL"]
    else:
        redis = EmbeddedRedis(var / "redis")
        redis.prepare()
        children.append(redis.child())
        urls["REDIS_URL"] = redis.url()
    return Servers(tuple(children), urls)


def _external(var: Path, given: Mapping[str, str]) -> dict[str, str]:
    """With the owner's and staff's URLs beside it, as they are; else the roles are made with the
    powers of the one URL.
    """
    missing = [name for name in _URL_OF.values() if name not in given]
    if not missing:
        return {name: given[name] for name in _URL_OF.values()}
    url = given["DATABASE_URL"]
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            if not _may_make_roles(connection):
                raise BadServer(
                    "the role of DATABASE_URL may not create roles,"
                    f" so {' and '.join(missing)} must be set too"
                )
            passwords = _kept_passwords(var / "database-passwords.json")
            _make_roles(connection, passwords)
    except psycopg.Error as error:
        raise BadServer(f"DATABASE_URL: {error}") from None
    return {_URL_OF[role]: _as_role(url, f"hostsvc_{role}", passwords[role]) for role in ROLES}


def _may_make_roles(connection: psycopg.Connection) -> bool:
    row = connection.execute(
        "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    return bool(row and row[0])


def _make_roles(connection: psycopg.Connection, passwords: dict[str, str]) -> None:
    for role in ROLES:
        connection.execute(
            "SELECT set_config(%s, %s, false)", [f"hostsvc.{role}_password", passwords[role]]
        )
    connection.execute(ROLES_SQL.read_bytes())


def _kept_passwords(path: Path) -> dict[str, str]:
    if not path.exists():
        write_private(path, json.dumps({role: secrets.token_urlsafe(24) for role in ROLES}))
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {role: str(kept[role]) for role in ROLES}
    except (ValueError, KeyError, TypeError):
        raise BadServer(f"{path} is damaged: remove it, and new passwords are set") from None


def _as_role(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.hostname or ""
    if parts.port:
        place = f"{place}:{parts.port}"
    netloc = f"{quote(user)}:{quote(password)}@{place}"
    path = parts.path if unquote(parts.path.lstrip("/")) else "/postgres"
    return urlunsplit((parts.scheme, netloc, path, parts.query, ""))
