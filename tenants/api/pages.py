"""Pages of lists: by cursor, so that a page costs the same wherever it is, and none is counted."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError as BadValue
from django.db import DataError
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

PAGE_PARAMETERS = frozenset({"cursor", "limit"})
PAGE_SIZE = 50
LARGEST_PAGE = 500


class OldestFirst(CursorPagination):
    """In the order of time-ordered ids. A bad cursor or limit is refused and never guessed at."""

    ordering: tuple[str, ...] = ("id",)
    page_size = PAGE_SIZE
    max_page_size = LARGEST_PAGE
    page_size_query_param = "limit"
    page_size_query_description = f"Rows on a page, 1 to {LARGEST_PAGE}; {PAGE_SIZE} if not given."
    cursor_query_description = "Where the page starts: taken from `next` or `previous`."

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, BadValue, ValueError, DataError):
            raise ValidationError({"cursor": ["The cursor is not one of this list's."]}) from None

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in told:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}
        return told

    def get_page_size(self, request: Request) -> int:
        asked = request.query_params.get("limit", str(PAGE_SIZE))
        if not re.fullmatch(r"[0-9]{1,4}", asked) or not 1 <= int(asked) <= LARGEST_PAGE:
            raise ValidationError({"limit": [f"A number from 1 to {LARGEST_PAGE}."]})
        return int(asked)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "properties": {
                "next": {**link, "description": "The page after this one, or null."},
                "previous": {**link, "description": "The page before this one, or null."},
                "results": schema,
            },
            "required": ["next", "previous", "results"],
        }


class ByName(OldestFirst):
    ordering = ("name", "id")


class BySequence(OldestFirst):
    ordering = ("seq",)
