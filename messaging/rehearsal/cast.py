"""Who takes part in a demonstration: two tenants with two control points each, one of them driven
by the demonstration.
"""

from __future__ import annotations

from dataclasses import dataclass

THE_DEMONSTRATION = "the demonstration"
"""Who does what its set-up does, in the audit log."""
UNITS_DRIVEN = 25
UNITS_FREE = 4


@dataclass(frozen=True, slots=True)
class CastControlPoint:
    name: str
    bm_units: tuple[str, ...]
    driven: bool


@dataclass(frozen=True, slots=True)
class CastTenant:
    name: str
    participant_id: str
    trading_agent: str
    control_points: tuple[CastControlPoint, ...]


def _tenant(name: str, short: str) -> CastTenant:
    driven = tuple(f"{short}-{number:03d}" for number in range(1, UNITS_DRIVEN + 1))
    free = tuple(f"{short}-F{number:02d}" for number in range(1, UNITS_FREE + 1))
    return CastTenant(
        name,
        name.upper(),
        f"{short}TA",
        (
            CastControlPoint(f"{short}1", driven, driven=True),
            CastControlPoint(f"{short}2", free, driven=False),
        ),
    )


CAST = (_tenant("alder", "ALDR"), _tenant("birch", "BRCH"))
