"""E-mail, through a mail server of the test's own."""

from __future__ import annotations

import email.policy
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.test import override_settings

from hostsvc.env import Environment, MailServer
from messaging.events import alerts, fan_out, mail
from messaging.events.models import AlertSettings, MailLine
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.credentials import THE_HOST
from tenants.scope import in_tenant, tenant_scope
from tests.api.clients import client
from tests.owners import living
from tests.people import Person
from tests.servers import TestServers

DESK = "desk@alice.example"


class Letterbox:
    def __init__(self) -> None:
        self.came: list[tuple[list[str], EmailMessage]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        read = BytesParser(policy=email.policy.default).parsebytes(envelope.content)
        assert isinstance(read, EmailMessage)
        self.came.append((envelope.rcpt_tos, read))
        return "250 OK"

    def last(self) -> str:
        text: str = self.came[-1][1].get_content()
        return text


@pytest.fixture(scope="module")
def letterbox() -> Iterator[Letterbox]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    box = Letterbox()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    backend = "django.core.mail.backends.smtp.EmailBackend"
    with override_settings(EMAIL_BACKEND=backend, EMAIL_HOST="127.0.0.1", EMAIL_PORT=port):
        yield box
    server.stop()


@pytest.fixture(autouse=True)
def alone(letterbox: Letterbox, alice: Person) -> None:
    letterbox.came.clear()
    with tenant_scope(alice.tenant_id):
        alerts.change([], None, THE_HOST)
        alerts.change([DESK, "second@alice.example"], None, THE_HOST)
        AlertSettings.objects.update(mail_after=None, mail_failures=0, owner=None)
    fan_out.tell(alice.tenant_id)


def happen(person: Person, *alarms: str) -> None:
    with tenant_scope(person.tenant_id):
        for alarm in alarms:
            ledger.record(Fact(Event.ALARMED, now(), detail={"alarm": alarm}))
        ledger.record(Fact(Event.LINK_UP, now(), detail={"control_point": "not worth an e-mail"}))


def tell(person: Person) -> None:
    fan_out.tell(person.tenant_id)
    mail.send(person.tenant_id)


def test_what_wants_a_person_comes_in_one_e_mail_to_every_address(
    alice: Person, letterbox: Letterbox
) -> None:
    happen(alice, "one", "two")
    tell(alice)
    ((recipients, message),) = letterbox.came
    assert recipients == [DESK, "second@alice.example"]
    assert message["subject"] == "[hostsvc] alice: alarm and 1 more"
    assert message["auto-submitted"] == "auto-generated"
    assert letterbox.last().index("alarm one") < letterbox.last().index("alarm two")
    assert "not worth" not in letterbox.last()


def test_what_comes_soon_after_waits_and_is_told_together(
    alice: Person, letterbox: Letterbox
) -> None:
    for text in ("one", "two", "three"):
        happen(alice, text)
        tell(alice)
    assert len(letterbox.came) == 1
    with tenant_scope(alice.tenant_id):
        AlertSettings.objects.update(mail_after=now())
    tell(alice)
    assert len(letterbox.came) == 2
    assert "two" in letterbox.last()
    assert "three" in letterbox.last()
    tell(alice)
    assert len(letterbox.came) == 2


def test_what_a_peer_wrote_can_make_no_header_and_no_line_of_its_own(
    alice: Person, letterbox: Letterbox
) -> None:
    happen(alice, "x\r\nBcc: mallory@example.org\r\n\r\nForged: line\x1b[31m")
    tell(alice)
    ((recipients, message),) = letterbox.came
    assert recipients == [DESK, "second@alice.example"]
    assert message["bcc"] is None
    assert "\nForged" not in letterbox.last()
    assert "\x1b" not in letterbox.last()


def test_a_server_that_is_away_is_alarmed_once_and_loses_nothing(
    alice: Person, letterbox: Letterbox
) -> None:
    happen(alice, "one")
    with override_settings(EMAIL_PORT=1):
        tell(alice)
        with tenant_scope(alice.tenant_id):
            row = AlertSettings.objects.get()
            assert row.mail_after is not None
            assert row.mail_after > now() + timedelta(seconds=20)
            AlertSettings.objects.update(mail_after=now())
        tell(alice)
    with tenant_scope(alice.tenant_id):
        records = [json.loads(bytes(one.record)) for one in Entry.objects.filter(event="alarmed")]
        AlertSettings.objects.update(mail_after=now())
    told = [one["detail"]["alarm"] for one in records]
    assert len([text for text in told if text.startswith("e-mail cannot be sent")]) == 1
    tell(alice)
    assert "alarm one" in letterbox.last()
    assert "e-mail cannot be sent" in letterbox.last()


def test_what_a_dead_worker_was_sending_is_sent_by_the_next_that_looks(
    alice: Person, letterbox: Letterbox, servers: TestServers, database: str
) -> None:
    happen(alice, "one")
    with living(servers, database) as other:
        claimed_by(alice, other)
        tell(alice)
        assert letterbox.came == []
    tell(alice)
    assert "alarm one" in letterbox.last()
    with tenant_scope(alice.tenant_id):
        assert AlertSettings.objects.get().owner is None


def test_one_that_was_frozen_until_another_was_sending_notes_nothing(
    alice: Person, servers: TestServers, database: str
) -> None:
    happen(alice, "one")
    fan_out.tell(alice.tenant_id)
    with living(servers, database) as other:
        digest = in_tenant(alice.tenant_id, lambda: mail._claim(1))
        assert digest is not None
        claimed_by(alice, other)
        in_tenant(alice.tenant_id, lambda: mail._sent(digest))
        in_tenant(alice.tenant_id, lambda: mail._not_sent(1, "no answer"))
        with tenant_scope(alice.tenant_id):
            row = AlertSettings.objects.get()
            assert (row.owner, row.mail_after, row.mail_failures) == (other, None, 0)
            assert MailLine.objects.exists()


def claimed_by(person: Person, owner: int) -> None:
    with tenant_scope(person.tenant_id):
        until = now() + timedelta(minutes=1)
        AlertSettings.objects.update(owner=owner, mailing_until=until)


def test_nobody_is_told_any_more_once_the_addresses_are_gone(
    alice: Person, letterbox: Letterbox
) -> None:
    happen(alice, "one")
    fan_out.tell(alice.tenant_id)
    with tenant_scope(alice.tenant_id):
        alerts.change([], None, THE_HOST)
        assert not MailLine.objects.exists()
    tell(alice)
    assert letterbox.came == []


def test_addresses_and_ladder_are_set_by_the_api(alice: Person, letterbox: Letterbox) -> None:
    asker = client({"Authorization": f"Bearer {alice.api_key}"})
    steps = [{"after_seconds": 45, "ways": ["email"]}]
    wanted = {"addresses": [DESK], "steps": steps}
    told = asker.put("/api/v1/alerts", wanted, format="json")
    assert told.json() == {**wanted, "is_default_ladder": False}
    assert asker.get("/api/v1/alerts").json() == told.json()


@pytest.mark.parametrize(
    "wanted",
    [
        {"addresses": ["no address"]},
        {"addresses": ["a@b.example\nBcc: x@y.example"]},
        {"addresses": [], "steps": [{"after_seconds": 0, "ways": ["email"]}]},
        {"addresses": [], "steps": [{"after_seconds": 9, "ways": []}]},
        {"addresses": [], "steps": [{"after_seconds": 9, "ways": ["pigeon"]}]},
        {"addresses": [], "steps": [{"after_seconds": n, "ways": ["email"]} for n in (9, 9)]},
        {"addresses": [], "stps": []},
    ],
)
def test_what_makes_no_sense_is_refused(alice: Person, wanted: dict[str, Any]) -> None:
    asker = client({"Authorization": f"Bearer {alice.api_key}"})
    assert asker.put("/api/v1/alerts", wanted, format="json").status_code == 400


def test_without_a_mail_server_there_are_no_addresses(alice: Person) -> None:
    asker = client({"Authorization": f"Bearer {alice.api_key}"})
    with override_settings(EMAIL_HOST=""):
        answer = asker.put("/api/v1/alerts", {"addresses": [DESK]}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no-mail-server")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("", MailServer()),
        ("smtp://relay.example", MailServer("relay.example", 25)),
        (
            "smtp+starttls://me:p%40ss@relay.example",
            MailServer("relay.example", 587, "me", "p@ss", starttls=True),
        ),
        ("smtps://relay.example:2465", MailServer("relay.example", 2465, tls=True)),
    ],
)
def test_the_mail_server_is_named_by_a_url(url: str, server: MailServer) -> None:
    assert Environment({"MAIL": url}).mail("MAIL") == server
