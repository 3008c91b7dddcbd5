"""The lamps of links in the vendor's admin."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from messaging.relay import links, presence
from messaging.relay.register import as_control_point
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.people import Person


@pytest.fixture(scope="module")
def carried(alice: Person) -> None:
    """Alice's first control point is connected, and her second was."""
    presence.announce(7)
    with tenant_scope(alice.tenant_id):
        points = [
            as_control_point(Endpoint.objects.get(name=name)) for name in alice.control_points
        ]
    holds = [links.open_link(alice.tenant_id, one, 7, "192.0.2.7:1", 0).hold for one in points]
    links.close_link(holds[1], "a test")


def shown(browser: Client, page: str) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", browser.get(f"/admin/{page}/").content.decode())


def test_an_endpoints_row_tells_whether_its_link_is_up(staff: Client) -> None:
    page = shown(staff, "tenants/endpoint")
    assert len(re.findall(r"up since \d{4}-", page)) == 1
    assert len(re.findall(r"down since \d{4}-", page)) == 1
    assert page.count("never connected") == 4, "those of the other tenants"


@pytest.mark.parametrize(
    ("lamp", "up", "down"), [("", 1, 1), ("?lamp=up", 1, 0), ("?lamp=down", 0, 1)]
)
def test_links_have_a_list_by_lamp(staff: Client, lamp: str, up: int, down: int) -> None:
    page = re.sub(r"\s+", " ", staff.get(f"/admin/messaging/link/{lamp}").content.decode())
    assert len(re.findall(r"up since \d{4}-", page)) == up
    assert len(re.findall(r"down since \d{4}-", page)) == down
