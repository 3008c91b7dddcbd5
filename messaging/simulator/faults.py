"""Which faults are set now, for whom and how often still; applying one is the routes' and the
dispatch's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from messaging.simulator.catalogue import CATALOGUE, FaultUnknown, Setting
from messaging.simulator.services import find_service

_OWN = frozenset({"fault", "path", "participantId", "times"})
_ANY = "*"


@dataclass(slots=True)
class Fault:
    """`remaining` is None where the fault stays until it is taken away."""

    name: str
    service: str
    participant_id: str | None
    remaining: int | None
    settings: Mapping[str, Setting]

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

    def show(self) -> dict[str, object]:
        return {
            "fault": self.name,
            "path": self.service,
            "participantId": self.participant_id,
            "times": self.remaining,
            **self.settings,
        }


class FaultBoard:
    """Where several faults of one name suit, the first set applies."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def set(self, items: list[object]) -> None:
        """Replaces what is set, all or nothing. Raises FaultUnknown."""
        self._faults = [_read_fault(item) for item in items]

    def clear(self) -> None:
        self._faults = []

    def show(self) -> list[dict[str, object]]:
        return [fault.show() for fault in self._faults]

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
        for fault in self._faults:
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


def _read_fault(item: object) -> Fault:
    if not isinstance(item, dict):
        raise FaultUnknown("a fault is an object")
    name = item.get("fault")
    kind = CATALOGUE.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FaultUnknown(f"unknown fault {str(name)[:40]!a}")
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
    return Fault(kind.name, service, participant, _read_times(item.get("times")), settings)


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
