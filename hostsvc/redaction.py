"""Takes out of a log line what must never be read there, whoever put it there: the last step before
a line is written. Code that logs no secrets is the first line of defence; this is the second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

GONE: Final = "[secret]"

_NAMES = re.compile(
    r"password|passphrase|secret|token|authorization|cookie|private_?key|api_?key|master_?key",
    re.IGNORECASE,
)
_TEXTS = re.compile(
    r"hsk_[A-Za-z0-9]+_[A-Za-z0-9_-]+"  # API keys
    r"|whsec_[A-Za-z0-9+/=_-]+"  # webhooks' secrets
    r"|(?i:bearer)\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"  # tokens
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^\s:/@]*:[^\s@]+(?=@)",  # user and password of a URL
    re.DOTALL,
)
_DEPTH = 6


def redact(logger: object, method: str, line: Mapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor."""
    return {name: _clean(name, value, _DEPTH) for name, value in line.items()}


def _clean(name: str, value: Any, depth: int) -> Any:
    if _NAMES.search(name) and isinstance(value, str | bytes):
        return GONE
    if isinstance(value, str):
        return _TEXTS.sub(GONE, value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if depth and isinstance(value, Mapping):
        return {str(key): _clean(str(key), one, depth - 1) for key, one in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_clean(name, one, depth - 1) for one in value]
    return value if isinstance(value, int | float | None) else _TEXTS.sub(GONE, str(value))
