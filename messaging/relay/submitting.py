"""Takes a trading agent's submission, whatever way it came: its number's turn, the rules, what is
stored, and where it goes. How it came, and how its sender is told, is not known here.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from messaging.domain.messages import kind_of
from messaging.domain.rules import Findings, Violation
from messaging.domain.submissions import Submission
from messaging.domain.units import FileCode, RefusalCode
from messaging.models import Message
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.edt.codec import EdtCodec
from messaging.protocols.edt.names import (
    FileName,
    Turn,
    gap_text,
    number_after,
    stem_of,
    turn_of,
)
from messaging.protocols.edt.reading import Reading, apply_rules
from messaging.relay import deadlines, route, sequences
from messaging.relay.parts import queue_of
from messaging.relay.receipts import find_receipt, insert_receipt
from messaging.relay.rows import (
    NewDelivery,
    NewMessage,
    insert_delivery,
    insert_message,
    insert_units,
)
from messaging.relay.trading_points import TradingPoint
from messaging.states import Lane
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.ids import digest_of

KIND = "SUBMISSION"
_WORKER_GRACE = timedelta(seconds=5)
_TOLD = 3
"""Warnings that an alarm tells of; how many there were it tells as well."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A submission as it came. `content` is what is kept of it, all but for one that is too large;
    `digest` tells it from others under its number, `size` counts its bytes.

    `sequence` is None where the sender leaves the number to us. `read` is asked once, and only if
    it is this number's turn. `by` names the person or key that offered it, where there is one.
    """

    agent: str
    sequence: int | None
    content: bytes
    digest: bytes
    size: int
    read: Callable[[FileName], Reading]
    at: datetime
    origin: Message.Origin
    by: str = ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of an offer. A NEW one has used its number, and is relayed unless there are
    `refusals`; a REPEAT is `message_id`, which was taken before; a GAP was refused and has used
    none.

    Of what is refused `reading` says where; warnings are in it as well.
    """

    turn: Turn
    name: FileName
    message_id: UUID
    refusals: tuple[Violation, ...] = ()
    reading: Reading | None = None
    deliveries: tuple[NewDelivery, ...] = ()

    @property
    def records_read(self) -> int:
        return self.reading.records_read if self.reading else 0


def offer_of(
    point: TradingPoint,
    submission: Submission,
    at: datetime,
    origin: Message.Origin,
    *,
    by: str = "",
    numbered: bool = True,
) -> Offer:
    """A typed submission, kept as the file that says it; without `numbered` it gets the number that
    is next. Raises LocalProtocolError where no file can say it: hold it against the rules first.
    """
    content = EdtCodec(point.profile).encode(Envelope(Stamp("", at), (submission,))).content

    def read(name: FileName) -> Reading:
        lines = array("L", range(1, len(submission.records) + 1))
        named = Submission(name.agent, name.sequence, submission.records)
        return Reading(name, named, lines, Findings(), len(lines), whole=True)

    sequence = submission.sequence if numbered else None
    return Offer(
        *(submission.trading_agent, sequence, content, digest_of(content), len(content)),
        *(read, at, origin, by),
    )


def take_submission(point: TradingPoint, offer: Offer) -> Submitted:
    """Within the tenant's scope, all in its transaction. Offers of one agent come one after the
    other, so of two that bear one number, at once or after a crash, one is new.
    """
    expected = sequences.lock(point, offer.agent)
    name = FileName(offer.agent, expected if offer.sequence is None else offer.sequence)
    turn = turn_of(point.profile.names, name.sequence, expected)
    if turn is Turn.NEW:
        return _new(point, offer, name)
    known = find_receipt(point.endpoint_id, stem_of(point.profile, name))
    if turn is Turn.REPEAT and known is not None and known.message_id is not None:
        if known.digest != offer.digest:
            return _out_of_turn(point, offer, name, _reused(point))
        fact = Fact(Event.REPEATED, offer.at, known.message_id, digest=offer.digest)
        ledger.record(fact)
        return Submitted(Turn.REPEAT, name, known.message_id)
    return _out_of_turn(point, offer, name, _gap(point, expected))


def _new(point: TradingPoint, offer: Offer, name: FileName) -> Submitted:
    sequences.expect(point, name.agent, number_after(point.profile.names, name.sequence))
    reading = offer.read(name)
    refusals = _refusals(point, offer, reading)
    message_id = _store(point, offer, name, reading.submission, refusals)
    _name_units(point, reading.submission, message_id, offer.at)
    deliveries: tuple[NewDelivery, ...] = ()
    if refusals:
        _tell_refused(offer, message_id, refusals)
    else:
        deliveries = _relay(point, reading, message_id, offer.at)
        _tell_stored(offer, reading, message_id, len(deliveries))
    insert_receipt(
        point.endpoint_id,
        stem_of(point.profile, name),
        offer.digest,
        answer=b"",
        status=0,
        message_id=message_id,
        at=offer.at,
        replace=True,
    )
    return Submitted(Turn.NEW, name, message_id, refusals, reading, deliveries)


