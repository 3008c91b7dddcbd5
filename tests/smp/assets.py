"""Assets for files to be uploaded, and what writes them as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from messaging.domain.rules.registrations import check_digit

HEADING = (
    *("assetName", "importMpan", "exportMpan", "latitude", "longitude", "generationCapacity"),
    *("demandCapacity", "postcode", "gspGroupId", "fuelType"),
)


def mpan(number: int) -> str:
    core = f"12{number:010d}"
    return core + check_digit(core)


def asset(number: int, **changes: Any) -> dict[str, Any]:
    """One that no other number has anything in common with but its site."""
    whole = {
        "assetName": f"Battery {number}",
        "importMpan": mpan(number),
        "latitude": 51.5,
        "longitude": -0.1,
        "generationCapacity": 0.01,
        "demandCapacity": 0.005,
        "postcode": "SW1A 1AA",
        "gspGroupId": "_C",
        "fuelType": "battery",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def table(assets: Iterable[dict[str, Any]], heading: Sequence[str] = HEADING) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(heading)
    writer.writerows([one.get(name, "") for name in heading] for one in assets)
    return out.getvalue().encode()


def listed(assets: Iterable[dict[str, Any]], unit: dict[str, Any] | None = None) -> bytes:
    found = list(assets)
    return json.dumps(found if unit is None else {"unit": unit, "assets": found}).encode()
