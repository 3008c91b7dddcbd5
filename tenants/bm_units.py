"""What the host does for a BM unit by itself: the one door to those settings, which tells the audit
log of every change. Which parameters a unit can be meant to have is the market's to say: they are
registered when the applications start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.models import BmUnit

SETTINGS = ("auto_accept", "expected", "gate_alarm_minutes")

_parameters: list[str] = []


def register(parameters: Iterable[str]) -> None:
    """Called as the applications start."""
    _parameters[:] = parameters


def in_order(expected: Iterable[str]) -> list[str]:
    """Each once. Raises ValueError for a name that is no parameter's."""
    wanted = list(expected)
    unknown = [name for name in wanted if name not in _parameters]
    if unknown:
        raise ValueError(f"{str(unknown[0])[:40]!r} is none of {', '.join(_parameters)}")
    return [name for name in _parameters if name in wanted]


def find_locked(bm_unit_id: UUID) -> BmUnit | None:
    row: BmUnit | None = (
        BmUnit.objects.select_for_update(of=("self",))
        .select_related("control_point")
        .filter(id=bm_unit_id)
        .first()
    )
    return row


def change(row: BmUnit, *, by: Mapping[str, object], **settings: Any) -> tuple[str, ...]:
    """Changes some of SETTINGS and says which of them it did. Raises ValueError."""
    if "expected" in settings:
        settings["expected"] = in_order(settings["expected"])
    changed = tuple(name for name, value in settings.items() if getattr(row, name) != value)
    if not changed:
        return ()
    for name in changed:
        setattr(row, name, settings[name])
    row.save(update_fields=changed)
    detail: dict[str, object] = {
        "what": f"BM unit {row}",
        "verb": "changed",
        "fields": ", ".join(changed),
        **by,
    }
    detail |= {name: told(getattr(row, name)) for name in changed}
    ledger.record(Fact(Event.REGISTER_CHANGED, now(), detail=detail))
    return changed


def told(value: object) -> object:
    """As the audit log writes it."""
    return " ".join(value) if isinstance(value, list) else value
