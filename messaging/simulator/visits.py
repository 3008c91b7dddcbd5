"""One request on its way through the reception, and what the ledger is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from messaging.simulator.config import Config, Tenant
from messaging.simulator.dialect import HOST_1, Dialect
from messaging.simulator.faults import Fault, FaultBoard
from messaging.simulator.ledger import Direction, Ledger, Role, open_exchange


@dataclass(slots=True)
class Visit:
    """`tenant` is None until the client certificate has told whose it is."""

    request: web.Request
    service: str
    config: Config
    ledger: Ledger
    exchange: str = field(default_factory=open_exchange)
    tenant: Tenant | None = None
    dialect: Dialect = HOST_1
    faults: list[str] = field(default_factory=list)

    def take(self, board: FaultBoard, name: str, tenant: Tenant) -> Fault | None:
        fault = board.take(name, self.service, tenant.participant_id)
        if fault is not None:
            self.faults.append(name)
        return fault

    def record_request(self, payload: bytes, *, verified: bool | None) -> None:
        self.ledger.record(
            self.exchange,
            Direction.IN,
            Role.REQUEST,
            self.service,
            participant_id=None if self.tenant is None else self.tenant.participant_id,
            payload=payload,
            verified=verified,
            fault=self.faults,
        )

    def record_answer(self, status: int | None, payload: bytes, detail: str | None) -> None:
        self.ledger.record(
            self.exchange,
            Direction.OUT,
            Role.ANSWER,
            self.service,
            participant_id=None if self.tenant is None else self.tenant.participant_id,
            payload=payload,
            status=status,
            fault=self.faults,
            detail=detail,
        )
