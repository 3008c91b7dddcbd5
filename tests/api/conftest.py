"""Clients that show a person's key, and a world in which alice and bob have had messages carried
and mallory none.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from tests.api.carried import Carried, carry
from tests.api.clients import client
from tests.api.equipped import equip
from tests.people import Person

Ask = Callable[[Person], APIClient]


@pytest.fixture
def asking() -> Ask:
    """A client that shows a person's key."""

    return lambda person: client({"Authorization": f"Bearer {person.api_key}"})


@pytest.fixture(scope="module")
def of_alice(alice: Person) -> Carried:
    equip(alice)
    return carry(alice)


@pytest.fixture(scope="module")
def of_bob(bob: Person) -> Carried:
    equip(bob)
    return carry(bob)
