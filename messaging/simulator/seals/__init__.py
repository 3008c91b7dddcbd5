"""The seals there are, by name: one module and one line here add another."""

from __future__ import annotations

from messaging.simulator.seals.base import Seal
from messaging.simulator.seals.content_hash import ContentHash
from messaging.simulator.seals.jws_compact import JwsCompact
from messaging.simulator.seals.jws_detached import JwsDetached
from messaging.simulator.seals.jws_json import JwsJson

_ALL: tuple[Seal, ...] = (JwsJson(), JwsCompact(), JwsDetached(), ContentHash())
SEALS: dict[str, Seal] = {seal.name: seal for seal in _ALL}
