"""Between submission files and typed submissions, by a profile; knows no directory, no turn of
numbers and no rule of the market.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from messaging.domain.messages import BmMessage
from messaging.domain.rules import Violation
from messaging.domain.submissions import Record, Submission
from messaging.protocols.base import (
    Envelope,
    LocalProtocolError,
    Parcel,
    RemoteProtocolError,
    Stamp,
)
from messaging.protocols.edt.fields import write_field
from messaging.protocols.edt.names import FileName, parse_name, stem_of, submission_name
from messaging.protocols.edt.profile import EdtProfile, RecordLayout
from messaging.protocols.edt.reading import read_file

UNTIMED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands in a stamp for the time of sending, which a file does not say."""


class EdtCodec:
    """One submission a parcel: `Parcel.content` is the file, `Parcel.name` its final name.

    A stamp's reference is the file's name without its ending. Large files are read by `reading`,
    whose findings have lines; here the first of them is raised.
    """

    __slots__ = ("profile",)

    def __init__(self, profile: EdtProfile) -> None:
        self.profile = profile

    def decode(self, parcel: Parcel) -> Envelope:
        """RemoteProtocolError tells the first fault with its line; its reference is that of the
        stamp.
        """
        name = parse_name(self.profile, parcel.name)
        reference = stem_of(self.profile, name)
        reading = read_file(self.profile, name, (parcel.content,))
        if reading.refused:
            raise self._refusal(reading.findings.in_order()[0], reference)
        return Envelope(Stamp(reference, UNTIMED), (reading.submission,))

    def encode(self, envelope: Envelope) -> Parcel:
        """LocalProtocolError where a file cannot say it; the submission says its own name."""
        if len(envelope.messages) != 1 or not isinstance(envelope.messages[0], Submission):
            raise LocalProtocolError("an EDT file carries one submission")
        submission = envelope.messages[0]
        name = submission_name(
            self.profile, FileName(submission.trading_agent, submission.sequence)
        )
        count = len(submission.records)
        if not 1 <= count <= self.profile.lines.max_records:
            raise LocalProtocolError(f"a file does not hold {count} records")
        content = "".join(self._lines(submission)).encode("ascii")
        if len(content) > self.profile.lines.max_bytes:
            raise LocalProtocolError(f"a file does not hold {len(content)} bytes")
        return Parcel(content, name)

    def divide(self, message: BmMessage) -> tuple[BmMessage, ...]:
        """A submission is accepted or refused whole, so it is never divided."""
        return (message,)

    def layout_of(self, record: Record) -> RecordLayout:
        return self.profile.by_about[record.type]

    def _lines(self, submission: Submission) -> Iterator[str]:
        for record in submission.records:
            layout = self.layout_of(record)
            texts = [layout.code]
            for field in layout.fields:
                agent = field.meaning == "agent"
                value = submission.trading_agent if agent else getattr(record, field.meaning)
                texts.append(write_field(field, value))
            yield self.profile.lines.separator.join(_shortened(layout, texts)) + "\n"

    def _refusal(self, violation: Violation, reference: str) -> RemoteProtocolError:
        field = violation.field
        said = ": ".join(part for part in (field, violation.value, violation.text) if part)
        text = f"line {violation.line}: {said}" if violation.line else said
        return RemoteProtocolError(text, code=violation.code, field=field, reference=reference)


def _shortened(layout: RecordLayout, texts: list[str]) -> list[str]:
    """Without the blank fields at the end of a line that may end before them."""
    ends = [at for at, field in enumerate(layout.fields, start=1) if field.may_end]
    for end in ends:
        if not any(texts[end + 1 :]):
            return texts[: end + 1]
    return texts
