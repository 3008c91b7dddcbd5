"""What the address of an endpoint that the host connects to looks like: a base URL, and no more
than that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from tenants import networks

_LONGEST = 500
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_BRACKETED = re.compile(r"\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")


def address_fault(address: str, scheme: str = "https") -> str:
    """What is wrong with a base URL, or nothing. An address in it is judged now, a name when it is
    resolved.
    """
    if len(address) > _LONGEST or not address.isascii() or not address.isprintable():
        return f"it must be printable ASCII, at most {_LONGEST} characters"
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return "it is no URL, or its port is none"
    return next(_faults(address, parts, scheme), "")


def _faults(address: str, parts: SplitResult, scheme: str) -> Iterator[str]:
    """The first is what is told: the later ones are only to be trusted where it is not there."""
    if not address.startswith(f"{scheme}://"):
        yield f"it must begin with {scheme}://"
    if "@" in parts.netloc:
        yield "it must name no user and no password"
    if "?" in address or "#" in address:
        yield "it must have no query and no fragment"
    if address.endswith("/"):
        yield "it must not end with a slash"
    if not parts.hostname or parts.port == 0 or parts.netloc.endswith(":"):
        yield "it must name a host, and a port 1 to 65535 if any"
    if not _HOST.fullmatch(parts.hostname or "") and not _BRACKETED.fullmatch(parts.netloc):
        yield "its host is neither a name nor an address"
    if not _PATH.fullmatch(parts.path):
        yield "its path has characters that must not be there, or an empty step"
    if {".", ".."} & set(parts.path.split("/")):
        yield "its path must not go up or stand still"
    refusal = networks.refusal_of_host(parts.hostname or "", networks.allowed_networks())
    if refusal:
        yield f"{refusal}, and the vendor does not allow that network"
