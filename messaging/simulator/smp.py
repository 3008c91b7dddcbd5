"""The operator's side of the Single Markets Platform: what each of its four services answers."""

from __future__ import annotations

from aiohttp import web

from messaging.simulator.checks.findings import Code, Violation
from messaging.simulator.checks.registration import (
    check_assets,
    check_status,
    check_unit,
    find_row_errors,
)
from messaging.simulator.config import Tenant
from messaging.simulator.faults import FaultBoard
from messaging.simulator.http import Problem
from messaging.simulator.live import LiveConfig
from messaging.simulator.memory import Answer
from messaging.simulator.payloads import answer, make_payload, refusal
from messaging.simulator.posting import HostClient
from messaging.simulator.routes import Received, Route
from messaging.simulator.services import ASSET, STATUS, UNIT
from messaging.simulator.strict_json import NotStrictJson, parse_object, write
from messaging.simulator.tokens import Tokens, is_login
from messaging.simulator.transactions import Transactions

_NOBODY = {"WWW-Authenticate": "Bearer"}


class SingleMarketsPlatform:
    def __init__(self, live: LiveConfig, faults: FaultBoard, client: HostClient) -> None:
        self._live = live
        self._faults = faults
        self._tokens = Tokens()
        self._transactions = Transactions(live, client)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(ASSET, None, check_assets, self._answer_batch, guard=self.guard, in_outage=True),
            Route(UNIT, None, check_unit, self._answer_batch, guard=self.guard, in_outage=True),
            Route(
                STATUS, None, check_status, self._answer_status, guard=self.guard, in_outage=True
            ),
        )

    def stop(self) -> None:
        self._transactions.stop()

    def authenticate(self, tenant: Tenant, body: bytes) -> bytes:
        try:
            login = parse_object(body)
        except NotStrictJson:
            login = {}
        if not is_login(tenant, login.get("username"), login.get("password")):
            raise Problem(401, "username or password does not hold")
        seconds = self._live.current.smp_times.token
        token = self._tokens.make(tenant, seconds)
        return write({"access_token": token, "token_type": "Bearer", "expires_in": seconds})

    def guard(self, request: web.Request, tenant: Tenant) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._tokens.holds(token.strip(), tenant):
            raise Problem(401, "the bearer token does not hold", _NOBODY)

    def _answer_batch(self, received: Received) -> Answer:
        errors = find_row_errors(received.payload)
        copies = self._count_returns(received)
        transaction = self._transactions.begin(received.tenant, errors, copies)
        members = {"transactionId": transaction.transaction_id}
        return answer(make_payload(None, received.message_id, members))

    def _count_returns(self, received: Received) -> int:
        """How often the batch return is sent: once, unless a fault says otherwise."""
        whose = received.tenant.participant_id
        if self._faults.take("receipt_missing", received.service, whose):
            received.faults.append("receipt_missing")
            return 0
        fault = self._faults.take("receipt_duplicated", received.service, whose)
        if fault is None:
            return 1
        received.faults.append("receipt_duplicated")
        return fault.whole("copies")

    def _answer_status(self, received: Received) -> Answer:
        wanted = str(received.payload["transactionId"])
        transaction = self._transactions.find(received.tenant, wanted)
        if transaction is None:
            violation = Violation("/transactionId", Code.UNKNOWN_INSTRUCTION, "unknown transaction")
            return refusal(received.message_id, (violation,), 404)
        return answer(make_payload(None, received.message_id, transaction.show()))
