"""The seals there are, by name: one module and one line here add another."""

from __future__ import annotations

from messaging.simulator.seals.base import Seal
from messaging.simulator.seals.jws_json import JwsJson

SEALS: dict[str, Seal] = {seal.name: seal for seal in (JwsJson(),)}
