"""What the test of a control point's endpoint tells: its certificate, its link, and what was last
heard of it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from messaging.domain.acknowledgements import FreeText
from messaging.models import Link
from messaging.probing.report import Colour
from messaging.probing.run import run
from messaging.rehearsal.authority import Authority
from messaging.relay import links, presence
from messaging.relay.register import as_control_point
from tenants.clock import now
from tenants.models import Certificate, Endpoint
from tenants.scope import tenant_scope
from tests.people import Person
from tests.relay.conftest import open_link

GREEN, YELLOW, RED, GREY = Colour.GREEN, Colour.YELLOW, Colour.RED, Colour.GREY


@pytest.fixture
def point(alice: Person) -> Endpoint:
    with tenant_scope(alice.tenant_id):
        return Endpoint.objects.get(name=alice.control_points[0])


def looked_at(person: Person, point: Endpoint) -> dict[str, Any]:
    report = run(person.tenant_id, point.id, "a test")
    return {step.name: step for step in report.steps}


def test_one_that_never_connected_is_red(alice: Person, point: Endpoint) -> None:
    found = looked_at(alice, point)
    assert {name: step.colour for name, step in found.items()} == {
        "certificate": GREEN,
        "link": RED,
        "heartbeat": GREY,
        "last message": YELLOW,
    }


def test_one_whose_link_is_up_is_green_and_red_when_it_is_down(
    alice: Person, point: Endpoint
) -> None:
    presence.announce(42)
    opened = links.open_link(alice.tenant_id, as_control_point(point), 42, "192.0.2.7:1", 0)
    found = looked_at(alice, point)
    assert (found["link"].colour, found["heartbeat"].colour) == (GREEN, GREEN)
    assert "192.0.2.7:1" in found["link"].finding.text
    assert found["heartbeat"].finding.detail["most_seconds_ago"] == 90
    links.close_link(opened.hold, "a test")
    found = looked_at(alice, point)
    assert (found["link"].colour, found["heartbeat"].colour) == (RED, GREY)
    assert "down since" in found["link"].finding.text


def test_one_whose_gateway_died_is_not_called_up(alice: Person, point: Endpoint) -> None:
    """Nobody was left to write that the link went down: the gateway's lock tells."""
    with tenant_scope(alice.tenant_id):
        Link.objects.update_or_create(
            tenant_id=alice.tenant_id, endpoint=point, defaults={"gateway": 7, "up_at": now()}
        )
    step = looked_at(alice, point)["link"]
    assert (step.colour, "gateway" in step.finding.text) == (RED, True)


def test_the_last_message_is_told(alice: Person, point: Endpoint) -> None:
    open_link(alice, point.name).say(FreeText(point.name, "hello"))
    step = looked_at(alice, point)["last message"]
    assert (step.colour, step.finding.detail["kind"]) == (GREEN, "TEXT")


@pytest.mark.parametrize(("days", "colour"), [(20, YELLOW), (-1, RED)])
def test_a_certificate_that_ends_is_told(bob: Person, days: int, colour: Colour) -> None:
    with tenant_scope(bob.tenant_id):
        point = Endpoint.objects.get(name=bob.control_points[0])
        issued = Authority("bob's").issue("point", lifetime=timedelta(days=days))
        leaf = x509.load_pem_x509_certificate(issued.pem.encode())
        Certificate.objects.filter(endpoint=point).update(
            pem=issued.pem,
            fingerprint=leaf.fingerprint(SHA256()),
            not_after=leaf.not_valid_after_utc,
        )
    assert looked_at(bob, point)["certificate"].colour is colour


def test_one_without_a_certificate_is_red(bob: Person) -> None:
    with tenant_scope(bob.tenant_id):
        point = Endpoint.objects.get(name=bob.control_points[1])
        Certificate.objects.filter(endpoint=point).update(state="REVOKED")
    assert looked_at(bob, point)["certificate"].colour is RED
