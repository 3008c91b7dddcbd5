"""The operator's side of the Single Markets Platform: what each of its four services answers."""

from __future__ import annotations

from messaging.simulator.checks.findings import Code, Violation
from messaging.simulator.checks.registration import (
    check_assets,
    check_status,
    check_unit,
    find_row_errors,
)
from messaging.simulator.config import Tenant
from messaging.simulator.faults import FaultBoard, each
from messaging.simulator.http import Problem
from messaging.simulator.live import LiveConfig
from messaging.simulator.memory import Answer
from messaging.simulator.payloads import answer, make_payload, refusal
from messaging.simulator.posting import HostClient
from messaging.simulator.routes import Received, Route
from messaging.simulator.services import ASSET, STATUS, UNIT
from messaging.simulator.stamps import Clock
from messaging.simulator.strict_json import NotStrictJson, parse_object, write
from messaging.simulator.tokens import Tokens, is_login
from messaging.simulator.transactions import Transactions
from messaging.simulator.visits import Visit

_NOBODY = {"WWW-Authenticate": "Bearer"}


class SingleMarketsPlatform:
    def __init__(
        self, live: LiveConfig, faults: FaultBoard, client: HostClient, clock: Clock
    ) -> None:
        self._live = live
        self._faults = faults
        self._clock = clock
        self._tokens = Tokens(clock)
        self._transactions = Transactions(live, client, clock)

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

    def guard(self, visit: Visit, tenant: Tenant) -> None:
        scheme, _, token = visit.request.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer" and self._tokens.holds(token, tenant):
            if not visit.take(self._faults, "token_expired", tenant):
                return
            self._tokens.expire(token)
        raise Problem(401, "the bearer token does not hold", _NOBODY)

    def _answer_batch(self, received: Received) -> Answer:
        errors = find_row_errors(received.payload) + self._partial_errors(received)
        copies = self._count_returns(received)
        transaction = self._transactions.begin(received.tenant, errors, copies)
        members = {"transactionId": transaction.transaction_id}
        return answer(make_payload(None, received.message_id, members, self._clock.now()))

    def _partial_errors(self, received: Received) -> list[dict[str, object]]:
        whose, assets = received.tenant.participant_id, received.payload.get("assets")
        fault = self._faults.take("partial_errors", received.service, whose)
        if fault is None or not isinstance(assets, list):
            return []
        received.faults.append("partial_errors")
        code, text = fault.text("code"), fault.text("text")
        field = fault.text("field") or "assetName"
        return [
            {"index": index, "field": field, "code": code, "text": text}
            for index in each(fault.whole("every"), len(assets))
        ]

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
        at = self._clock.now()
        wanted = str(received.payload["transactionId"])
        transaction = self._transactions.find(received.tenant, wanted)
        if transaction is None:
            violation = Violation("/transactionId", Code.UNKNOWN_INSTRUCTION, "unknown transaction")
            return refusal(received.message_id, (violation,), at, 404)
        return answer(make_payload(None, received.message_id, transaction.show(), at))
