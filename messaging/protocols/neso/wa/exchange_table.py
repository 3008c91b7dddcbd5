"""Reads a profile's exchange table: services, what each carries, and what an HTTP status means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from messaging.protocols.neso.wa.profile import (
    Direction,
    Envelope,
    Exchange,
    Outcome,
    PayloadType,
    ReceiptMode,
    Ruling,
    Rulings,
    Sealing,
    Service,
)
from messaging.protocols.tables import Table

_METHODS: Final = frozenset({"POST", "PUT"})
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+", re.ASCII)
_EXACT: Final = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_HUNDRED: Final = re.compile(r"[1-5]xx", re.ASCII)
_MOST_BYTES: Final = 1 << 30


def read_services(root: Table) -> dict[str, Service]:
    services = {name: _service(name, table) for name, table in root.tables("services")}
    if len({service.path for service in services.values()}) != len(services):
        root.fault("services", "two of them have the same path")
    return services


def _service(name: str, table: Table) -> Service:
    service = Service(
        name,
        table.text("path"),
        table.text("method"),
        table.whole("max_bytes", 1, _MOST_BYTES),
        table.source(),
    )
    if _PATH.fullmatch(service.path) is None:
        table.fault("path", "must be one or more parts, each after a slash")
    if service.method not in _METHODS:
        table.fault("method", f"must be one of {', '.join(sorted(_METHODS))}")
    table.nothing_else()
    return service


def read_exchanges(
    root: Table,
    services: Mapping[str, Service],
    types: Mapping[str, PayloadType],
    envelope: Envelope,
) -> tuple[Exchange, ...]:
    """A question may be of a type that has no layout yet; an answer may not, and a layout without
    an exchange is a fault.
    """
    found: dict[tuple[str, str], Exchange] = {}
    for row in root.rows("exchanges"):
        exchange = _exchange(row, services, types, envelope)
        key = (exchange.service.name, exchange.type)
        if key in found:
            row.fault("type", "the service carries it twice")
        found[key] = exchange
    asked = {exchange.type for exchange in found.values()}
    for name, type_ in types.items():
        if type_.questions and name not in asked:
            root.fault("exchanges", f"none carries {name}")
    return tuple(found.values())


def _exchange(
    row: Table,
    services: Mapping[str, Service],
    types: Mapping[str, PayloadType],
    envelope: Envelope,
) -> Exchange:
    service = services.get(row.text("service"))
    if service is None:
        row.fault("service", "names no service")
    exchange = Exchange(
        service or Service("", "", "", 0, ""),
        row.text("type"),
        row.choice("direction", Direction),
        row.text("answer"),
        row.choice("receipt", ReceiptMode),
        row.text("correlation"),
        row.source(),
    )
    answer = types.get(exchange.answer)
    if answer is None or not answer.answers:
        row.fault("answer", "names no type that has an answer")
    if exchange.correlation != envelope.in_reply_to.name:
        row.fault("correlation", f"must be the envelope's, {envelope.in_reply_to.name}")
    row.nothing_else()
    return exchange


def read_rulings(table: Table) -> Rulings:
    exact: dict[int, Ruling] = {}
    hundreds: dict[int, Ruling] = {}
    other = _ruling(table.table("other"))
    for key in table.names():
        if _EXACT.fullmatch(key):
            exact[int(key)] = _ruling(table.table(key))
        elif _HUNDRED.fullmatch(key):
            hundreds[int(key[0])] = _ruling(table.table(key))
    table.nothing_else()
    if not any(ruling.outcome is Outcome.VERDICT for ruling in exact.values()):
        table.fault("", "no status has the outcome verdict")
    return Rulings(MappingProxyType(exact), MappingProxyType(hundreds), other)


def _ruling(table: Table) -> Ruling:
    ruling = Ruling(
        table.choice("outcome", Outcome), table.choice("sealed", Sealing), table.source()
    )
    table.nothing_else()
    return ruling
