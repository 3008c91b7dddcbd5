"""The web process has no admin: its role could not serve it, and no address leads there."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.api.clients import HOST


@pytest.mark.parametrize("path", ["/", "/admin/", "/admin/login/"])
def test_the_web_process_has_no_admin(database: str, path: str) -> None:
    answer = Client(SERVER_NAME=HOST).get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
