"""The test of a connection to the system operator: against the bundled simulator over mutual TLS,
and against peers that are broken in one way each.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from messaging.probing import operator
from messaging.probing import run as running
from messaging.probing.report import Colour, Report
from messaging.probing.run import NoSuchEndpoint, TestUnderWay, run
from messaging.protocols.neso.seals import jws_json
from messaging.rehearsal.authority import Authority
from messaging.transports.connecting import Guard
from tenants.audit.models import Entry
from tenants.audit.verify import verify
from tenants.changes import WATCH
from tenants.clock import now
from tenants.ids import new_id
from tenants.keys import store
from tenants.models import Certificate, ConnectionTest
from tenants.scope import ScopeError, tenant_scope
from tests.people import Cast, Person
from tests.probing.rig import Rig
from tests.transports.peers import answering, listening, plain, server_context, silent

STEPS = ["our certificates", "DNS", "address", "TCP", "TLS", "signature", "clock", "latency"]
GREEN, YELLOW, RED, GREY = Colour.GREEN, Colour.YELLOW, Colour.RED, Colour.GREY


def tried(rig: Rig, guard: Guard | None = None) -> dict[str, Any]:
    return {step.name: step for step in report_of(rig, guard).steps}


def report_of(rig: Rig, guard: Guard | None = None) -> Report:
    return run(rig.person.tenant_id, rig.endpoint.id, "a test", guard)


def told(person: Person) -> list[dict[str, Any]]:
    with tenant_scope(person.tenant_id):
        rows = Entry.objects.filter(event="connection tested").order_by("-seq")
        return [json.loads(bytes(row.record))["detail"] for row in rows]


def test_a_good_connection_is_green_from_end_to_end(rig: Rig, cast: Cast) -> None:
    report = report_of(rig)
    assert [step.name for step in report.steps] == STEPS
    assert [step.colour for step in report.steps] == [GREEN] * len(STEPS)
    assert report.colour is GREEN
    by_name = {step.name: step for step in report.steps}
    tls = by_name["TLS"].finding.detail
    assert tls["version"] in ("TLSv1.2", "TLSv1.3")
    assert tls["chains_to_the_peers_ca"] is True
    leaf = tls["chain"][0]
    assert (leaf["subject"], leaf["issuer"]) == ("CN=ngeso tls", "CN=test operator")
    assert set(leaf["names"]) == {"localhost", "127.0.0.1", "::1"}
    assert (leaf["days_left"], len(leaf["sha256"])) == (364, 64)
    assert by_name["signature"].finding.detail["signer"]
    assert len(by_name["latency"].finding.detail["each_ms"]) == operator.PINGS
    assert all(step.milliseconds is not None for step in report.steps[1:])
    json.dumps(report.as_json())


def test_it_is_told_with_its_colours_before_and_after_and_kept(rig: Rig) -> None:
    report_of(rig)
    ended, begun = told(rig.person)[:2]
    assert (begun["phase"], begun["address"], begun["by"]) == ("begun", rig.address, "a test")
    assert (ended["phase"], ended["colour"]) == ("ended", "green")
    assert json.loads(ended["steps"])["signature"] == "green"
    assert verify(rig.person.tenant_id).broken is None
    with tenant_scope(rig.person.tenant_id):
        kept = ConnectionTest.objects.get(endpoint=rig.endpoint)
    assert (kept.colour, kept.started_by) == ("green", "a test")
    assert kept.report is not None
    assert [step["name"] for step in kept.report["steps"]] == STEPS


@pytest.mark.parametrize(
    ("fault", "settings", "colours"),
    [
        ("bad_signature", {}, {"signature": RED, "clock": GREEN}),
        ("wrong_key", {}, {"signature": RED}),
        ("wrong_in_reply_to", {}, {"signature": RED}),
        ("clock_skew", {"seconds": 4}, {"signature": GREEN, "clock": GREEN}),
        ("clock_skew", {"seconds": 30}, {"signature": GREEN, "clock": YELLOW}),
        ("clock_skew", {"seconds": -30}, {"signature": GREEN, "clock": YELLOW}),
        ("clock_skew", {"seconds": 120}, {"signature": GREEN, "clock": RED}),
        ("clock_skew", {"seconds": -900}, {"signature": RED, "clock": RED}),
        ("http_500", {}, {"signature": RED, "clock": GREEN}),
        ("http_503", {}, {"signature": YELLOW}),
        ("r999", {}, {"signature": YELLOW}),
        ("refuse", {}, {"signature": RED}),
        ("reset", {}, {"signature": RED, "clock": GREY, "latency": GREY}),
        ("latency", {"ms": 1100}, {"signature": GREEN, "latency": YELLOW}),
    ],
)
def test_a_peer_that_answers_badly_is_told_by_the_step_that_fails(
    rig: Rig, fault: str, settings: dict[str, Any], colours: dict[str, Colour]
) -> None:
    rig.fault(fault, **settings)
    found = tried(rig)
    assert {name: found[name].colour for name in colours} == colours, found
    assert found["TLS"].colour is GREEN


def test_a_peer_that_takes_the_question_and_says_nothing_is_red_in_time(rig: Rig) -> None:
    rig.lead_to(rig.address, answer_seconds=1)
    rig.fault("timeout_before")
    found = tried(rig)
    assert found["signature"].colour is RED
    assert found["clock"].colour is found["latency"].colour is GREY
    assert found["signature"].milliseconds < 5_000


def test_a_seal_that_the_peer_does_not_take_is_red(rig: Rig) -> None:
    """Signed with a key that the operator does not know."""
    other = Authority("strangers").issue("alice signing")
    with tenant_scope(rig.person.tenant_id):
        before = Certificate.objects.get(purpose="SIGNING", state="ACTIVE")
        store.install(Certificate.Purpose.SIGNING, other.pem, other.key, environment="simulator")
    try:
        assert tried(rig)["signature"].colour is RED
    finally:
        with tenant_scope(rig.person.tenant_id):
            active = Certificate.objects.filter(purpose="SIGNING", state="ACTIVE")
            active.update(state="RETIRING")
            Certificate.objects.filter(id=before.id).update(state="ACTIVE")


def test_a_client_certificate_that_the_peer_does_not_take_is_red(rig: Rig) -> None:
    other = Authority("strangers").issue("alice client")
    with tenant_scope(rig.person.tenant_id):
        before = Certificate.objects.get(purpose="SO_CLIENT", state="ACTIVE")
        store.install(Certificate.Purpose.SO_CLIENT, other.pem, other.key, environment="simulator")
    try:
        report = report_of(rig)
        assert report.colour is RED
        (red,) = [step.name for step in report.steps if step.colour is RED]
        assert red in ("TLS", "signature"), "TLS 1.3 says so after the handshake"
    finally:
        with tenant_scope(rig.person.tenant_id):
            active = Certificate.objects.filter(purpose="SO_CLIENT", state="ACTIVE")
            active.update(state="RETIRING")
            Certificate.objects.filter(id=before.id).update(state="ACTIVE")


@pytest.fixture
def broken(cast: Cast, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """The address of a peer that is broken in the way that is named."""
    good = cast.operator.authority
    with ExitStack() as stack:

        def start(how: str) -> str:
            if how == "closed":
                with socket.create_server(("127.0.0.1", 0)) as gone:
                    return f"https://127.0.0.1:{gone.getsockname()[1]}"
            if how in ("plain", "silent"):
                port = stack.enter_context(listening(plain if how == "plain" else silent))
                return f"https://127.0.0.1:{port}"
            issued = {
                "wrong CA": lambda: Authority("another").issue("ngeso"),
                "expired": lambda: good.issue("ngeso", lifetime=timedelta(days=-1)),
                "nearly expired": lambda: good.issue("ngeso", lifetime=timedelta(days=20)),
                "wrong host": lambda: good.issue("ngeso"),
                "no seal": lambda: good.issue("ngeso"),
            }[how]()
            serve = answering(server_context(issued, tmp_path))
            host = "127.0.0.2" if how == "wrong host" else "127.0.0.1"
            port = stack.enter_context(listening(serve, host))
            return f"https://{host}:{port}"

        yield start


@pytest.mark.parametrize(
    ("how", "step", "text"),
    [
        ("closed", "TCP", "takes no connection"),
        ("plain", "TLS", "does not speak TLS"),
        ("wrong CA", "TLS", "does not chain"),
        ("expired", "TLS", "has expired"),
        ("wrong host", "TLS", "for another address"),
        ("no seal", "signature", "no seal on the answer"),
    ],
)
def test_a_broken_peer_is_told_by_the_first_step_that_fails(
    rig: Rig, broken: Callable[[str], str], how: str, step: str, text: str
) -> None:
    rig.lead_to(broken(how))
    report = report_of(rig)
    by_name = {one.name: one for one in report.steps}
    assert report.colour is by_name[step].colour is RED
    assert text in by_name[step].finding.text
    place = STEPS.index(step)
    assert {by_name[name].colour for name in STEPS[:place]} == {GREEN}
    if step != "signature":
        assert {by_name[name].colour for name in STEPS[place + 1 :]} == {GREY}
        assert not [name for name in STEPS[place + 1 :] if by_name[name].milliseconds is not None]


@pytest.mark.parametrize("how", ["wrong CA", "expired", "wrong host"])
def test_a_chain_that_does_not_hold_is_shown(
    rig: Rig, broken: Callable[[str], str], how: str
) -> None:
    rig.lead_to(broken(how))
    detail = tried(rig)["TLS"].finding.detail
    assert detail["chains_to_the_peers_ca"] is False
    assert detail["chain"][0]["subject"] == "CN=ngeso"


def test_a_certificate_that_ends_soon_is_yellow(rig: Rig, broken: Callable[[str], str]) -> None:
    rig.lead_to(broken("nearly expired"))
    step = tried(rig)["TLS"]
    assert (step.colour, "19 days left" in step.finding.text) == (YELLOW, True)


def test_a_silent_peer_ends_with_the_step_s_time(
    rig: Rig, broken: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator, "STEP_SECONDS", 0.3)
    rig.lead_to(broken("silent"))
    step = tried(rig)["TLS"]
    assert (step.colour, "in time" in step.finding.text) == (RED, True)


def test_when_the_whole_time_is_over_the_rest_is_not_tried(rig: Rig) -> None:
    with tenant_scope(rig.person.tenant_id):
        rig.endpoint.refresh_from_db()
        target = running._target(rig.endpoint, now())
    assert target is not None
    steps = operator.try_operator(target, seconds=0)
    assert {step.colour for step in steps[1:]} == {GREY}


def test_an_address_that_is_not_allowed_is_red_and_nothing_is_sent(rig: Rig) -> None:
    found = tried(rig, Guard())
    assert found["address"].colour is RED
    assert {found[name].colour for name in STEPS[3:]} == {GREY}


def test_a_name_that_does_not_resolve_is_red(rig: Rig) -> None:
    rig.lead_to("https://nowhere.invalid")
    found = tried(rig, Guard(resolve=_unknown))
    assert (found["DNS"].colour, found["TCP"].colour) == (RED, GREY)


def _unknown(host: str, port: int) -> list[str]:
    raise OSError("name not known")


def test_our_own_certificates_are_looked_at(rig: Rig) -> None:
    with tenant_scope(rig.person.tenant_id):
        active = Certificate.objects.filter(purpose="SO_CLIENT", state="ACTIVE")
        row = active.get()
        active.update(state="RETIRING")
    # What is remembered may be a second old; a watch that has just begun remembers nothing.
    WATCH.stop()
    try:
        found = tried(rig)
        assert found["our certificates"].colour is RED
        assert found["TCP"].colour is GREEN
        assert found["TLS"].colour is GREY
    finally:
        with tenant_scope(rig.person.tenant_id):
            Certificate.objects.filter(id=row.id).update(state="ACTIVE")


def test_there_is_one_test_of_an_endpoint_at_a_time(rig: Rig) -> None:
    report_of(rig)
    with tenant_scope(rig.person.tenant_id):
        tests = ConnectionTest.objects.filter(endpoint=rig.endpoint)
        tests.update(finished_at=None, started_at=now())
    with pytest.raises(TestUnderWay):
        report_of(rig)
    with tenant_scope(rig.person.tenant_id):
        tests.update(started_at=now() - running.GIVES_WAY_AFTER)
    assert report_of(rig).colour is GREEN


def test_anothers_endpoint_is_none(rig: Rig, bob: Person) -> None:
    for endpoint_id in (rig.endpoint.id, new_id()):
        with pytest.raises(NoSuchEndpoint):
            run(bob.tenant_id, endpoint_id, "bob")


def test_no_transaction_is_open_while_the_peer_is_spoken_to(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ones = []
    real = operator.try_operator

    def watched(*arguments: Any) -> Any:
        open_ones.append(connection.in_atomic_block)
        return real(*arguments)

    monkeypatch.setattr(running, "try_operator", watched)
    report_of(rig)
    assert open_ones == [False]


def test_negative_control_within_a_transaction_it_is_refused(rig: Rig) -> None:
    with tenant_scope(rig.person.tenant_id), pytest.raises(ScopeError):
        report_of(rig)
    with transaction.atomic(), pytest.raises(ScopeError):
        report_of(rig)


def test_negative_control_without_the_signatures_check_a_forged_answer_is_green(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verification switched off: what is red above passes."""
    monkeypatch.setattr(jws_json, "verify_flattened", lambda *_: None)
    rig.fault("bad_signature")
    assert tried(rig)["signature"].colour is GREEN
