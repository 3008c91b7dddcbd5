"""Typed messages as JSON values, read off the dataclasses of the domain.

`type` names the class; members are the class's own. Times are UTC as RFC 3339, decimals are text so
that they stay exact.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any


def as_json(value: Any) -> Any:
    """A typed message, or any value that one is made of."""
    if is_dataclass(value):
        members = {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **members}
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Decimal) else value
