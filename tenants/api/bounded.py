"""Bodies that are refused for their size before anything of them is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException
from rest_framework.parsers import JSONParser


class TooLarge(APIException):
    """413, with the limit."""

    status_code = 413
    default_code = "too-large"


class SmallJSONParser(JSONParser):
    """At most 1 MiB, by what the request says of itself: one that does not say has no body."""

    limit = 1024 * 1024

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        length = (parser_context or {})["request"].META.get("CONTENT_LENGTH") or "0"
        if int(length) > self.limit:
            raise TooLarge(f"The body is larger than {self.limit} bytes.")
        return super().parse(stream, media_type, parser_context)
