"""Which faults are set now, for whom and how often still; applying one is the routes' and the
dispatch's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from messaging.simulator.catalogue import CATALOGUE, FaultKind, FaultUnknown, Setting
from messaging.simulator.services import find_service

_OWN = frozenset({"id", "fault", "path", "participantId", "times", "forSeconds"})
_ANY = "*"
_MOST_SECONDS = 7 * 86400
_MOST_FAULTS = 1000


@dataclass(slots=True)
class Fault:
    """`remaining` is None where no number of times ends it, `until` (monotonic) where no time
    does."""

    name: str
    service: str
    participant_id: str | None
    remaining: int | None
    settings: Mapping[str, Setting]
    until: float | None = None
    id: int = 0

    def whole(self, name: str) -> int:
        return int(self.settings[name])

    def seconds(self) -> float:
        return float(self.settings["seconds"])

    def text(self, name: str) -> str:
        return str(self.settings[name])

    def suits(self, service: str, participant_id: str, direction: str) -> bool:
        if self.service == _ANY:
            within = service in CATALOGUE[self.name].services
        else:
            within = service == self.service
        whose = self.participant_id in (None, participant_id)
        return within and whose and self.settings.get("direction", direction) == direction

    def is_over(self) -> bool:
        return self.until is not None and time.monotonic() >= self.until

    def show(self) -> dict[str, object]:
        left = None if self.until is None else round(max(0.0, self.until - time.monotonic()), 3)
        return {
            "id": self.id,
            "fault": self.name,
            "path": self.service,
            "participantId": self.participant_id,
            "times": self.remaining,
            "forSeconds": left,
            **self.settings,
        }


class FaultBoard:
    """Where several faults of one name suit, the first set applies."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._last = 0

    def set(self, items: list[object]) -> None:
        """Replaces what is set, all or nothing. Raises FaultUnknown."""
        self._faults = self._number([read_fault(item) for item in items])

    def add(self, items: list[object]) -> list[Fault]:
        """Beside what is set, all or nothing. Raises FaultUnknown."""
        added = [read_fault(item) for item in items]
        if len(self._standing()) + len(added) > _MOST_FAULTS:
            raise FaultUnknown(f"more than {_MOST_FAULTS} faults")
        self._faults += self._number(added)
        return added

    def remove(self, number: int) -> bool:
        """False where no fault of that id is set (any more)."""
        kept = [fault for fault in self._standing() if fault.id != number]
        is_gone = len(kept) < len(self._faults)
        self._faults = kept
        return is_gone

    def clear(self) -> None:
        self._faults = []

    def show(self) -> list[dict[str, object]]:
        return [fault.show() for fault in self._standing()]

    def _number(self, faults: list[Fault]) -> list[Fault]:
        for fault in faults:
            self._last += 1
            fault.id = self._last
        return faults

    def _standing(self) -> list[Fault]:
        if any(fault.is_over() for fault in self._faults):
            self._faults = [fault for fault in self._faults if not fault.is_over()]
        return self._faults

    def take(
        self,
        name: str,
        service: str,
        participant_id: str,
        *,
        direction: str = "answers",
        payload: Mapping[str, object] | None = None,
    ) -> Fault | None:
        """The fault to apply now, counted down by one."""
        for fault in self._standing():
            suits = fault.name == name and fault.suits(service, participant_id, direction)
            if suits and (payload is None or _matches(fault, payload)):
                return self._count(fault)
        return None

    def _count(self, fault: Fault) -> Fault:
        if fault.remaining is not None:
            fault.remaining -= 1
            if fault.remaining <= 0:
                self._faults.remove(fault)
        return fault


def each(every: int, count: int) -> range:
    """The indexes of each `every`-th of so many; of fewer than that, the last one's."""
    return range(min(every, count) - 1, count, every) if count else range(0)


def _matches(fault: Fault, payload: Mapping[str, object]) -> bool:
    """A submission matches by any of its records."""
    records = payload.get("records")
    candidates = [payload, *(records if isinstance(records, list) else [])]
    wanted = {name: fault.settings[name] for name in ("bmUnit", "parameter")}
    return any(_has(candidate, wanted) for candidate in candidates)


def _has(candidate: object, wanted: Mapping[str, Setting]) -> bool:
    if not isinstance(candidate, dict):
        return False
    named = {
        "bmUnit": [candidate.get("bmUnit")],
        "parameter": [candidate.get("parameter"), candidate.get("type")],
    }
    return all(not value or value in named[name] for name, value in wanted.items())


def read_fault(item: object) -> Fault:
    """As it is written on the control port and in a scenario; its time begins now. Raises
    FaultUnknown."""
    if not isinstance(item, dict):
        raise FaultUnknown("a fault is an object")
    kind = _read_kind(item)
    for key in item.keys() - _OWN - kind.parameters.keys():
        raise FaultUnknown(f"{kind.name}: unknown parameter {str(key)[:40]!a}")
    settings = {
        key: parameter.read(f"{kind.name}: {key}", item.get(key, parameter.default))
        for key, parameter in kind.parameters.items()
    }
    participant = item.get("participantId")
    if participant is not None and not isinstance(participant, str):
        raise FaultUnknown(f"{kind.name}: participantId is not a string")
    service = _read_service(item.get("path", _ANY), kind.name, kind.services)
    times, until = _read_times(item.get("times")), _read_end(item.get("forSeconds"))
    return Fault(kind.name, service, participant, times, settings, until)


def _read_kind(item: Mapping[str, object]) -> FaultKind:
    name = item.get("fault")
    kind = CATALOGUE.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FaultUnknown(f"unknown fault {str(name)[:40]!a}")
    return kind


def _read_end(seconds: object) -> float | None:
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise FaultUnknown("forSeconds is neither null nor a number")
    if not 0 < seconds <= _MOST_SECONDS:
        raise FaultUnknown(f"forSeconds is not within 0..{_MOST_SECONDS}")
    return time.monotonic() + seconds


def _read_service(value: object, name: str, allowed: tuple[str, ...]) -> str:
    if value == _ANY:
        return _ANY
    service = find_service(value) if isinstance(value, str) else None
    if service is None or service not in allowed:
        raise FaultUnknown(f"{name}: path is neither {_ANY} nor one of {', '.join(allowed)}")
    return service


def _read_times(value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise FaultUnknown("times is neither null nor an integer from 1")
    return value
