"""Bodies that are refused for their size before anything of them is read, and for what no part of
the service could store or write back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import IO, Any, Final

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

DEEPEST: Final = 64
"""Arrays and objects within each other: more than any body of the API has."""


class TooLarge(APIException):
    """413, with the limit."""

    status_code = 413
    default_code = "too-large"


class BoundedJSONParser(JSONParser):
    """At most what Django holds in memory, by what the request says of itself: one that does not
    say has no body.
    """

    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        length = (parser_context or {})["request"].META.get("CONTENT_LENGTH") or "0"
        if int(length) > self.limit:
            raise TooLarge(f"The body is larger than {self.limit} bytes.")
        try:
            value: dict[str, Any] = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise _too_deep() from None
        if is_deeper(value, DEEPEST):
            raise _too_deep()
        return value


class SmallJSONParser(BoundedJSONParser):
    """At most 1 MiB."""

    limit = 1024 * 1024


def is_deeper(value: Any, depth: int) -> bool:
    """Whether arrays and objects lie in each other deeper than that."""
    level = [value]
    for _ in range(depth + 1):
        level = [part for one in level for part in _parts(one)]
        if not level:
            return False
    return True


def is_storable(value: Any) -> bool:
    """Whether the database takes a JSON value: no NUL, no half of a surrogate pair, and no number
    beyond all numbers. It is no deeper than DEEPEST.
    """
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= one <= "\udfff" for one in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict) and not all(is_storable(name) for name in value):
        return False
    return all(is_storable(part) for part in _parts(value))


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _too_deep() -> ParseError:
    return ParseError(f"There are more than {DEEPEST} arrays and objects in each other.")
