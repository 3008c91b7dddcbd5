"""The table of faults in docs/simulator.md, written from the catalogue: `python -m
messaging.simulator.manual` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from messaging.simulator.catalogue import CATALOGUE, FaultKind, Parameter
from messaging.simulator.services import SMP_SERVICES, WA_SERVICES

_GROUPS = {
    WA_SERVICES + SMP_SERVICES: "all",
    tuple(
        one for one in WA_SERVICES + SMP_SERVICES if one != "Authenticate"
    ): "all but Authenticate",
}


def fault_table() -> str:
    return "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    yield "| fault | what it does | parameters (default) | paths |"
    yield "|---|---|---|---|"
    for kind in CATALOGUE.values():
        yield f"| `{kind.name}` | {kind.does} | {_parameters(kind)} | {_paths(kind)} |"


def _parameters(kind: FaultKind) -> str:
    return "; ".join(f"`{name}` {_told(one)}" for name, one in kind.parameters.items())


def _told(one: Parameter) -> str:
    default = str(one.default).lower() if isinstance(one.default, bool) else str(one.default)
    words = [one.kind]
    if one.choices:
        words = [" or ".join(f"`{choice}`" for choice in one.choices)]
    elif one.kind in ("integer", "number"):
        words.append(f"{one.low:.0f} to {one.high:.0f}")
    return f"{' '.join(words)} ({default or 'none'})"


def _paths(kind: FaultKind) -> str:
    return _GROUPS.get(kind.services) or " ".join(f"`{service}`" for service in kind.services)


if __name__ == "__main__":
    print(fault_table(), end="")
