"""The vendor's admin process: the staff role, its own addresses, and somebody signed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, override_settings

from tests.api.carried import Carried, carry
from tests.api.clients import HOST
from tests.people import Person
from tests.roles import as_role
from tests.servers import TestServers

Ids = Mapping[str, UUID]
"""A row of alice's for each page that has one, by the name of its table in addresses."""


@pytest.fixture(scope="module")
def carried(alice: Person, bob: Person) -> Carried:
    """Alice's, beside as much of bob's: carried by the running service, which is not the admin."""
    carry(bob)
    return carry(alice)


@pytest.fixture(scope="module")
def admin_process(servers: TestServers, database: str, carried: Carried) -> Iterator[None]:
    """Django as the admin process has it."""
    with as_role("staff", servers, database), override_settings(ROOT_URLCONF="hostsvc.urls_admin"):
        yield


@pytest.fixture(scope="module")
def staff(admin_process: None) -> Client:
    """A browser in which the vendor's administrator is signed in."""
    browser = Client(SERVER_NAME=HOST)
    browser.force_login(User.objects.create_superuser("ada", password="a long pass phrase"))
    return browser


@pytest.fixture(scope="module")
def stranger(admin_process: None) -> Client:
    return Client(SERVER_NAME=HOST)


@pytest.fixture(scope="module")
def ids(alice: Person, carried: Carried, admin_process: None) -> Ids:
    pages = {model._meta.model_name: model for model in admin.site._registry}
    found: dict[str, UUID] = {"tenant": alice.tenant_id}
    for name, model in pages.items():
        if name and any(field.name == "tenant" for field in model._meta.fields):
            row = model._default_manager.filter(tenant_id=alice.tenant_id).first()
            found |= {name: row.pk} if row is not None else {}
    return found
