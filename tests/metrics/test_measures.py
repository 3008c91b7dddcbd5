"""What the relay does is counted and logged, once it is committed, by lane and outcome and nothing
that tells of a tenant.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from prometheus_client import REGISTRY

from messaging.models import Attempt, Delivery
from messaging.relay.deliver import deliver
from messaging.relay.load import load_locked
from messaging.relay.verdicts import expire
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink, open_link
from tests.relay.test_from_control_point import mel


@pytest.fixture
def link(alice: Person) -> OpenLink:
    return open_link(alice, "ALICP1")


def lines_of(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """What was logged, as it goes to the renderer."""
    told = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [line for line in told if line["event"] == event]


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_an_attempt_is_counted_and_logged_with_its_ids(
    alice: Person, link: OpenLink, caplog: pytest.LogCaptureFixture
) -> None:
    (made,) = link.say(mel("ALICP1-1")).deliveries
    before = value("hostsvc_attempts_total", lane="operator", outcome="FAILED")
    waited = value("hostsvc_hop_seconds_count", lane="operator", hop="wait")
    with caplog.at_level("INFO"):
        deliver(alice.tenant_id, made.id)
    with tenant_scope(alice.tenant_id):
        attempt = Attempt.objects.select_related("delivery").get(delivery_id=made.id)
    assert value("hostsvc_attempts_total", lane="operator", outcome="FAILED") == before + 1
    assert value("hostsvc_hop_seconds_count", lane="operator", hop="wait") == waited + 1
    (line,) = lines_of(caplog, "attempt made")
    assert line["attempt_id"] == str(attempt.id)
    assert line["delivery_id"] == str(made.id)
    assert line["message_id"] == str(attempt.delivery.message_id)
    assert line["tenant_id"] == str(alice.tenant_id)


def test_a_message_that_was_stored_is_logged_without_its_content(
    link: OpenLink, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        link.say(mel("ALICP1-1"))
    (line,) = lines_of(caplog, "message stored")
    assert line["kind"] == "MEL"
    assert "ALICP1-1" not in str(line)


def test_what_is_rolled_back_is_neither_counted_nor_logged(
    alice: Person, link: OpenLink, caplog: pytest.LogCaptureFixture
) -> None:
    (made,) = link.say(mel("ALICP1-1")).deliveries
    before = value("hostsvc_deliveries_settled_total", lane="operator", state="EXPIRED")

    class Stop(Exception):
        pass

    def work() -> None:
        row = load_locked(made.id)
        assert row is not None
        expire(row, now())
        raise Stop

    caplog.clear()
    with caplog.at_level("INFO"), pytest.raises(Stop):
        in_tenant(alice.tenant_id, work)
    assert value("hostsvc_deliveries_settled_total", lane="operator", state="EXPIRED") == before
    assert not lines_of(caplog, "message stored")


def test_a_deadline_that_passed_is_missed(alice: Person, link: OpenLink) -> None:
    (made,) = link.say(mel("ALICP1-1")).deliveries
    with tenant_scope(alice.tenant_id):
        Delivery.objects.filter(id=made.id).update(deadline=now() - timedelta(seconds=1))
    missed = value("hostsvc_deadlines_total", lane="operator", result="missed")
    deliver(alice.tenant_id, made.id)
    assert value("hostsvc_deadlines_total", lane="operator", result="missed") == missed + 1


def test_no_label_is_an_id_or_a_name(alice: Person, link: OpenLink) -> None:
    link.say(mel("ALICP1-1"))
    known = {"lane", "outcome", "state", "result", "hop", "le", "answer", "status", "event"}
    known |= {"method", "route", "days", "queue", "at"}
    for family in REGISTRY.collect():
        for sample in family.samples:
            if sample.name.startswith("hostsvc_"):
                assert set(sample.labels) <= known, sample.name
    connection.close()