def _refusals(point: TradingPoint, offer: Offer, reading: Reading) -> tuple[Violation, ...]:
    """Why it is not relayed: first who may speak at all, then what is said."""
    if point.suspended:
        text = point.profile.refusals[FileCode.SUSPENDED].text
        return (_whole("suspended", RefusalCode.SUSPENDED, FileCode.SUSPENDED, text),)
    if not point.agent or offer.agent != point.agent:
        # Another tenant's agent is answered exactly as one that does not exist.
        text, code = "unknown or not yours", RefusalCode.UNKNOWN_UNIT
        found = _whole("trading-agent", code, FileCode.NOT_YOURS, text, "agent", offer.agent)
        return (found,)
    apply_rules(reading, point.circumstances(offer.at), point.settings.warn_only)
    return reading.findings.in_order()


def _name_units(
    point: TradingPoint, submission: Submission, message_id: UUID, at: datetime
) -> None:
    """So that it is found, and held, by each of them, refused or not; of one alone the message's
    row says it. What are no units of the tenant's may be many, and nobody asks for them.
    """
    units = dict.fromkeys(record.bm_unit for record in submission.records)
    if len(units) > 1:
        insert_units(message_id, (unit for unit in units if unit in point.units), at)


def _relay(
    point: TradingPoint, reading: Reading, message_id: UUID, at: datetime
) -> tuple[NewDelivery, ...]:
    queue = queue_of(reading.submission)
    deadline = deadlines.submission_deadline(reading.submission, at)
    if point.operator is None:
        route.keep_unroutable(message_id, queue, at, deadline)
        return ()
    new = insert_delivery(
        message_id,
        point.operator,
        Lane.OPERATOR,
        queue,
        at=at,
        due_at=at + _WORKER_GRACE,
        deadline=deadline,
    )
    return (new,)


def _out_of_turn(
    point: TradingPoint, offer: Offer, name: FileName, refusal: Violation
) -> Submitted:
    message_id = _store(point, offer, name, None, (refusal,))
    _tell_refused(offer, message_id, (refusal,))
    return Submitted(Turn.GAP, name, message_id, (refusal,))


def _reused(point: TradingPoint) -> Violation:
    code = FileCode.NUMBER_REUSED
    text = point.profile.refusals[code].text
    return _whole("sequence", RefusalCode.NUMBER_REUSED, code, text)


def _gap(point: TradingPoint, expected: int) -> Violation:
    text = gap_text(point.profile.names, expected)
    return _whole("sequence", RefusalCode.NUMBER_GAP, FileCode.NUMBER_GAP, text)


def _whole(
    rule: str, code: RefusalCode, file_code: FileCode, text: str, field: str = "", value: str = ""
) -> Violation:
    """What is wrong with the whole of it, which no rule of the table finds."""
    path = (field,) if field else ()
    return Violation(rule, code, path, value, text, file_code=file_code)


def _store(
    point: TradingPoint,
    offer: Offer,
    name: FileName,
    submission: Submission | None,
    refusals: tuple[Violation, ...],
) -> UUID:
    reference = stem_of(point.profile, name)
    units = {record.bm_unit for record in submission.records} if submission else set()
    message_id = insert_message(
        NewMessage(
            endpoint_id=point.endpoint_id,
            origin=offer.origin,
            kind=kind_of(submission) if submission else KIND,
            bm_unit=units.pop() if len(units) == 1 else "",
            reference=reference,
            content=offer.content,
            received_at=offer.at,
            refusal_code=refusals[0].file_code.value if refusals else "",
            refusal_text=refusals[0].text if refusals else "",
        )
    )
    detail = {"reference": reference, "bytes": offer.size, "kept": len(offer.content)}
    if offer.by:
        detail["by"] = offer.by
    digest = digest_of(offer.content)
    ledger.record(Fact(Event.RECEIVED, offer.at, message_id, digest=digest, detail=detail))
    return message_id


def _tell_refused(offer: Offer, message_id: UUID, refusals: tuple[Violation, ...]) -> None:
    first = refusals[0]
    detail = {
        "code": first.file_code.value,
        "text": first.text,
        "line": first.line,
        "field": first.field,
        "rule": first.rule,
        "value": first.value,
        "faults": len(refusals),
    }
    ledger.record(Fact(Event.REFUSED, offer.at, message_id, detail=detail))


def _tell_stored(offer: Offer, reading: Reading, message_id: UUID, deliveries: int) -> None:
    detail: dict[str, object] = {"kind": KIND, "records": reading.records_read}
    ledger.record(Fact(Event.DECODED, offer.at, message_id, detail=detail))
    detail = {"deliveries": deliveries}
    ledger.record(Fact(Event.STORED, offer.at, message_id, detail=detail))
    warnings = reading.findings.warnings
    if warnings.listed:
        more = " or more" if warnings.more else ""
        first = "; ".join(
            f"line {one.line} {one.field} {one.value}: {one.text}"
            for one in warnings.listed[:_TOLD]
        )
        alarm = f"{len(warnings.listed)}{more} warnings in what was relayed: {first}"
        ledger.record(Fact(Event.ALARMED, offer.at, message_id, detail={"alarm": alarm}))
