"""After a break the host asks the system operator what it missed, and reconciles: an instruction
that never came is taken as if it came now, and a redeclaration of ours that nobody knows the fate
of is settled where the operator says that it took it. Nothing is lost, and nothing taken twice.

Each control point is asked in turn; what a step came to is committed before the next, so that a
dead process costs no more than asking again, which the next look has done. Only when all are done
may go what waited meanwhile. Whoever has lost its claim to another, frozen for longer than its
lease, ends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError

from messaging.domain.acknowledgements import (
    NormalizationAnswer,
    NormalizationRequest,
    ReceiptOfMessage,
    SentInstruction,
    TakenRedeclaration,
)
from messaging.models import Connection, Delivery, Instruction
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.neso.wa.exchange import Outcome
from messaging.relay import connections, gates, instruct, lamps, telephone, verdicts, watch
from messaging.relay.codecs import operator_codec
from messaging.relay.connections import Place
from messaging.relay.crash_points import Step
from messaging.relay.inflow import Inflow
from messaging.relay.lamps import locked, wants_normalization
from messaging.relay.load import LoadedDelivery, load_locked
from messaging.relay.moves import lock_queue
from messaging.relay.questions import CANNOT_ASK, Asked, Question, ask, prepare
from messaging.relay.refusal import Refused
from messaging.relay.register import LEGACY_PROTOCOL, Operator
from messaging.relay.rows import NewDelivery
from messaging.relay.settings import operator_settings
from messaging.relay.wake import wake
from messaging.states import OPEN, UNDELIVERED, DeliveryState, LampState, Lane
from tenants import ownership
from tenants.audit import bodies, ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.ids import digest_of, new_id
from tenants.models import Endpoint
from tenants.scope import in_tenant, require_tenant

SERVICE = "Instruction"
WITHIN_S = 30.0
"""The longest wait for one control point's answer, which may be of 64 MiB. The first try waits as
long as for any answer, and each that follows one in vain twice as long: what is held meanwhile
waits for an answer that was lost no longer than it must.
"""

LEASE = timedelta(seconds=45)
"""Longer than one control point takes; whoever is at it has it renewed with each. What a lost host
had in hand is free after it.
"""

SELDOM = timedelta(seconds=45)
"""The pause where a person must put something right."""

AGAIN = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 5))
"""The pause after one try in vain, after two, and after more."""

MOST_TRIES = 5
"""In vain, of an operator that is not out. Then a person is told, and traffic goes; but it is asked
on, SELDOM, until it says what was missed or a person ends that.
"""
SELDOM = timedelta(minutes=1)

_TRIES = 3
_OPEN = [state.value for state in OPEN]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """Whom to ask what. `ending` are the notices that wait for it: one whose end comes meanwhile is
    not among them, and has it asked again. `tries` in vain were before this one.
    """

    endpoint: Endpoint
    owner: int
    control_points: tuple[str, ...]
    since: datetime
    ending: tuple[UUID, ...]
    tries: int


@dataclass(slots=True)
class _Tally:
    """What asking came to, as the log tells it."""

    control_points: int = 0
    instructions: int = 0
    taken: int = 0
    refused: int = 0
    settled: int = 0


class NotInVain(Exception):
    """The operator is not asked in vain: there is nothing for a person to end."""


class _Overtaken(Exception):
    """Another has it in hand by now."""


class _NotAnswered(Exception):
    """No answer that counts. With `is_out` it said that it is out."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked.detail)
        self.is_out = asked.outcome is Outcome.HELD


def normalize(tenant_id: UUID, endpoint_id: UUID) -> None:
    """Asks what was missed, if that is wanted and nobody is at it. Safe to run twice and at once:
    what it takes is taken as anything that comes twice is.
    """
    with ownership.in_hand(endpoint_id) as mine:
        if mine:
            ask_as(ownership.owner(), Place(tenant_id, endpoint_id))


