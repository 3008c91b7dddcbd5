"""Reply files, written and read: received, accepted, refused; and where in a submission's file the
faults stand that others found in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from messaging.domain.rules import Violation, reply_line
from messaging.domain.submissions import Record
from messaging.domain.units import FileCode
from messaging.protocols.base import LocalProtocolError, Parcel, RemoteProtocolError
from messaging.protocols.edt.names import FileName, parse_name, stamp_text, stem_of, submission_name
from messaging.protocols.edt.profile import EdtProfile

_RECORDS: Final = "records"
_STAMP: Final = re.compile(r"\.[0-9]{8}T[0-9]{6}Z")
_COUNT: Final = re.compile(r"[0-9]{1,9}")


class ReplyKind(StrEnum):
    """RECEIVED: taken, in sequence. The others are final."""

    RECEIVED = "RECEIVED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class ReplyFault:
    """One fault: `line` counts every line of the submission's file from 1, 0 is the whole file;
    `field` is called as the profile calls it, "" for none.
    """

    line: int
    code: FileCode
    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply file's content. `accepted` is 0 but where the submission was accepted."""

    kind: ReplyKind
    name: FileName
    read: int
    accepted: int = 0
    faults: tuple[ReplyFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a submission's file, and a field of it as the profile calls it."""

    line: int
    field: str


def place_of(
    profile: EdtProfile,
    records: Sequence[Record],
    lines: Sequence[int],
    path: Sequence[str | int],
) -> Place:
    """Where a path through the typed submission leads: ("records", 17, "level_from").

    What is not in the file is the whole of it: line 0.
    """
    if len(path) < 2 or path[0] != _RECORDS:
        return Place(0, "")
    index, rest = path[1], path[2:]
    if not isinstance(index, int) or not 0 <= index < min(len(records), len(lines)):
        return Place(0, "")
    layout = profile.by_about[records[index].type]
    return Place(lines[index], layout.name_of(str(rest[0])) if rest else "")


def faults_of(
    profile: EdtProfile, records: Sequence[Record], violations: Iterable[Violation]
) -> tuple[ReplyFault, ...]:
    """Our own findings, each with its value, in the words of a reply."""
    return tuple(
        ReplyFault(
            one.line,
            one.file_code,
            _field_of(profile, records, one),
            f"{one.value}: {one.text}" if one.value else one.text,
        )
        for one in violations
    )


def _field_of(profile: EdtProfile, records: Sequence[Record], violation: Violation) -> str:
    """A rule's path leads through the records; what was found in reading names the field alone."""
    path = violation.path
    if len(path) > 2 and isinstance(path[1], int):
        return profile.by_about[records[path[1]].type].name_of(violation.field)
    layouts = profile.records.values()
    names = (one.name_of(violation.field) for one in layouts)
    return next((name for name in names if name != violation.field), violation.field)


def operators_faults(
    profile: EdtProfile,
    records: Sequence[Record],
    lines: Sequence[int],
    errors: Iterable[tuple[Sequence[str | int], str, str]],
) -> tuple[ReplyFault, ...]:
    """What the system operator found: each of `errors` is a path through the typed submission, the
    operator's code and its text. Without any, one fault says that it refused.
    """
    found = []
    for path, code, text in errors:
        place = place_of(profile, records, lines, path)
        told = f"{code} {text}".strip()
        found.append(ReplyFault(place.line, FileCode.REFUSED_BY_SO, place.field, told))
    return tuple(found) or (whole_file(profile, FileCode.REFUSED_BY_SO),)


def whole_file(profile: EdtProfile, code: FileCode, text: str = "") -> ReplyFault:
    """A fault of the file itself; without a text it says what the profile says of the code."""
    return ReplyFault(0, code, "", text or profile.refusals[code].text)


def reply_name(profile: EdtProfile, kind: ReplyKind, name: FileName) -> str:
    return f"{stem_of(profile, name)}{_ending(profile, kind)}"


def out_of_turn_name(profile: EdtProfile, name: FileName, at: datetime) -> str:
    """The name of the refusal of a number that was reused or out of sequence: it must not stand in
    for the reply that the number has, or will have.
    """
    ending = _ending(profile, ReplyKind.REJECTED)
    return f"{stem_of(profile, name)}.{stamp_text(at)}{ending}"


def write_reply(profile: EdtProfile, reply: Reply, name: str = "") -> Parcel:
    """The reply's file, under its own name or the one given."""
    if (reply.kind is ReplyKind.REJECTED) != bool(reply.faults):
        raise LocalProtocolError("a refusal, and no other reply, has faults")
    if reply.accepted != (reply.read if reply.kind is ReplyKind.ACCEPTED else 0):
        raise LocalProtocolError("a submission is accepted whole or not at all")
    words = profile.replies
    lines = [f"{words.title}{submission_name(profile, reply.name)}"]
    lines += [_line(profile, fault) for fault in _bounded(profile, reply.faults)]
    lines.append(f"{words.end},{reply.read},{reply.accepted}")
    content = "".join(f"{line}\n" for line in lines).encode("ascii")
    return Parcel(content, name or reply_name(profile, reply.kind, reply.name))


def _bounded(profile: EdtProfile, faults: tuple[ReplyFault, ...]) -> tuple[ReplyFault, ...]:
    words = profile.replies
    if len(faults) <= words.most_faults:
        return faults
    kept = faults[: words.most_faults - 1]
    return (*kept, whole_file(profile, faults[len(kept)].code, words.more_text))


def _line(profile: EdtProfile, fault: ReplyFault) -> str:
    text = fault.text[: profile.replies.max_text]
    line = reply_line(fault.line, profile.refusals[fault.code].code, fault.field, text)
    return f"{profile.replies.fault}{line.removeprefix('REJ')}"


def _ending(profile: EdtProfile, kind: ReplyKind) -> str:
    names = profile.names
    endings = {
        ReplyKind.RECEIVED: names.received,
        ReplyKind.ACCEPTED: names.accepted,
        ReplyKind.REJECTED: names.rejected,
    }
    return endings[kind]


def read_reply(profile: EdtProfile, parcel: Parcel) -> Reply:
    """What a reply file says; RemoteProtocolError for a file that is none, or only part of one."""
    kind, name = _read_name(profile, parcel.name)
    try:
        text = parcel.content.decode("ascii").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise RemoteProtocolError("not ASCII") from None
    *lines, after = text.split("\n")
    if len(lines) < 2 or after:
        raise RemoteProtocolError("not whole")
    if lines[0] != f"{profile.replies.title}{submission_name(profile, name)}":
        raise RemoteProtocolError("does not say what it replies to")
    faults = tuple(_read_fault(profile, line) for line in lines[1:-1])
    read, accepted = _read_end(profile, lines[-1])
    if bool(faults) != (kind is ReplyKind.REJECTED) or accepted != (
        read if kind is ReplyKind.ACCEPTED else 0
    ):
        raise RemoteProtocolError("its content and its name contradict each other")
    return Reply(kind, name, read, accepted, faults)


def _read_name(profile: EdtProfile, name: str) -> tuple[ReplyKind, FileName]:
    for kind in ReplyKind:
        ending = _ending(profile, kind)
        if name.endswith(ending):
            stem = name.removesuffix(ending)
            if kind is ReplyKind.REJECTED and _STAMP.fullmatch(stem[-17:]):
                stem = stem[:-17]
            return kind, parse_name(profile, f"{stem}{profile.names.submission}")
    raise RemoteProtocolError("not a reply's name", field="name")


def _read_fault(profile: EdtProfile, line: str) -> ReplyFault:
    parts = line.split(",", 4)
    if len(parts) != 5 or parts[0] != profile.replies.fault or not _COUNT.fullmatch(parts[1]):
        raise RemoteProtocolError("not the line of a fault")
    if parts[2] not in profile.codes:
        raise RemoteProtocolError("an unknown code")
    return ReplyFault(int(parts[1]), profile.codes[parts[2]], parts[3], parts[4])


def _read_end(profile: EdtProfile, line: str) -> tuple[int, int]:
    parts = line.split(",")
    if len(parts) != 3 or parts[0] != profile.replies.end:
        raise RemoteProtocolError("no last line with the numbers of records")
    if not all(_COUNT.fullmatch(part) for part in parts[1:]):
        raise RemoteProtocolError("numbers of records that are none")
    return int(parts[1]), int(parts[2])
