"""Refusals of the API that are its own: a stable code, and a text for people."""

from __future__ import annotations

from rest_framework.exceptions import APIException


class Conflict(APIException):
    """409: the request is well formed, and what there is stands against it."""

    status_code = 409

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.default_code = code
