"""Closes what the simulator sends with its own key, or wrongly where a fault asks for it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from messaging.simulator.certificates import Signer, make_stranger
from messaging.simulator.config import Config, Tenant
from messaging.simulator.dialect import HOST_1, Dialect
from messaging.simulator.faults import FaultBoard
from messaging.simulator.seals import SEALS
from messaging.simulator.seals.base import Claims, Exchange, Wire
from messaging.simulator.stamps import Clock, now, write_stamp
from messaging.simulator.strict_json import write


@dataclass(frozen=True, slots=True)
class Sealed:
    """`signed_at` is the true time, whatever a clock fault made iat say."""

    wire: Wire
    payload: bytes
    signed_at: datetime
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Draft:
    payload: bytes
    signer: Signer
    skew: int
    faults: tuple[str, ...]


class Sealer:
    def __init__(self, faults: FaultBoard, clock: Clock) -> None:
        self._faults = faults
        self._clock = clock
        self._strangers: dict[str, Signer] = {}

    def close(
        self,
        config: Config,
        tenant: Tenant,
        service: str,
        payload: bytes,
        message_id: str,
        exchange: Exchange,
        dialect: Dialect = HOST_1,
    ) -> Sealed:
        direction = "answers" if exchange.verb == "ANSWER" else "requests"
        draft = self._spoil(_Draft(payload, config.signer, 0, ()), tenant, service, direction)
        signed_at = now()
        told = self._clock.told(signed_at).timestamp() + draft.skew
        named = dialect.id_of(draft.payload, message_id)
        written = dialect.write(draft.payload)
        claims = Claims(config.participant_id, tenant.participant_id, told, named)
        wire = SEALS[tenant.seal].close(written, claims, draft.signer, exchange)
        return Sealed(wire, written, signed_at, draft.faults)

    def _spoil(self, draft: _Draft, tenant: Tenant, service: str, direction: str) -> _Draft:
        for name in ("bad_signature", "wrong_key", "clock_skew", "wrong_in_reply_to"):
            fault = self._faults.take(name, service, tenant.participant_id, direction=direction)
            if fault is None:
                continue
            draft = replace(draft, faults=(*draft.faults, name))
            if name == "clock_skew":
                skew = fault.whole("seconds")
                draft = replace(draft, skew=skew, payload=_skew(draft.payload, skew))
            elif name == "wrong_in_reply_to":
                draft = replace(draft, payload=_misdirect(draft.payload))
            else:
                draft = replace(draft, signer=self._impostor(draft.signer, name))
        return draft

    def _impostor(self, signer: Signer, name: str) -> Signer:
        stranger = self._strangers.get(signer.algorithm)
        if stranger is None:
            stranger = self._strangers[signer.algorithm] = make_stranger(signer)
        if name == "wrong_key":
            return stranger
        return replace(signer, key=stranger.key)


def _skew(payload: bytes, seconds: int) -> bytes:
    members = json.loads(payload)
    at = datetime.fromisoformat(members["sentAt"]) + timedelta(seconds=seconds)
    return write({**members, "sentAt": write_stamp(at)})


def _misdirect(payload: bytes) -> bytes:
    members = json.loads(payload)
    if "inReplyTo" not in members:
        return payload
    return write({**members, "inReplyTo": str(uuid.uuid4())})
