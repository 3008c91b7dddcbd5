"""Takes a trading agent's submission that came through the API: examined first, so that what is
refused uses no number, then taken as a trading point's file is. Requests are the API's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from messaging.domain.rules import BY_ID, Violation, file_violations
from messaging.domain.submissions import Submission
from messaging.models import Message
from messaging.protocols.base import LocalProtocolError
from messaging.protocols.edt.names import FileName
from messaging.protocols.edt.reading import apply_rules, read_file
from messaging.relay.from_api import Refused, Suspended
from messaging.relay.register import FILE_PROTOCOL
from messaging.relay.rows import NewDelivery
from messaging.relay.submitting import Offer, Submitted, offer_of, take_submission
from messaging.relay.trading_points import TradingPoint, get_trading_point
from tenants.ids import digest_of
from tenants.models import Endpoint


class NoOnePoint(LookupError):
    """The tenant has no endpoint for files, or several and none was named."""


@dataclass(frozen=True, slots=True)
class Filing:
    """A submission that may be taken at a trading point, and the warnings it will be taken with."""

    point: TradingPoint
    offer: Offer
    warnings: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Filed:
    """What was committed; `deliveries` are to be woken after that. A repeat was taken before."""

    message_id: UUID
    sequence: int
    deliveries: tuple[NewDelivery, ...]


def the_point(endpoint_id: UUID | None) -> TradingPoint:
    """That one, or the only one. Raises NoTradingPoint and NoOnePoint."""
    if endpoint_id is not None:
        return get_trading_point(endpoint_id)
    found = list(Endpoint.objects.filter(protocol=FILE_PROTOCOL).values_list("id", flat=True)[:2])
    if len(found) != 1:
        raise NoOnePoint("no endpoint for files" if not found else "several endpoints for files")
    return get_trading_point(found[0])


def examine_records(
    point: TradingPoint, submission: Submission, at: datetime, by: str, *, numbered: bool
) -> Filing:
    """Typed records; findings name them by path. Raises Suspended and Refused."""
    _check_sender(point, submission.trading_agent)
    found = file_violations(submission, point.circumstances(at), point.settings.warn_only)
    if found.refused:
        raise Refused(found.in_order())
    try:
        offer = offer_of(point, submission, at, Message.Origin.API, by=by, numbered=numbered)
    except LocalProtocolError as error:
        rule = BY_ID["field-width"]
        unsaid = Violation(rule.id, rule.code, (), "", str(error)[:200])
        raise Refused((unsaid,)) from None
    return Filing(point, offer, tuple(found.warnings.listed))


def examine_file(
    point: TradingPoint, content: bytes, agent: str, sequence: int | None, at: datetime, by: str
) -> Filing:
    """The lines of a file; findings name them by line. Raises Suspended and Refused."""
    _check_sender(point, agent)
    name = FileName(agent, point.profile.names.first if sequence is None else sequence)
    reading = read_file(point.profile, name, (content,))
    found = apply_rules(reading, point.circumstances(at), point.settings.warn_only)
    if found.refused:
        raise Refused(found.in_order())

    offer = Offer(
        agent=agent,
        sequence=sequence,
        content=content,
        digest=digest_of(content),
        size=len(content),
        read=lambda name: read_file(point.profile, name, (content,)),
        at=at,
        origin=Message.Origin.API,
        by=by,
    )
    return Filing(point, offer, tuple(found.warnings.listed))


def take(filing: Filing) -> Filed:
    """Raises Refused where the number is not the next: what it leaves behind is to be committed
    all the same.
    """
    done: Submitted = take_submission(filing.point, filing.offer)
    if done.refusals:
        raise Refused(done.refusals)
    return Filed(done.message_id, done.name.sequence, done.deliveries)


def _check_sender(point: TradingPoint, agent: str) -> None:
    if point.suspended:
        raise Suspended
    if not point.agent or agent != point.agent:
        rule, text = BY_ID["unit-yours"], "unknown or not yours"
        path = ("trading_agent",)
        found = Violation(rule.id, rule.code, path, agent, text, file_code=rule.file_code)
        raise Refused((found,))
