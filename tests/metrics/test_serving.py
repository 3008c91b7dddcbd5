"""The listener for Prometheus, and the figures that are counted in the database."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.test import Client, override_settings
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from hostsvc import metrics
from hostsvc.management.commands.describe_metrics import PAGE, page
from hostsvc.stack.layout import MEASURED, lay_out, write_targets
from messaging.census import FIGURES, Census
from tests.api.carried import Carried
from tests.api.conftest import of_alice  # noqa: F401  (a world with messages)
from tests.roles import as_role
from tests.servers import ROOT, TestServers

MONITORING = (ROOT / "docs" / "monitoring.md").read_text()


def ask(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = int(free.getsockname()[1])
    with override_settings(METRICS_LISTEN=("127.0.0.1", number)):
        metrics.serve()
    return number


def test_figures_are_served_in_prometheus_own_format(port: int, database: str) -> None:
    Client().get("/healthz")
    status, text = ask(port, "/metrics")
    names = {family.name for family in text_string_to_metric_families(text)}
    assert status == 200
    assert {"hostsvc_hop_seconds", "hostsvc_http_request_seconds"} <= names


def test_health_and_readiness_are_told_beside_them(port: int, database: str) -> None:
    assert ask(port, "/healthz") == (200, '{"status": "alive"}')
    status, body = ask(port, "/readyz")
    assert (status, json.loads(body)["status"]) == (200, "ready")
    assert ask(port, "/elsewhere")[0] == 404


def test_an_address_that_is_none_makes_no_series_of_its_own(port: int, database: str) -> None:
    Client().get("/made-up-by-a-stranger")
    assert "made-up" not in ask(port, "/metrics")[1]


def counted() -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(Census())
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_staffs_process_counts_across_tenants(
    servers: TestServers,
    database: str,
    of_alice: Carried,  # noqa: F811
) -> None:
    with as_role("staff", servers, database):
        found = counted()
    assert found["hostsvc_census_up"] == 1
    assert found["hostsvc_due operator"] + found.get("hostsvc_due link", 0) >= 1
    assert found["hostsvc_certificates_ending 30"] >= found["hostsvc_certificates_ending 1"]
    assert {name.split()[0] for name in found} >= {
        "hostsvc_instructions_unanswered",
        "hostsvc_undelivered",
    }
    queues = {name.split()[1] for name in found if name.startswith("hostsvc_queue_age_seconds")}
    assert queues == {"registrations", "webhooks", "events", "fetches"}


def test_a_database_that_is_away_is_told_and_nothing_is_made_up(
    servers: TestServers, database: str
) -> None:
    from django.db import connections

    with as_role("staff", servers, database):
        connections.close_all()
        connections["default"].settings_dict["PORT"] = "1"
        assert counted() == {"hostsvc_census_up": 0.0}


def test_no_figure_reads_what_has_been() -> None:
    """A count over all that was ever carried grows without bound; each names what is open."""
    for figure in FIGURES:
        if "messaging_delivery" in figure.statement:
            assert "state IN" in figure.statement
        assert "messaging_attempt" not in figure.statement
        assert "messaging_message" not in figure.statement


def test_the_page_of_figures_is_what_the_code_has() -> None:
    """In a process of its own: here, other tests may have registered theirs."""
    script = (
        "import django; django.setup();"
        "from hostsvc.management.commands.describe_metrics import page; print(page(), end='')"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert told.stdout == PAGE.read_text() == page()


def test_rules_of_the_manual_name_figures_that_exist() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", MONITORING, re.DOTALL)
    rules = [yaml.safe_load(block) for block in blocks][1]["groups"][0]["rules"]
    known = set(re.findall(r"^\| `(\w+)`", PAGE.read_text(), re.MULTILINE))
    known |= {f"{name}_bucket" for name in known}
    named = {name for rule in rules for name in re.findall(r"hostsvc_\w+", rule["expr"])}
    assert len(rules) >= 5
    assert named <= known


def test_the_stack_writes_where_each_part_is_to_be_asked(tmp_path: Path) -> None:
    layout = lay_out(tmp_path)
    write_targets(layout)
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert [one["labels"]["part"] for one in written] == list(MEASURED)
    assert len({one["targets"][0] for one in written}) == len(MEASURED)
