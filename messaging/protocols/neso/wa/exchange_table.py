"""Reads a profile's exchange table: services, what each carries, and what an HTTP status means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from messaging.protocols.neso.wa.profile import (
    MESSAGE_ID,
    Answering,
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
_PATH: Final = re.compile(rf"(/([A-Za-z0-9._~-]+|{re.escape(MESSAGE_ID)}))+", re.ASCII)
_EXACT: Final = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_HUNDRED: Final = re.compile(r"[1-5]xx", re.ASCII)
_MOST_BYTES: Final = 1 << 30
_STATUSES_TAKEN: Final = 200, 299
_STATUSES_REFUSED: Final = 400, 499


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
    if service.path.count(MESSAGE_ID) > 1:
        table.fault("path", f"must name {MESSAGE_ID} once at most")
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
    if exchange.correlation != envelope.correlation.path:
        row.fault("correlation", f"must be the envelope's, {envelope.correlation.path}")
    _check_later(row, exchange, types, envelope)
    row.nothing_else()
    return exchange


def _check_later(
    row: Table, exchange: Exchange, types: Mapping[str, PayloadType], envelope: Envelope
) -> None:
    """A receipt that comes later is a message of its own, which must say what it answers."""
    asks = types.get(exchange.type)
    if envelope.in_reply_to is not None:
        return
    if exchange.receipt is ReceiptMode.LATER:
        row.fault("receipt", "cannot come later: an answer here has no messageId of its own")
    if asks is not None and asks.answers and not asks.questions:
        row.fault("type", "is an answer, which here has no messageId of its own to be asked under")


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


def read_answering(root: Table, rulings: Rulings) -> Answering:
    """The table [answering], which may be left out; held against what the profile makes of the same
    statuses when a peer answers.
    """
    if not root.has("answering"):
        return Answering()
    table = root.table("answering")
    answering = Answering(
        table.whole("taken", *_STATUSES_TAKEN),
        table.whole("refused", *_STATUSES_REFUSED),
        table.source(),
    )
    for key, status, outcome in (
        ("taken", answering.taken, Outcome.VERDICT),
        ("refused", answering.refused, Outcome.REFUSED),
    ):
        ruling = rulings.exact.get(status) or rulings.hundreds.get(status // 100) or rulings.other
        if ruling.outcome is not outcome or ruling.sealing is Sealing.NEVER:
            table.fault(key, f"[statuses] must say that {status} sealed is {outcome}")
    table.nothing_else()
    return answering


def _ruling(table: Table) -> Ruling:
    ruling = Ruling(
        table.choice("outcome", Outcome), table.choice("sealed", Sealing), table.source()
    )
    table.nothing_else()
    return ruling
