"""Each seal on what comes down: believed, answered by the request's own seal, and remembered."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

import pytest

from messaging.domain.instructions import InstructionAnswer, Verdict
from messaging.protocols.neso.seals import SEALS, Sealed
from messaging.relay.deliver import deliver
from messaging.states import DeliveryState
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.sealing.both_ends import BothEnds
from tests.relay.sealing.speaking import (
    WRONG,
    Answer,
    closed,
    dispatch,
    each_seal,
    health,
    post,
    said,
    state_of,
    writer,
)
from tests.relay.test_from_control_point import POINT, UNIT
from tests.servers import ROOT


@each_seal
def test_an_instruction_is_believed_and_so_are_its_receipt_and_its_response(
    ends: BothEnds, alice: Person, link: OpenLink, seal: str
) -> None:
    ends.use(seal)
    told = dispatch(ends)
    assert (told["answer"]["status"], told["answer"]["verified"]) == (200, True), told
    assert told["answer"]["payload"]["status"] == "RECEIVED"
    outgoing = link.give().outgoing[-1]
    answer = InstructionAnswer(POINT, UNIT, told["acceptanceNumber"], Verdict.ACCEPTED)
    reference = link.hold.profile.number_text(outgoing.number)
    (made,) = link.say(answer, reply_to=reference).deliveries
    deliver(alice.tenant_id, made.id)
    assert state_of(alice, made.id) == DeliveryState.ACKNOWLEDGED
    settled = ends.control("GET", f"/dispatch/{told['messageId']}?wait=5")
    assert settled["response"]["verdict"] == "ACCEPTED"


@each_seal
@pytest.mark.parametrize("fault", WRONG)
def test_an_instruction_whose_seal_does_not_hold_is_unauthorized(
    ends: BothEnds, alice: Person, seal: str, fault: str
) -> None:
    ends.use(seal)
    ends.fault(fault, times=1, direction="requests", **WRONG[fault])
    told = dispatch(ends)
    assert told["answer"]["status"] == 401
    assert dispatch(ends)["answer"]["status"] == 200


@each_seal
def test_a_repeat_gets_the_same_answer_and_another_payload_under_its_id_is_a_conflict(
    ends: BothEnds, seal: str
) -> None:
    payload = health()
    first, again = (post(ends, closed(ends, seal, payload)) for _ in range(2))
    assert (first.status, again.status) == (200, 200)
    assert said(ends, seal, again) == said(ends, seal, first)
    assert said(ends, seal, first)["inReplyTo"] == payload["messageId"]
    assert post(ends, closed(ends, seal, {**payload, "note": 1})).status == 409


def test_an_answer_uses_the_requests_seal_whatever_the_endpoint_is_set_to(ends: BothEnds) -> None:
    ends.use("jws-json")
    for seal in SEALS:
        payload = health()
        answer = post(ends, closed(ends, seal, payload))
        assert answer.status == 200
        assert said(ends, seal, answer)["inReplyTo"] == payload["messageId"]


def test_a_message_taken_under_one_seal_is_a_repeat_under_any_other(ends: BothEnds) -> None:
    payload = health()
    answers = [said(ends, seal, post(ends, closed(ends, seal, payload))) for seal in SEALS]
    assert answers == [answers[0]] * len(SEALS)


@each_seal
def test_what_was_taken_is_remembered_by_another_process_and_after_a_restart(
    ends: BothEnds, seal: str
) -> None:
    """The memory is the database's alone: a new process, with nothing in its own memory, answers
    the same and tells other bytes from it.
    """
    payload = health()
    first = said(ends, seal, post(ends, closed(ends, seal, payload)))
    statuses = []
    for again in (payload, {**payload, "note": 1}):
        elsewhere = in_another_process(ends, closed(ends, seal, again))
        statuses.append(elsewhere.status)
        if elsewhere.status == 200:
            assert said(ends, seal, elsewhere) == first
    assert statuses == [200, 409]


_ELSEWHERE = """
import base64, json, os, sys
import django
django.setup()
from messaging.inbound.exchange import HttpQuestion, respond
told = json.load(sys.stdin)
told["body"], told["certificate"] = (base64.b64decode(told[n]) for n in ("body", "certificate"))
answer = respond(HttpQuestion(**told))
body = base64.b64encode(answer.body).decode()
print(json.dumps([answer.status, body, answer.content_type, answer.headers]))
"""


def in_another_process(ends: BothEnds, sealed: Sealed) -> Answer:
    url = writer(ends).url
    headers = {name.lower(): value for name, value in sealed.headers.items()}
    question = {"environment": "simulator", "method": "POST", "address": "127.0.0.1"}
    question |= {"path": "/wa/simulator/NESO_Health", "certificate": ""}
    question |= {"body": base64.b64encode(sealed.body).decode()}
    whole = {**question, "headers": {**headers, "content-type": sealed.content_type}}
    environment = os.environ | ends.servers.environment(ends.database)
    inbound = {"HOSTSVC_INBOUND_URL": f"https://127.0.0.1:{ends.inbound_port}"}
    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        input=json.dumps(whole),
        env={**environment, **inbound, "HOSTSVC_DATABASE_ROLE": "app"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status, body, type_, lines = json.loads(done.stdout)
    return Answer(status, Sealed(base64.b64decode(body), type_, lines), url)