def ask_as(owner: int, place: Place) -> None:
    """As the process of that number."""
    tenant_id, endpoint_id = place.tenant_id, place.endpoint_id
    claimed = in_tenant(tenant_id, lambda: _claim(endpoint_id, owner), Step.MISSED_CLAIM)
    if claimed is None:
        return
    tally = _Tally()
    try:
        for name in claimed.control_points:
            _reconcile(place, claimed, name, tally)
    except CANNOT_ASK as error:
        why = f"cannot be asked: {error}"
        in_tenant(tenant_id, partial(_in_vain, claimed, why), Step.MISSED_PUT_OFF)
    except _NotAnswered as error:
        in_tenant(tenant_id, partial(_failed, claimed, error), Step.MISSED_PUT_OFF)
    except _Overtaken:
        _log.info("another asks what was missed", endpoint=str(endpoint_id))
    except (InterfaceError, OperationalError):
        # Whoever looks next asks again; nothing could be noted now.
        raise
    except Exception as error:
        _log.exception("what was missed cannot be taken", endpoint=str(endpoint_id))
        why = f"the host failed over it: {type(error).__name__}"
        in_tenant(tenant_id, partial(_in_vain, claimed, why), Step.MISSED_PUT_OFF)
    else:
        in_tenant(tenant_id, partial(_finish, claimed, tally), Step.MISSED_END)


def end_asking(endpoint_id: UUID, reason: str, by: str, at: datetime) -> Connection:
    """A person knows what was missed, or that nothing was: the operator is asked no more. Within
    the tenant's scope. Raises NotInVain.
    """
    endpoint = Endpoint.objects.get(id=endpoint_id)
    row = locked(endpoint_id)
    if row.unasked_since is None or row.normalize_from is None:
        raise NotInVain
    detail = {"endpoint": endpoint_id, "since": row.normalize_from.isoformat(), "by": by}
    ledger.record(Fact(Event.ASKING_ENDED, at, detail={**detail, "reason": reason}))
    _over(row, telephone.ending(endpoint))
    return row


def _claim(endpoint_id: UUID, owner: int) -> _Claimed | None:
    at = now()
    endpoint = Endpoint.objects.filter(id=endpoint_id).select_related("peer").first()
    if endpoint is None:
        return None
    row = locked(endpoint_id)
    if not wants_normalization(row, at, owner) or row.normalize_from is None:
        return None
    row.owner, row.normalizing_until = owner, at + LEASE
    row.save(update_fields=["owner", "normalizing_until"])
    connections.hurry(endpoint_id, at + lamps.WHILE_ASKED)
    points = Endpoint.objects.filter(protocol=LEGACY_PROTOCOL, environment=endpoint.environment)
    names = tuple(points.order_by("name").values_list("name", flat=True))
    ending = telephone.ending(endpoint)
    return _Claimed(endpoint, owner, names, row.normalize_from, ending, row.normalize_tries)


def _reconcile(place: Place, claimed: _Claimed, control_point: str, tally: _Tally) -> None:
    """Asks for one control point, and takes what the answer holds. One that the operator will not
    tell of is alarmed, and keeps no other from being asked for. Raises _NotAnswered.
    """
    tenant_id = place.tenant_id
    question = in_tenant(tenant_id, lambda: _question(claimed, control_point), Step.MISSED_LOG)
    asked = ask(question, _patience(claimed), Step.MISSED_ASK)
    digest = in_tenant(
        tenant_id, lambda: _record_answer(claimed, control_point, asked), Step.MISSED_ANSWER
    )
    said = asked.answer.envelope.messages[0] if asked.answer else None
    if asked.outcome is Outcome.REFUSED:
        told = f"{control_point}: {_refusal(asked)}"
        in_tenant(tenant_id, lambda: _alarm(claimed, told), Step.MISSED_ALARM)
        return
    if asked.outcome is not Outcome.VERDICT or not isinstance(said, NormalizationAnswer):
        raise _NotAnswered(asked)
    tally.control_points += 1
    for sent in said.instructions:
        tally.instructions += 1
        made = _first_to_commit(tenant_id, partial(_take, claimed, sent, digest, tally))
        wake(made)
    for one in said.redeclarations:
        work = partial(_settle, place.endpoint_id, one, digest, tally)
        wake(in_tenant(tenant_id, work, Step.MISSED_SETTLE))


def _patience(claimed: _Claimed) -> float:
    """Seconds. Over a long outage the tries in vain are thousands."""
    usual = operator_settings(claimed.endpoint.settings).answer_within.total_seconds()
    return float(min(WITHIN_S, usual * 2.0 ** min(claimed.tries, MOST_TRIES)))


