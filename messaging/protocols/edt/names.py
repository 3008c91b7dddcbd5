"""Names of files and the arithmetic of their numbers: which is expected, which is a repeat, and in
what order files that are there together are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from messaging.domain.units import TRADING_AGENT_NAME
from messaging.protocols.base import LocalProtocolError, RemoteProtocolError
from messaging.protocols.edt.profile import EdtProfile, Names


class Turn(StrEnum):
    """What a number is, beside the one that is expected.

    A REPEAT lies so little behind it that it may have been taken before. Whether it was, and with
    the same bytes, only who remembers it can say; if it was not, it is out of turn like a GAP.
    """

    NEW = "NEW"
    REPEAT = "REPEAT"
    GAP = "GAP"


@dataclass(frozen=True, slots=True, order=True)
class FileName:
    """Whose file it is, and its number."""

    agent: str
    sequence: int


def parse_name(profile: EdtProfile, name: str) -> FileName:
    """The submission of that name; RemoteProtocolError for what is no submission's name."""
    names = profile.names
    stem = name.removesuffix(names.submission)
    agent, _, digits = stem.rpartition("_")
    if (
        stem == name
        or TRADING_AGENT_NAME.fullmatch(agent) is None
        or re.fullmatch(rf"[0-9]{{{names.digits}}}", digits) is None
        or not names.first <= int(digits) <= last_number(names)
    ):
        raise RemoteProtocolError(
            f"not <AGENT>_<{names.digits} digits>{names.submission}", field="name"
        )
    return FileName(agent, int(digits))


def stem_of(profile: EdtProfile, name: FileName) -> str:
    """What a submission and its replies have in common; LocalProtocolError where there is no such
    file.
    """
    names = profile.names
    if TRADING_AGENT_NAME.fullmatch(name.agent) is None:
        raise LocalProtocolError(f"no trading agent's name: {name.agent!r}")
    if not names.first <= name.sequence <= last_number(names):
        raise LocalProtocolError(f"no number of a submission: {name.sequence}")
    return f"{name.agent}_{number_text(names, name.sequence)}"


def submission_name(profile: EdtProfile, name: FileName) -> str:
    return f"{stem_of(profile, name)}{profile.names.submission}"


def archive_name(profile: EdtProfile, name: FileName, at: datetime) -> str:
    """The name a taken file is kept under: that of a submission with the moment it was taken."""
    return f"{stem_of(profile, name)}.{stamp_text(at)}{profile.names.submission}"


def stamp_text(at: datetime) -> str:
    """A moment (UTC) in a file's name."""
    return f"{at:%Y%m%dT%H%M%S}Z"


def number_text(names: Names, sequence: int) -> str:
    return f"{sequence:0{names.digits}d}"


def last_number(names: Names) -> int:
    return int(10**names.digits) - 1


def number_after(names: Names, sequence: int) -> int:
    """The number that follows; after the last there is comes the first again."""
    return names.first if sequence >= last_number(names) else sequence + 1


def turn_of(names: Names, sequence: int, expected: int) -> Turn:
    """What `sequence` is where `expected` is the number to come."""
    behind = _steps(names, sequence, expected)
    if behind == 0:
        return Turn.NEW
    return Turn.REPEAT if behind <= names.repeat_memory else Turn.GAP


def gap_text(names: Names, expected: int) -> str:
    """What the refusal of a number out of turn says."""
    return f"{names.gap_text}{number_text(names, expected)}"


def in_turn(names: Names, files: Iterable[FileName], expected: Mapping[str, int]) -> list[FileName]:
    """Files in the order they are to be taken: of each agent possible repeats first, then from the
    number expected of it on, across the last number. `expected` names it for agents that are known.
    """

    def place(file: FileName) -> tuple[str, int]:
        ahead = -_steps(names, file.sequence, expected.get(file.agent, names.first))
        return file.agent, (ahead + names.repeat_memory) % _count(names)

    return sorted(files, key=place)


def _steps(names: Names, sequence: int, expected: int) -> int:
    """How many numbers `sequence` lies before `expected`, round the end of the numbers."""
    return (expected - sequence) % _count(names)


def _count(names: Names) -> int:
    return last_number(names) - names.first + 1
