"""Reply files to a trading point, as messages of the host's own: received, accepted, refused. Each
is delivered in the order it was made, per trading agent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from messaging.domain.acknowledgements import ReceiptOfMessage, ResultVerdict
from messaging.domain.units import FileCode, RefusalCode
from messaging.models import Delivery, Message
from messaging.protocols.base import Parcel
from messaging.protocols.edt.names import FileName, parse_name
from messaging.protocols.edt.profile import EdtProfile
from messaging.protocols.edt.reading import read_file
from messaging.protocols.edt.replies import (
    Reply,
    ReplyFault,
    ReplyKind,
    operators_faults,
    read_reply,
    whole_file,
    write_reply,
)
from messaging.relay import deadlines
from messaging.relay.codecs import file_profile, operator_codec
from messaging.relay.kept_answers import find_refusal
from messaging.relay.load import LoadedDelivery, LoadedMessage, load_locked
from messaging.relay.moves import lock_queue
from messaging.relay.register import FILE_PROTOCOL
from messaging.relay.rows import NewDelivery, NewMessage, insert_delivery, insert_message
from messaging.states import OPEN, UNDELIVERED, DeliveryState, Lane
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact

KINDS: Final = {
    ReplyKind.RECEIVED: "ACK_FILE",
    ReplyKind.ACCEPTED: "ACC_FILE",
    ReplyKind.REJECTED: "REJ_FILE",
}
"""Kinds of message, as they are stored."""

_WORKER_GRACE = timedelta(seconds=2)
_CODES = {
    RefusalCode.REFUSED_BY_SO: FileCode.REFUSED_BY_SO,
    RefusalCode.EXPIRED: FileCode.EXPIRED,
}


def write(
    profile: EdtProfile,
    endpoint_id: UUID,
    reply: Reply,
    at: datetime,
    answers: UUID,
    name: str = "",
) -> NewDelivery:
    """Writes a reply to the stored submission that it `answers`, under its own name or another."""
    parcel = write_reply(profile, reply, name)
    return _leave(endpoint_id, KINDS[reply.kind], reply.name.agent, parcel, at, answers)


def write_again(
    profile: EdtProfile, endpoint_id: UUID, name: FileName, at: datetime, answers: UUID
) -> tuple[NewDelivery, ...]:
    """What the submission was answered so far, once more. A reply that has yet to be delivered is
    not made twice; one that came by the API, and had none, gets what a file would have got.
    """
    replies = Message.objects.filter(answers_id=answers, kind__in=KINDS.values()).order_by("id")
    latest = {row.kind: row for row in replies}
    if not latest:
        return _write_late(profile, endpoint_id, name, at, answers)
    waiting = set(
        Delivery.objects.filter(message__in=latest.values(), state__in=UNDELIVERED).values_list(
            "message_id", flat=True
        )
    )
    made = []
    for row in latest.values():
        if row.id not in waiting:
            content = bodies.read(bytes(row.body_digest), row.received_at)
            parcel = Parcel(content, row.reference)
            made.append(_leave(endpoint_id, row.kind, name.agent, parcel, at, answers))
    return tuple(made)


def _write_late(
    profile: EdtProfile, endpoint_id: UUID, name: FileName, at: datetime, answers: UUID
) -> tuple[NewDelivery, ...]:
    message = Message.objects.get(id=answers)
    content = bodies.read(bytes(message.body_digest), message.received_at)
    read = read_file(profile, name, (content,)).records_read
    made = (write(profile, endpoint_id, Reply(ReplyKind.RECEIVED, name, read), at, answers),)
    if message.refusal_code:
        fault = ReplyFault(0, FileCode(message.refusal_code), "", message.refusal_text)
        reply = Reply(ReplyKind.REJECTED, name, read, 0, (fault,))
        return (*made, write(profile, endpoint_id, reply, at, answers))
    return made + _outcome_so_far(answers, at)


def _outcome_so_far(message_id: UUID, at: datetime) -> tuple[NewDelivery, ...]:
    """Whoever settles it from now on finds the acknowledgement, and tells the outcome himself: the
    queue's lock keeps both from doing so, and neither.
    """
    found = Delivery.objects.filter(message_id=message_id, lane=Lane.OPERATOR).first()
    if found is None or found.endpoint_id is None:
        return ()
    lock_queue(found.endpoint_id, found.queue)
    row = load_locked(found.id)
    if row is None or row.state in OPEN:
        return ()
    found.refresh_from_db()
    if row.state == DeliveryState.ACKNOWLEDGED:
        return tell_outcome(row, at, ResultVerdict.OK, RefusalCode.OK, "", None)
    refused = row.state == DeliveryState.REFUSED
    code = RefusalCode.REFUSED_BY_SO if refused else RefusalCode.EXPIRED
    receipt = find_refusal(row) if refused else None
    return tell_outcome(row, at, ResultVerdict.REFUSE, code, found.outcome_text, receipt)


def is_owed(message: LoadedMessage) -> bool:
    """Whether its sender is told by files: it came as one, or did so after it came by the API."""
    if message.origin == Message.Origin.TRADING_POINT:
        return True
    if message.origin != Message.Origin.API or message.endpoint.protocol != FILE_PROTOCOL:
        return False
    kind = KINDS[ReplyKind.RECEIVED]
    return Message.objects.filter(answers_id=message.id, kind=kind).exists()


def tell_outcome(
    row: LoadedDelivery,
    at: datetime,
    verdict: ResultVerdict,
    code: RefusalCode,
    text: str,
    receipt: ReceiptOfMessage | None,
) -> tuple[NewDelivery, ...]:
    """What became of a submission that was delivered, or was not: nothing while it is held."""
    if verdict is ResultVerdict.HELD:
        return ()
    endpoint = row.message.endpoint
    profile = file_profile(endpoint.settings)
    name = parse_name(profile, f"{row.message.reference}{profile.names.submission}")
    read = _records_read(profile, row)
    if verdict is ResultVerdict.OK:
        reply = Reply(ReplyKind.ACCEPTED, name, read, read)
    else:
        faults = _faults(profile, name, row, code, text, receipt)
        reply = Reply(ReplyKind.REJECTED, name, read, 0, faults)
    return (write(profile, endpoint.id, reply, at, row.message_id),)


def _records_read(profile: EdtProfile, row: LoadedDelivery) -> int:
    """As its acknowledgement said."""
    kind = KINDS[ReplyKind.RECEIVED]
    told = Message.objects.filter(answers_id=row.message_id, kind=kind).earliest("id")
    content = bodies.read(bytes(told.body_digest), told.received_at)
    return read_reply(profile, Parcel(content, told.reference)).read


def _faults(
    profile: EdtProfile,
    name: FileName,
    row: LoadedDelivery,
    code: RefusalCode,
    text: str,
    receipt: ReceiptOfMessage | None,
) -> tuple[ReplyFault, ...]:
    """The operator's errors at their lines of the file, which is read again for that."""
    file_code = _CODES[code]
    if receipt is None or not receipt.errors or row.message.kept is None:
        told = text if file_code is FileCode.REFUSED_BY_SO else ""
        return (whole_file(profile, file_code, told),)
    reading = read_file(profile, name, (row.message.content,))
    codec = operator_codec(row.endpoint.settings)
    errors = (
        (codec.path_of(reading.submission, one.path), one.code, one.text)
        for one in islice(receipt.errors, profile.replies.most_faults + 1)
    )
    return operators_faults(profile, reading.submission.records, reading.lines, errors)


def _leave(
    endpoint_id: UUID, kind: str, agent: str, parcel: Parcel, at: datetime, answers: UUID
) -> NewDelivery:
    message_id = insert_message(
        NewMessage(
            endpoint_id=endpoint_id,
            origin=Message.Origin.HOST,
            kind=kind,
            bm_unit="",
            reference=parcel.name,
            content=parcel.content,
            received_at=at,
            answers=answers,
        )
    )
    ledger.record(Fact(Event.STORED, at, message_id, detail={"kind": kind, "origin": "host"}))
    return insert_delivery(
        message_id,
        endpoint_id,
        Lane.FILES,
        agent,
        at=at,
        due_at=at + _WORKER_GRACE,
        deadline=at + deadlines.REPLY_FILE.within,
    )