def _question(claimed: _Claimed, control_point: str) -> Question:
    """Logged, with the sealed bytes, before the first of them leaves. Raises _Overtaken."""
    at, reference = now(), str(new_id())
    row = _mine(claimed)
    if row is None:
        raise _Overtaken
    row.normalizing_until = at + LEASE
    row.save(update_fields=["normalizing_until"])
    request = NormalizationRequest(control_point, claimed.since)
    question = prepare(claimed.endpoint, request, reference, at)
    digest = bodies.keep(question.sealed.record, at)
    detail = {"service": "Normalization", "control_point": control_point, "url": question.url}
    detail |= {"since": claimed.since.isoformat(), "reference": reference}
    ledger.record(Fact(Event.SENDING, at, digest=digest, detail=detail))
    return question


def _mine(claimed: _Claimed) -> Connection | None:
    """The connection's row, locked, while this process has it in hand."""
    row = locked(claimed.endpoint.id)
    return row if row.owner == claimed.owner else None


def _record_answer(claimed: _Claimed, control_point: str, asked: Asked) -> bytes | None:
    at = now()
    digest = bodies.keep(asked.record, at) if asked.record else None
    event = Event.ANSWERED if asked.outcome is not None else Event.UNANSWERED
    detail = {"service": "Normalization", "control_point": control_point, "text": asked.detail}
    ledger.record(Fact(event, at, digest=digest, detail=detail))
    return digest


def _first_to_commit(
    tenant_id: UUID, work: partial[tuple[NewDelivery, ...]]
) -> tuple[NewDelivery, ...]:
    """Another may take the same instruction at once, as it comes by itself: then it is a repeat."""
    for _ in range(_TRIES - 1):
        try:
            return in_tenant(tenant_id, work, Step.MISSED_TAKE)
        except IntegrityError:
            continue
    return in_tenant(tenant_id, work, Step.MISSED_TAKE)


def _take(
    claimed: _Claimed, sent: SentInstruction, digest: bytes | None, tally: _Tally
) -> tuple[NewDelivery, ...]:
    """By the same way as one that comes by itself. Those we have are passed over: most of them."""
    at, instruction = now(), sent.instruction
    endpoint = claimed.endpoint
    codec = operator_codec(endpoint.settings)
    content = codec.content_of_instruction(instruction)
    known = Instruction.objects.filter(
        endpoint__protocol=LEGACY_PROTOCOL,
        endpoint__environment=endpoint.environment,
        endpoint__name=instruction.control_point,
        kind=instruction.kind.value,
        bm_unit=instruction.bm_unit,
        number=instruction.number,
    ).first()
    if known is not None and bytes(known.content_digest) == digest_of(content):
        return ()
    # A payload of its own, as it would have come: what was signed is the answer that holds it.
    envelope = Envelope(Stamp(sent.message_id, sent.sent_at), (instruction,))
    payload = codec.encode(envelope).content
    operator = Operator(endpoint.id, endpoint.environment, endpoint.settings)
    inflow = Inflow(operator, SERVICE, sent.message_id, payload, at)
    told = {"reference": sent.message_id, "number": instruction.number, "by": "Normalization"}
    try:
        outcome = instruct.take(inflow, instruction)
    except Refused as refused:
        tally.refused += 1
        _record_refusal(inflow, refused, digest, told)
        return ()
    tally.taken += 1
    fact = Fact(Event.NORMALIZED, at, outcome.message_id, digest=digest, detail=told)
    ledger.record(fact)
    return outcome.deliveries


def _record_refusal(
    inflow: Inflow, refused: Refused, digest: bytes | None, told: dict[str, object]
) -> None:
    """Nobody can be answered: a person must see it."""
    first = refused.reasons[0]
    text = f"an instruction that was missed can't be taken: {first.code.value} {first.text}"
    ledger.record(Fact(Event.ALARMED, inflow.at, digest=digest, detail={"alarm": text, **told}))


def _settle(
    endpoint_id: UUID, one: TakenRedeclaration, digest: bytes | None, tally: _Tally
) -> tuple[NewDelivery, ...]:
    """One of ours that was sent and never answered, and that the operator says it took, is settled
    and goes no second time. Whatever it does not name goes again. One that it only received waits
    for its last word as long as that may take: naming it is no more than that until then.
    """
    found = Delivery.objects.filter(
        tenant_id=require_tenant(),
        endpoint_id=endpoint_id,
        reference=one.message_id,
        lane=Lane.OPERATOR,
        state__in=_OPEN,
        sent_at__isnull=False,
    ).first()
    if found is None:
        return ()
    lock_queue(endpoint_id, found.queue)
    row = load_locked(found.id)
    at = now()
    if row is None or not _is_left_open(row, at):
        return ()
    tally.settled += 1
    told = {"bm_unit": one.bm_unit, "parameter": one.parameter, "by": "Normalization"}
    ledger.record(Fact(Event.NORMALIZED, at, row.message_id, row.id, digest=digest, detail=told))
    return verdicts.accept(row, at)


