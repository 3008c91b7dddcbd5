"""Reads configuration from the environment, with `NAME_FILE` for secrets, and says loudly which
value is bad.

Defaults may stand in an environment file (`HOSTSVC_ENV_FILE`, else `var/hostsvc.env`): the local
stack writes one, so that commands typed beside it find the same servers. What is really in the
environment wins.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where e-mail is handed over; without a host, nowhere."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    starttls: bool = False
    tls: bool = False


class Environment:
    """Typed look-ups. Each raises ImproperlyConfigured naming the variable when its value is
    missing or bad.
    """

    def __init__(self, values: Mapping[str, str], files: Mapping[str, Path] | None = None) -> None:
        self._values = values
        self.files = dict(files or {})
        """The files that values were read from, by the variables that name them."""

    def text(self, name: str, default: str | None = None) -> str:
        value = self._raw(name)
        if value is None:
            value = default
        if value is None:
            raise ImproperlyConfigured(f"{name} is not set")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise ImproperlyConfigured(
                f"{name} is {value!r}; it must be one of {', '.join(allowed)}"
            )
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise ImproperlyConfigured(f"{name} is {value!r}; it must be a number {low} to {high}")
        return int(value)

    def names(self, name: str, default: str) -> list[str]:
        return [part.strip() for part in self.text(name, default).split(",") if part.strip()]

    def networks(self, name: str) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks in CIDR notation; one with bits beyond its prefix is bad, for it is hardly what
        was meant.
        """
        try:
            return tuple(ip_network(text) for text in self.names(name, ""))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {error}") from None

    def owned_networks(self, name: str) -> tuple[tuple[str, IPv4Network | IPv6Network], ...]:
        """`OWNER=NETWORK`, with commas. No address may be in networks of two owners."""
        found: list[tuple[str, IPv4Network | IPv6Network]] = []
        for part in self.names(name, ""):
            owner, equals, text = part.rpartition("=")
            if not equals or not owner.strip():
                raise ImproperlyConfigured(f"{name}: {part!r} must be OWNER=NETWORK")
            try:
                network = ip_network(text.strip())
            except ValueError as error:
                raise ImproperlyConfigured(f"{name}: {error}") from None
            for other, theirs in found:
                if other != owner.strip() and network.overlaps(theirs):
                    raise ImproperlyConfigured(f"{name}: {network} and {theirs} overlap")
            found.append((owner.strip(), network))
        return tuple(found)

    def seconds(self, name: str, default: str) -> tuple[int, ...]:
        """Whole seconds in rising order, with commas; there may be none."""
        words = self.names(name, default)
        if not all(word.isascii() and word.isdigit() and 0 < int(word) < 3600 for word in words):
            raise ImproperlyConfigured(f"{name} must be seconds, 1 to 3599, with commas")
        found = tuple(int(word) for word in words)
        if list(found) != sorted(set(found)):
            raise ImproperlyConfigured(f"{name} must be in rising order")
        return found

    def mail(self, name: str) -> MailServer:
        """`smtp://`, `smtp+starttls://` or `smtps://`, with user and password where there are."""
        url = self.text(name, "")
        parts = urlsplit(url)
        usual = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
        if not url:
            return MailServer()
        try:
            port = parts.port or usual[parts.scheme]
        except (KeyError, ValueError):
            raise ImproperlyConfigured(f"{name} must be an smtp:// or smtps:// URL") from None
        if not parts.hostname:
            raise ImproperlyConfigured(f"{name} names no host")
        return MailServer(
            parts.hostname,
            port,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            starttls=parts.scheme == "smtp+starttls",
            tls=parts.scheme == "smtps",
        )

    def path(self, name: str, default: Path) -> Path:
        return BASE_DIR / self.text(name, str(default))

    def address(self, name: str, default: str) -> tuple[str, int]:
        """`host:port`, port 1 to 65535."""
        value = self.text(name, default)
        host, colon, port = value.rpartition(":")
        if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ImproperlyConfigured(f"{name} is {value!r}; it must be host:port")
        return host.strip("[]"), int(port)

    def address_or_none(self, name: str) -> tuple[str, int] | None:
        """As `address`; None where it is not set."""
        return self.address(name, "") if self.text(name, "") else None

    def ports(self, name: str) -> range:
        """`first-last`; empty where nothing is set."""
        value = self.text(name, "")
        first, dash, last = value.partition("-")
        if not value:
            return range(0)
        if not dash or not first.isdigit() or not last.isdigit():
            raise ImproperlyConfigured(f"{name} is {value!r}; it must be first-last")
        if not 0 < int(first) <= int(last) < 65536:
            raise ImproperlyConfigured(f"{name} is {value!r}; ports go from 1 to 65535")
        return range(int(first), int(last) + 1)

    def keys(self, name: str, size: int, default: str | None = None) -> list[bytes]:
        """Keys of `size` bytes in base64, between blanks, lines or commas; at least one, unless
        there is a default.
        """
        words = self.text(name, default).replace(",", " ").split()
        try:
            keys = [base64.b64decode(word, validate=True) for word in words]
        except (binascii.Error, ValueError):
            raise ImproperlyConfigured(f"{name} is not base64") from None
        for key in keys:
            if len(key) != size:
                raise ImproperlyConfigured(f"{name} holds {len(key)} bytes; it must hold {size}")
        if not keys and default is None:
            raise ImproperlyConfigured(f"{name} is empty")
        return keys

    def file_of(self, name: str) -> Path | None:
        """The file that `name` is read from, where it is."""
        file = self._values.get(f"{name}_FILE")
        return Path(file) if file is not None else None

    def database(self, name: str) -> dict[str, object]:
        """A `postgresql://` URL as Django's connection settings."""
        parts = urlsplit(self.text(name))
        if parts.scheme not in ("postgresql", "postgres"):
            raise ImproperlyConfigured(f"{name} must be a postgresql:// URL")
        try:
            port = parts.port or 5432
        except ValueError:
            raise ImproperlyConfigured(f"{name} has a bad port") from None
        options = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")) or "hostsvc",
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(options.pop("host", parts.hostname or "")),
            "PORT": str(port),
            "OPTIONS": {key: unquote(value) for key, value in options.items()},
        }

    def _raw(self, name: str) -> str | None:
        value, file = self._values.get(name), self._values.get(f"{name}_FILE")
        if value is not None and file is not None:
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set")
        if file is None:
            return value
        self.files[f"{name}_FILE"] = Path(file)
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from None


def load() -> Environment:
    """The process environment over the environment file, where there is one."""
    file = Path(os.environ.get("HOSTSVC_ENV_FILE", BASE_DIR / "var" / "hostsvc.env"))
    return Environment({**_lines_of(file), **os.environ}, {"HOSTSVC_ENV_FILE": file})


def _lines_of(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"the environment file cannot be read: {error}") from None
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}
