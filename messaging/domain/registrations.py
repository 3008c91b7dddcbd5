"""What is registered on the Single Markets Platform: assets, and the unit they are aligned with.
Names on the wire, and how a file says all this, are a protocol's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

MOST_ASSETS: Final = 1000
"""Assets of one request, and of one unit (the platform's overview)."""


class Shape(StrEnum):
    """What the value of a field is."""

    TEXT = "text"
    NUMBER = "number"
    TEXTS = "list of texts"
    CONTACT = "contact"


ASSET_FIELDS: Final[Mapping[str, Shape]] = {
    "assetName": Shape.TEXT,
    "importMpan": Shape.TEXT,
    "exportMpan": Shape.TEXT,
    "latitude": Shape.NUMBER,
    "longitude": Shape.NUMBER,
    "generationCapacity": Shape.NUMBER,
    "demandCapacity": Shape.NUMBER,
    "postcode": Shape.TEXT,
    "gspGroupId": Shape.TEXT,
    "fuelType": Shape.TEXT,
    "connectionVoltage": Shape.TEXT,
    "meteringAccuracy": Shape.TEXT,
}
"""Our names of an asset's fields, after neighbouring public data sets. Capacities are in MW."""

UNIT_FIELDS: Final[Mapping[str, Shape]] = {
    "unitName": Shape.TEXT,
    "nationalGridBmUnit": Shape.TEXT,
    "elexonBmUnit": Shape.TEXT,
    "eic": Shape.TEXT,
    "leadPartyId": Shape.TEXT,
    "services": Shape.TEXTS,
    "controlPointContact": Shape.CONTACT,
}
CONTACT_FIELDS: Final = ("name", "telephone", "email")

Value = str | Decimal | tuple[str, ...] | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset by the names of its fields; what was left empty is not in it."""

    fields: Mapping[str, Value]

    @property
    def name(self) -> str:
        return str(self.fields.get("assetName", ""))

    @property
    def mpans(self) -> tuple[str, ...]:
        """Of import and export, each once."""
        given = (self.fields.get(name) for name in ("importMpan", "exportMpan"))
        return tuple(dict.fromkeys(str(one) for one in given if one))

    @property
    def capacity(self) -> Decimal:
        """What it counts for against the limits, in MW: the larger of what it can generate and
        what it can take.
        """
        return max(self._megawatts("generationCapacity"), self._megawatts("demandCapacity"))

    @property
    def site(self) -> str:
        """What stands at one place: everything of one postcode; without one, of one point to three
        decimals (about 100 m); else the asset by itself.
        """
        if postcode := self.fields.get("postcode"):
            return compact_postcode(str(postcode))
        latitude, longitude = self.fields.get("latitude"), self.fields.get("longitude")
        if isinstance(latitude, Decimal) and isinstance(longitude, Decimal):
            return f"{latitude:.3f},{longitude:.3f}"
        return f"asset {self.name}"

    def text(self, name: str) -> str:
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> Decimal | None:
        value = self.fields.get(name)
        return value if isinstance(value, Decimal) else None

    def _megawatts(self, name: str) -> Decimal:
        return self.number(name) or Decimal(0)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit by the names of its fields; what was left empty is not in it."""

    fields: Mapping[str, Value]

    @property
    def name(self) -> str:
        return self.text("unitName")

    def text(self, name: str) -> str:
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else ""

    @property
    def contact(self) -> Mapping[str, str]:
        value = self.fields.get("controlPointContact")
        return value if isinstance(value, Mapping) else {}


def as_members(fields: Mapping[str, Value]) -> dict[str, object]:
    """As JSON has them. Fifteen digits, which is all that is read, are kept exactly."""
    return {name: _written(value) for name, value in fields.items()}


def name_key(name: str) -> str:
    """What makes two names one: letters of either case, and any run of blanks."""
    return " ".join(name.split()).casefold()


def compact_postcode(text: str) -> str:
    return "".join(text.split()).upper()


def _written(value: Value) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
