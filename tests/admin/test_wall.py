"""Every address of the admin process: closed to whoever is no member of the vendor's staff, in one
and the same way for what there is and what there is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.sites import AdminSite
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tenants.ids import new_id
from tests.admin.conftest import Ids
from tests.api.clients import HOST
from tests.people import Person

# Addresses that are the same for everybody, and tell of no tenant.
PUBLIC = {"/", "/healthz", "/readyz", "/admin/login/", "/admin/logout/"}


def routes() -> list[str]:
    """As the urlconf has them, regular expressions written as routes."""

    def below(patterns: list[Any], prefix: str) -> Iterator[str]:
        for pattern in patterns:
            route = prefix + re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", str(pattern.pattern))
            if isinstance(pattern, URLResolver):
                yield from below(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern):
                yield re.sub(r"[\^$]", "", route)

    return sorted(set(below(get_resolver("hostsvc.urls_admin").url_patterns, "/")))


CLOSED = [route for route in routes() if route not in PUBLIC]


def address(route: str, row_id: UUID) -> str:
    place = re.sub(r"<int:\w+>", "1", route).replace("<app_label>", "tenants")
    return re.sub(r"<(\w+:)?\w+>", str(row_id), place)


def row_of(route: str, ids: Ids) -> UUID:
    """Of the page's own table where one is known, else the tenant itself."""
    return next((ids[name] for name in ids if f"/{name}/" in route), ids["tenant"])


Asker = Callable[[Person], Client]


def nobody(_: Person) -> Client:
    return Client(SERVER_NAME=HOST)


def of_another_tenant(mallory: Person) -> Client:
    return Client(SERVER_NAME=HOST, headers={"Authorization": f"Bearer {mallory.api_key}"})


def signed_in_without_being_staff(_: Person) -> Client:
    browser = Client(SERVER_NAME=HOST)
    name = f"outsider {new_id()}"
    browser.force_login(User.objects.create_user(name, password="a long pass phrase"))
    return browser


ASKERS: list[Asker] = [nobody, of_another_tenant, signed_in_without_being_staff]


def told(browser: Client, method: str, route: str, row_id: UUID) -> str | None:
    """What an outsider learns of a row, or None: the prover of the wall."""
    answers = []
    for one in (row_id, new_id()):
        answer: Any = getattr(browser, method)(address(route, one))
        place = answer.get("Location", "").replace(str(one), "ROW")
        answers.append((answer.status_code, place, answer.content.replace(str(one).encode(), b"")))
    if answers[0] != answers[1]:
        return "another answer than for a row that does not exist"
    status, place, content = answers[0]
    if status != 302 or not place.startswith("/admin/login/?next=/admin/") or content:
        return f"answered {status} {place}"
    return None


def test_the_public_addresses_are_addresses() -> None:
    assert set(routes()) > PUBLIC


@pytest.mark.parametrize("asker", ASKERS, ids=lambda asker: asker.__name__)
@pytest.mark.parametrize("route", CLOSED)
def test_outsiders_are_sent_to_the_login_whatever_they_ask_for(
    ids: Ids, mallory: Person, admin_process: None, route: str, asker: Asker
) -> None:
    browser, row_id = asker(mallory), row_of(route, ids)
    for method in ("get", "post"):
        assert told(browser, method, route, row_id) is None


@pytest.mark.parametrize("model", ["message", "tenant", "apikey"])
def test_negative_control_a_page_that_lets_everybody_in_is_found(
    ids: Ids, mallory: Person, admin_process: None, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard switched off: whoever asks counts as staff. The prover is seen to tell."""
    monkeypatch.setattr(AdminSite, "has_permission", lambda *_: True)
    app = "messaging" if model == "message" else "tenants"
    route = f"/admin/{app}/{model}/<path:object_id>/change/"
    browser = signed_in_without_being_staff(mallory)
    assert told(browser, "get", route, ids[model])
