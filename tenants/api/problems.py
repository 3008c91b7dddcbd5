"""Refusals of the API that are its own: a stable code, and a text for people."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import APIException


class Conflict(APIException):
    """409: the request is well formed, and what there is stands against it."""

    status_code = 409

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.default_code = code


class Unprocessable(APIException):
    """422: the request was understood, and what it says is refused; `errors` are the findings."""

    status_code = 422

    def __init__(self, code: str, text: str, errors: list[dict[str, Any]]) -> None:
        super().__init__(text)
        self.default_code = code
        self.members = {"errors": errors}


class Recorded(Unprocessable):
    """A refusal whose trace stays: what the view wrote before is committed, not rolled back."""
