"""The settings of stored endpoints as their protocols' own classes. They were checked when they
were written; what a later version wrote and this one does not know is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, cast

from django.conf import settings as configured

from messaging.protocols.edl.settings import EdlSettings
from messaging.protocols.edt.settings import EdtSettings
from messaging.protocols.neso.settings import WaSettings
from messaging.protocols.registry import get_protocol
from messaging.protocols.settings import Settings
from messaging.relay.register import FILE_PROTOCOL, LEGACY_PROTOCOL, OPERATOR_PROTOCOL
from tenants.cache import Bounded

_KNOWN: Final[dict[str, frozenset[str]]] = {
    FILE_PROTOCOL: frozenset(one.name for one in fields(EdtSettings)),
    LEGACY_PROTOCOL: frozenset(one.name for one in fields(EdlSettings)),
    OPERATOR_PROTOCOL: frozenset(one.name for one in fields(WaSettings)),
}

_read: Bounded[tuple[str, str], Settings] = Bounded(1024)


def operator_settings(stored: Mapping[str, Any]) -> WaSettings:
    """Of an endpoint that leads to the system operator. Raises BadSettings."""
    return cast(WaSettings, _settings(OPERATOR_PROTOCOL, stored))


def control_point_settings(stored: Mapping[str, Any]) -> EdlSettings:
    """Raises BadSettings."""
    return cast(EdlSettings, _settings(LEGACY_PROTOCOL, stored))


def trading_point_settings(stored: Mapping[str, Any]) -> EdtSettings:
    """Raises BadSettings."""
    return cast(EdtSettings, _settings(FILE_PROTOCOL, stored))


def _settings(protocol: str, stored: Mapping[str, Any]) -> Settings:
    """Reading them takes longer than finding what was read before, and they seldom change."""
    return _read.get((protocol, repr(stored)), lambda: _parse(protocol, stored))


def _parse(protocol: str, stored: Mapping[str, Any]) -> Settings:
    known = {name: value for name, value in stored.items() if name in _KNOWN[protocol]}
    return get_protocol(protocol, configured.PROFILE_DIR).settings(known)