def _is_left_open(row: LoadedDelivery, at: datetime) -> bool:
    if row.state == DeliveryState.DELIVERED:
        return at >= watch.final_receipt_by(row)
    return row.state in UNDELIVERED


def _finish(claimed: _Claimed, tally: _Tally) -> None:
    """All was asked for: the gates open, unless it went out again meanwhile."""
    at, row = now(), _mine(claimed)
    if row is None:
        return
    if row.state == LampState.OUT:
        row.normalizing_until = row.owner = None
        row.save()
        return
    detail = {"endpoint": claimed.endpoint.id, "since": claimed.since.isoformat()}
    counts = {name: getattr(tally, name) for name in tally.__slots__}
    ledger.record(Fact(Event.NORMALIZED, at, detail={**detail, **counts}))
    if row.unasked_since is not None:
        seconds = int((at - row.unasked_since).total_seconds())
        alarm = f"the system operator says what was missed after all, {seconds} s late"
        told = {"alarm": alarm, "endpoint": claimed.endpoint.id}
        ledger.record(Fact(Event.ALARMED, at, detail=told))
    row.normalized_at = at
    _over(row, claimed.ending)


def _over(row: Connection, ending: tuple[UUID, ...]) -> None:
    """Nothing is to be asked for any more."""
    gates.lock()
    row.normalize_from = row.normalizing_until = row.owner = row.unasked_since = None
    row.normalize_tries, row.is_holding, row.unasked_why = 0, False, ""
    row.save()
    telephone.over(ending)
    gates.let_go()
    connections.hurry(row.endpoint_id, row.ask_at)


def _failed(claimed: _Claimed, error: _NotAnswered) -> None:
    """Asked again after a pause."""
    if _mine(claimed) is None:
        return
    if error.is_out:
        lamps.went_out(claimed.endpoint.id, now(), str(error))
        _put_off(claimed.endpoint.id, str(error), tries=0)
        return
    _in_vain(claimed, str(error))


def _in_vain(claimed: _Claimed, reason: str) -> None:
    """Asked again after a pause, until it is said or a person ends it. Where that lasts it is
    alarmed, once, and shown, and traffic waits no longer.
    """
    row = _mine(claimed)
    if row is None:
        return
    tries = row.normalize_tries + 1
    if tries < MOST_TRIES or row.state == LampState.OUT:
        _put_off(claimed.endpoint.id, reason, tries=min(tries, MOST_TRIES - 1))
        return
    if row.unasked_since is None:
        _alarm(claimed, f"{reason}; traffic goes on without, and it is asked on, each minute")
        row.unasked_since = now()
    gates.lock()
    row.is_holding, row.unasked_why = False, reason[:500]
    row.save()
    telephone.unasked(claimed.ending)
    gates.let_go()
    _put_off(claimed.endpoint.id, reason, tries=tries, pause=SELDOM)


def _alarm(claimed: _Claimed, reason: str) -> None:
    text = f"the system operator does not say what was missed: {reason}"
    detail = {"alarm": text, "endpoint": claimed.endpoint.id, "since": claimed.since.isoformat()}
    ledger.record(Fact(Event.ALARMED, now(), detail=detail))


def _refusal(asked: Asked) -> str:
    said = asked.answer.envelope.messages[0] if asked.answer else None
    return verdicts.first_error(said) if isinstance(said, ReceiptOfMessage) else asked.detail


def _put_off(endpoint_id: UUID, reason: str, *, tries: int, pause: timedelta | None = None) -> None:
    if pause is None:
        pause = AGAIN[min(max(tries, 1), len(AGAIN)) - 1]
    again = now() + pause
    row = locked(endpoint_id)
    row.normalizing_until, row.owner, row.normalize_tries = again, None, tries
    row.save()
    connections.hurry(endpoint_id, again)
    _log.info("what was missed is asked for again", reason=reason)
