"""Clients of the API, as anybody may send requests."""

from __future__ import annotations

from rest_framework.test import APIClient

HOST = "127.0.0.1"


def client(headers: dict[str, str] | None = None) -> APIClient:
    """One that shows these headers with every request."""
    return APIClient(SERVER_NAME=HOST, headers=headers)
