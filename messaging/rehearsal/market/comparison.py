"""What was sent against what came, message by message, segment by segment, in words. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ABSENT = "nothing"


@dataclass(frozen=True, slots=True)
class Told:
    """One message as one side knows it. `name` is the same at both sides and on its own for its
    kind; `content` as `telling` writes it.
    """

    line: Hashable
    name: str
    content: str

    def fields(self) -> dict[str, Any]:
        return dict(_flat("", json.loads(self.content)))


@dataclass(frozen=True, slots=True)
class Comparison:
    """`segments` counts segments, rates and values that were compared, in `messages` messages."""

    messages: int
    segments: int
    differences: tuple[str, ...]


def compare(sent: Sequence[Told], came: Sequence[Told]) -> Comparison:
    """Each that was sent must have come once, the same in every field, and in order within its
    line.
    """
    here, there = _by_name(sent), _by_name(came)
    pairs = [(here[name][0], there[name][0]) for name in here.keys() & there.keys()]
    found = [
        *_lost_or_twice(here, there),
        *(difference for one, other in pairs for difference in _otherwise(one, other)),
        *_out_of_order(sent, came, here.keys() & there.keys()),
    ]
    return Comparison(len(pairs), sum(_parts(one) for one, _ in pairs), tuple(found))


def _by_name(told: Iterable[Told]) -> dict[str, list[Told]]:
    found: defaultdict[str, list[Told]] = defaultdict(list)
    for one in told:
        found[one.name].append(one)
    return found


def _lost_or_twice(
    here: Mapping[str, list[Told]], there: Mapping[str, list[Told]]
) -> Iterator[str]:
    for name, sent in here.items():
        came = len(there.get(name, ()))
        if came == 0:
            yield f"{name}: sent, and never came"
        elif came != len(sent):
            yield f"{name}: sent {len(sent)}x, came {came}x"
    for name in there.keys() - here.keys():
        yield f"{name}: came, and was never sent"


def _otherwise(sent: Told, came: Told) -> Iterator[str]:
    here, there = sent.fields(), came.fields()
    for field in sorted(here.keys() | there.keys()):
        said, heard = here.get(field, _ABSENT), there.get(field, _ABSENT)
        if said != heard:
            yield f"{sent.name}, {field}: {said} was sent, {heard} came"


def _out_of_order(
    sent: Iterable[Told], came: Iterable[Told], common: Iterable[str]
) -> Iterator[str]:
    both = set(common)
    here, there = _lines(sent, both), _lines(came, both)
    for line, names in here.items():
        if names != there.get(line):
            first = next(
                (
                    one
                    for one, other in zip(names, there.get(line, []), strict=False)
                    if one != other
                ),
                names[0],
            )
            yield f"{first}: did not come in its order"


def _lines(told: Iterable[Told], names: set[str]) -> dict[Hashable, list[str]]:
    """Each line's names in order, every name once."""
    lines: defaultdict[Hashable, dict[str, None]] = defaultdict(dict)
    for one in told:
        if one.name in names:
            lines[one.line].setdefault(one.name)
    return {line: list(ordered) for line, ordered in lines.items()}


def _parts(told: Told) -> int:
    members = json.loads(told.content)
    return len(members.get("levels") or members.get("rates") or (None,))


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Leaves by path, segments counted from 1: `levels 2 levelTo`."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _flat(f"{path} {name}".strip(), member)
    elif isinstance(value, list):
        for number, member in enumerate(value, start=1):
            yield from _flat(f"{path} {number}", member)
    else:
        yield path, value
