"""The lamp of a control point: whether its link is up, and since when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import OuterRef, QuerySet, Subquery

from messaging.models import Link
from messaging.relay.register import LEGACY_PROTOCOL
from tenants.models import Endpoint

_COLUMNS = (
    *("gateway", "up_at", "down_at", "alarmed_at", "address"),
    *("epoch", "last_taken", "last_given"),
)


class Lamp(models.TextChoices):
    UP = "UP"
    DOWN = "DOWN"
    NEVER = "NEVER", "never connected"


def with_links(endpoints: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    """Each with the columns of its link, as `link_<column>`: null where it never connected."""
    link = Link.objects.filter(endpoint_id=OuterRef("id"), tenant_id=OuterRef("tenant_id"))
    found: Any = {f"link_{name}": Subquery(link.values(name)[:1]) for name in _COLUMNS}
    return endpoints.annotate(**found)


def control_points(endpoints: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    return with_links(endpoints.filter(protocol=LEGACY_PROTOCOL))


def lamp_of(row: Any) -> Lamp:
    """Of an endpoint with its link's columns, or of a link."""
    if _column(row, "up_at") is None:
        return Lamp.NEVER
    return Lamp.DOWN if _column(row, "gateway") is None else Lamp.UP


def since_of(row: Any) -> datetime | None:
    """Since when the lamp shows what it shows."""
    name = {Lamp.UP: "up_at", Lamp.DOWN: "down_at", Lamp.NEVER: "up_at"}[lamp_of(row)]
    since: datetime | None = _column(row, name)
    return since


def _column(row: Any, name: str) -> Any:
    return getattr(row, name if isinstance(row, Link) else f"link_{name}")
