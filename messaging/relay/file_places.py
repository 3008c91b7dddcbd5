"""Where the files of a trading point lie: with the host, or on the tenant's own server with what
the host logs in by there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from typing import Protocol as Shape
from uuid import UUID

from messaging.transports.files import FilePlace
from messaging.transports.remote_files import Remote
from tenants import remote_secrets
from tenants.scope import require_tenant

CLIENT = "client"
"""The mode of an endpoint whose files the host fetches and brings; in any other, tenants come."""


class TradingPoint(Shape):
    """An endpoint of EDT, as a row of the register or loaded with a delivery."""

    @property
    def id(self) -> UUID: ...
    @property
    def address(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...


def is_fetched(point: TradingPoint) -> bool:
    """Whether its files lie on the tenant's own server."""
    return point.settings.get("mode") == CLIENT


def place_of(point: TradingPoint) -> FilePlace:
    """Within the tenant's scope. What is in it of secrets is for the moment, not for keeping."""
    return FilePlace(require_tenant(), point.id, _remote(point) if is_fetched(point) else None)


def _remote(point: TradingPoint) -> Remote:
    secret = remote_secrets.find(point.id)
    settings = point.settings
    return Remote(
        address=point.address,
        user=str(settings.get("user", "")),
        password=secret.password if secret else "",
        private_key=secret.private_key if secret else "",
        host_key=str(settings.get("host_key", "")),
        ca=str(settings.get("ca", "")),
    )
