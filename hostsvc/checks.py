"""Refuses to start in production on a weak set-up: each check names what is weak, and its hint what
to do. What the database must promise is checked beside the wall (tenants.checks).

docs/deploy.md has them all in a table.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core import checks

from tenants.checks import START

SECRET_KEY_LENGTH = 32
_FEWEST_CHARACTERS = 12
_FEWEST_BYTES = 16
"""Of 32 random bytes hardly ever fewer than 24 are different."""

_KNOWN_KEYS = frozenset(
    hashlib.sha256(key).digest()
    for key in (bytes(32), b"\xff" * 32, bytes(range(32)), b"0123456789abcdef" * 2)
)
_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
_READABLE_BY_OTHERS = stat.S_IROTH
_ENTERED_BY_OTHERS = stat.S_IXOTH
_MOST_OF_A_TUNNEL = 2**16
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH

Found = Iterator[checks.CheckMessage]


def in_production(check: Callable[[], Found]) -> Callable[..., list[checks.CheckMessage]]:
    """Registers a check that says nothing of a development set-up."""

    def run(**_: Any) -> list[checks.CheckMessage]:
        return list(check()) if settings.MODE == "production" else []

    run.__name__ = check.__name__
    checks.register(run, START)
    return run


@in_production
def debug_is_off() -> Found:
    if settings.DEBUG:
        yield _error("E010", "DEBUG is on", "Pages of errors would show settings and data.")


@in_production
def secret_key_is_strong() -> Found:
    """It signs the sessions of the admin."""
    key = settings.SECRET_KEY
    weak = (
        len(key) < SECRET_KEY_LENGTH
        or len(set(key)) < _FEWEST_CHARACTERS
        or key.startswith("django-insecure-")
    )
    if weak:
        text = f"HOSTSVC_SECRET_KEY is shorter than {SECRET_KEY_LENGTH} characters or not random"
        yield _error("E011", text, "Make one: head -c 32 /dev/urandom | base64")


@in_production
def hosts_are_named() -> Found:
    if not settings.ALLOWED_HOSTS or any("*" in host for host in settings.ALLOWED_HOSTS):
        text = "HOSTSVC_ALLOWED_HOSTS does not name the hosts"
        yield _error("E012", text, "Name those under which web and admin are reached, without *.")


@in_production
def master_key_is_random() -> Found:
    """Under it lies every private key of every tenant, and under those before it what has not been
    sealed anew. A key provider of another kind has no key here.
    """
    keys = [("HOSTSVC_MASTER_KEY", settings.MASTER_KEY)] if settings.MASTER_KEY else []
    keys += [("HOSTSVC_MASTER_KEY_PREVIOUS", key) for key in settings.MASTER_KEYS_PREVIOUS]
    for name, key in keys:
        if reason := weakness_of_key(key):
            hint = "Make one before the first start: head -c 32 /dev/urandom | base64"
            yield _error("E013", f"{name} {reason}", hint)


@in_production
def secret_files_are_private() -> Found:
    for name, path in settings.SECRET_FILES.items():
        reason = exposure_of(path)
        if reason:
            hint = "Take the rights away: chmod o-rwx,g-w on it, or on a folder above it."
            yield _error("E014", f"{path}, which {name} names, {reason}", hint)


@in_production
def tls_key_is_private() -> Found:
    """Where this process has it."""
    if settings.TLS_KEY.exists() and (reason := exposure_of(settings.TLS_KEY)):
        hint = "Take the rights away: chmod o-rwx,g-w on it, or on a folder above it."
        yield _error("E015", f"the listeners' key {settings.TLS_KEY} {reason}", hint)


@in_production
def database_is_reached_by_tls() -> Found:
    database = settings.DATABASES["default"]
    host, mode = database["HOST"], database.get("OPTIONS", {}).get("sslmode", "prefer")
    if _is_trusted_place(host):
        return
    if mode not in _ENCRYPTED:
        hint = (
            "Add ?sslmode=verify-full&sslrootcert=FILE to its URL, or name the server in"
            " HOSTSVC_PLAIN_SERVERS where a network that is only yours leads to it."
        )
        yield _error("E016", f"PostgreSQL at {host} is reached without TLS", hint)
    elif mode == "require":
        hint = "Add sslmode=verify-full and sslrootcert=FILE to its URL."
        text = f"PostgreSQL at {host} is reached by TLS, but anybody's certificate will do"
        yield checks.Warning(text, hint=hint, id="hostsvc.W016")


@in_production
def broker_is_reached_by_tls_and_asks_for_a_password() -> Found:
    parts = urlsplit(settings.REDIS_URL)
    host = parts.hostname or ""
    if parts.scheme == "unix" or _is_local(host):
        return
    if not unquote(parts.password or ""):
        hint = "Set requirepass there, and redis://:PASSWORD@... here."
        yield _error("E017", f"Redis at {host} asks for no password", hint)
    if parts.scheme != "rediss" and not _is_trusted_place(host):
        hint = (
            "Use rediss://, or name the server in HOSTSVC_PLAIN_SERVERS where a network that is"
            " only yours leads to it."
        )
        yield _error("E018", f"Redis at {host} is reached without TLS", hint)


@in_production
def plain_links_come_out_of_tunnels() -> Found:
    """Where control points may connect without TLS."""
    if settings.EDL_PLAIN_LISTEN is None:
        return
    if not settings.EDL_TUNNELS:
        hint = "Name each tenant's in HOSTSVC_EDL_TUNNELS, or leave HOSTSVC_EDL_PLAIN_LISTEN out."
        yield _error("E019", "EDL without TLS is listened for, and nobody has a tunnel", hint)
    for participant, network in settings.EDL_TUNNELS:
        if network.is_global or network.num_addresses > _MOST_OF_A_TUNNEL:
            text = f"{network}, from which {participant} may connect without TLS, is no tunnel"
            hint = "Name the private network, of /16 (IPv6: /112) at most, that it leads to."
            yield _error("E020", text, hint)


@in_production
def nobody_is_to_die() -> Found:
    """Crashes are rehearsed elsewhere."""
    if settings.CRASH_AT:
        yield _error("E021", "HOSTSVC_CRASH_AT is set", "Leave it out: it is for rehearsals.")


def weakness_of_key(key: bytes) -> str:
    """Why 32 bytes are no random key, or nothing. Tells nothing of the key itself."""
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    if hashlib.sha256(key).digest() in _KNOWN_KEYS:
        return "is a known one"
    if len(set(key)) < _FEWEST_BYTES:
        return "has too few different bytes"
    if len(steps) == 1 or key[: len(key) // 2] == key[len(key) // 2 :]:
        return "follows a pattern"
    if all(0x20 <= byte < 0x7F for byte in key):
        return "is text, and so was typed and not drawn"
    return ""


def exposure_of(path: Path) -> str:
    """Who beside its owner can get at a file, or nothing.

    A folder that others can't enter guards what is in it. A file that is a mount of its own is a
    container's secret: who enters the container, and the folder that it comes from, is decided
    outside.
    """
    try:
        place = path.resolve(strict=True)
        mode = place.stat().st_mode
    except OSError:
        return ""
    if not stat.S_ISREG(mode) or os.path.ismount(place):
        return ""
    if mode & _WRITABLE:
        return "can be written by others"
    entered = all(one.stat().st_mode & _ENTERED_BY_OTHERS for one in place.parents)
    return "can be read by others" if mode & _READABLE_BY_OTHERS and entered else ""


def _is_trusted_place(host: str) -> bool:
    return _is_local(host) or host in settings.PLAIN_SERVERS


def _is_local(host: str) -> bool:
    """This machine: a socket's folder, or an address that never leaves it."""
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _error(number: str, text: str, hint: str) -> checks.CheckMessage:
    return checks.Critical(text, hint=hint, id=f"hostsvc.{number}")
