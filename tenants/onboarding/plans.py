"""Reads the plan of a tenant from a file, TOML or JSON, and says everything that is wrong with it
at once. What it names, certificates and peers, must be there.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenants.clock import now
from tenants.keys import uploads
from tenants.keys.faults import Unfit
from tenants.keys.life import CertificatePurpose
from tenants.models import Environment, Peer
from tenants.onboarding.enrol import ControlPointPlan, OperatorPlan, TenantPlan

LARGEST_FILE = 1024 * 1024
_TENANT = frozenset({"name", "participant_id", "environment", "operators", "control_points"})
_OPERATOR = frozenset({"peer", "address"})
_POINT = frozenset({"name", "bm_units"})
_MORE = {
    "": frozenset({"trading_agent"}),
    "operators": frozenset({"protocol", "transport", "settings"}),
    "control_points": frozenset({"certificate", "protocol", "transport", "settings"}),
}


class BadPlan(Exception):
    """One line for each thing that is wrong."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What a plan need not say: protocol and transport of either side."""

    operator: tuple[str, str]
    control_point: tuple[str, str]


@dataclass(slots=True)
class _Faults:
    lines: list[str] = field(default_factory=list)

    def add(self, place: str, text: str) -> None:
        self.lines.append(f"{place}: {text}" if place else text)

    @contextmanager
    def caught(self, place: str) -> Iterator[None]:
        try:
            yield
        except Unfit as error:
            for fault in error.faults:
                self.add(place, fault.text)
        except (OSError, UnicodeDecodeError) as error:
            self.add(place, f"cannot be read: {error}")


def read(file: Path, usual: Usual) -> TenantPlan:
    """Raises BadPlan. Certificates are named by their files, seen from the plan's."""
    told, faults = _told(file), _Faults()
    _members(told, "", _TENANT, faults)
    if told.get("environment") not in Environment.values:
        faults.add("environment", f"must be one of {', '.join(Environment.values)}")
    operators = [_operator(*one, usual, faults) for one in _tables(told, "operators", faults)]
    points = [
        _control_point(*one, file.parent, usual, faults)
        for one in _tables(told, "control_points", faults)
    ]
    for name in ("name", "participant_id", "trading_agent"):
        _text(told, name, name, faults, needed=name != "trading_agent")
    if faults.lines:
        raise BadPlan("\n".join(faults.lines))
    return TenantPlan(
        name=told["name"],
        participant_id=told["participant_id"],
        trading_agent=told.get("trading_agent", ""),
        environment=Environment(told["environment"]),
        signing=None,
        client=None,
        operators=tuple(one for one in operators if one),
        control_points=tuple(points),
    )


def _told(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise BadPlan(f"{file} is larger than {LARGEST_FILE} bytes")
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise BadPlan(f"{file} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise BadPlan(f"{file} is not a table")
    return found


def _tables(
    told: Mapping[str, Any], name: str, faults: _Faults
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    tables = told.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        faults.add(name, "must be a list of tables")
        return
    for number, table in enumerate(tables):
        place = f"{name}[{number}]"
        _members(table, name, _OPERATOR if name == "operators" else _POINT, faults, place)
        yield place, table


def _operator(
    place: str, table: Mapping[str, Any], usual: Usual, faults: _Faults
) -> OperatorPlan | None:
    address = _text(table, "address", f"{place}.address", faults)
    if address and not address.startswith("https://"):
        faults.add(f"{place}.address", "must be an https:// URL")
    name = _text(table, "peer", f"{place}.peer", faults)
    peer = Peer.objects.filter(name=name).first() if name else None
    if peer is None:
        faults.add(f"{place}.peer", "no peer of this name is registered")
        return None
    protocol, transport = _ways(table, place, usual.operator, faults)
    return OperatorPlan(peer, protocol, transport, address, _settings(table, place, faults))


def _control_point(
    place: str, table: Mapping[str, Any], folder: Path, usual: Usual, faults: _Faults
) -> ControlPointPlan:
    name = _text(table, "name", f"{place}.name", faults)
    units = table.get("bm_units", [])
    if not isinstance(units, list) or not all(isinstance(unit, str) and unit for unit in units):
        faults.add(f"{place}.bm_units", "must be a list of names")
        units = []
    certificate = ""
    with faults.caught(f"{place}.certificate"):
        path = _text(table, "certificate", f"{place}.certificate", faults, needed=False)
        offer = uploads.Offer((folder / path).read_text(encoding="utf-8")) if path else None
        if offer is not None:
            certificate = uploads.read(offer, CertificatePurpose.CONTROL_POINT, now()).pem
    protocol, transport = _ways(table, place, usual.control_point, faults)
    names = tuple(unit.strip().upper() for unit in units)
    return ControlPointPlan(
        name, names, certificate, protocol, transport, _settings(table, place, faults)
    )


def _ways(
    table: Mapping[str, Any], place: str, usual: tuple[str, str], faults: _Faults
) -> tuple[str, str]:
    protocol = _text(table, "protocol", f"{place}.protocol", faults, needed=False)
    transport = _text(table, "transport", f"{place}.transport", faults, needed=False)
    return protocol or usual[0], transport or usual[1]


def _settings(table: Mapping[str, Any], place: str, faults: _Faults) -> dict[str, Any]:
    settings = table.get("settings", {})
    if not isinstance(settings, dict):
        faults.add(f"{place}.settings", "must be a table")
        return {}
    return settings


def _members(
    table: Mapping[str, Any], kind: str, needed: frozenset[str], faults: _Faults, place: str = ""
) -> None:
    for name in sorted(table.keys() - needed - _MORE[kind]):
        faults.add(place, f"{name!r} is not known")


def _text(
    table: Mapping[str, Any], name: str, place: str, faults: _Faults, *, needed: bool = True
) -> str:
    text = table.get(name, "")
    if not isinstance(text, str) or (needed and not text.strip()):
        faults.add(place, "must be a text" + (" that is not empty" if needed else ""))
        return ""
    return text
