"""The pages of the vendor's admin on which bytes are seen: for a reason, which the tenant's chain
holds before anything is shown. One entry for each run of bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html

from messaging.models import Attempt, Delivery, Message
from messaging.overview import content, signed
from messaging.overview.addressed import answer_to, find_target_in, find_target_out
from messaging.overview.content import Section
from messaging.overview.signed import Sent
from messaging.protocols.base import UnknownProfile
from messaging.protocols.neso.seals import Target
from messaging.relay.codecs import profile_of, wider_access_codec
from messaging.smp_models import SmpBatch
from tenants import asking
from tenants.audit import viewing
from tenants.audit.bodies import BodyGone


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that may be asked for, and how they are read."""

    name: str
    where: viewing.Kept
    read: Callable[[bytes], Iterator[Section]]


def of_message(row: Message) -> Sequence[Kept]:
    """As it came, and the signed form it came in."""
    read = partial(content.sections_of, row.endpoint.protocol, row.profile)
    own, at = row.tenant_id, row.received_at
    body = _kept("Body", own, row.id, row.body_digest, at, read)
    if row.sealed_digest is None:
        return [body]
    opened = partial(signed.sections_of, own, _sent(find_target_in(row), row.profile))
    return [body, _kept("Signed form it came in", own, row.id, row.sealed_digest, at, opened)]


def of_delivery(row: Delivery) -> Sequence[Kept]:
    """As it is sent, the signed form that was sent last, and the answer that came last; nothing
    before the first attempt.
    """
    endpoint = row.endpoint
    if endpoint is None or row.payload_digest is None or row.payload_at is None:
        return []
    profile = row.payload_profile or profile_of(endpoint.settings)
    read = partial(content.sections_of, endpoint.protocol, profile)
    own, of = row.tenant_id, row.message_id
    sent = _sent(find_target_out(own, of, row.id, row.sealed_digest), profile)
    found = [_kept("What is sent", own, of, row.payload_digest, row.payload_at, read)]
    if row.sealed_digest is not None and row.sealed_at is not None:
        opened = partial(signed.sections_of, own, sent)
        found.append(
            _kept("Signed form last sent", own, of, row.sealed_digest, row.sealed_at, opened)
        )
    return [*found, *_answers(row, Sent(answer_to(sent.target), sent.id_at))]


def of_batch(row: SmpBatch) -> Sequence[Kept]:
    """What was sent last of a batch of registrations, and its signed form."""
    if row.payload_digest is None or row.payload_at is None:
        return []
    own, of = row.tenant_id, row.job_id
    found = [_kept("What is sent", own, of, row.payload_digest, row.payload_at, content.plain)]
    if row.sealed_digest is not None and row.sealed_at is not None:
        opened = partial(
            signed.sections_of, own, Sent(find_target_out(own, of, row.id, row.sealed_digest))
        )
        found.append(
            _kept("Signed form last sent", own, of, row.sealed_digest, row.sealed_at, opened)
        )
    return found


def _answers(row: Delivery, sent: Sent) -> Iterator[Kept]:
    """The last one that was kept: of a control point's there is none."""
    tried = Attempt.objects.filter(tenant_id=row.tenant_id, delivery_id=row.id)
    for attempt in tried.filter(answer_digest__isnull=False).order_by("-id")[:1]:
        own, at, digest = row.tenant_id, attempt.settled_at, bytes(attempt.answer_digest or b"")
        opened = partial(signed.sections_of, own, sent)
        yield _kept("Answer that came last", own, row.message_id, digest, at, opened)


def page(
    request: HttpRequest, title: str, back: str, tenant: object, kept: Sequence[Kept]
) -> TemplateResponse:
    """Tells digests and lengths, asks for a reason, and then shows the bytes."""
    asking.require(request, "audit.view_body")
    there = [one for one in kept if viewing.find_length(one.where) is not None]
    facts = [("Tenant", tenant), *_facts(kept)]
    if not there:
        gone = "has been deleted." if kept else "is not there: nothing has been sent."
        return asking.page(request, title, back, facts=facts, shown=[("The body", gone)])
    form = asking.ReasonForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return asking.page(request, title, back, facts=facts, form=form, verb="Show the body")
    by, reason = request.user.get_username(), form.cleaned_data["reason"]
    sections = _sections(there, by=by, reason=reason)
    return asking.page(request, title, back, facts=facts, sections=list(sections))


def _facts(kept: Iterable[Kept]) -> Iterator[tuple[str, object]]:
    for one in kept:
        length = viewing.find_length(one.where)
        size = "deleted" if length is None else f"{length} bytes"
        yield one.name, f"{size}, SHA-256 {one.where.digest.hex()}"


def _sections(kept: Sequence[Kept], *, by: str, reason: str) -> Iterator[Section]:
    for one in kept:
        try:
            found = viewing.view(one.where, by=by, reason=reason)
        except BodyGone:
            yield one.name, format_html("<p>{}</p>", "It has been deleted meanwhile.")
            continue
        for name, shown in one.read(found):
            yield f"{one.name}: {name[0].lower()}{name[1:]}", shown


def _kept(
    name: str,
    tenant_id: UUID,
    message_id: UUID,
    digest: bytes | memoryview,
    at: datetime,
    read: Callable[[bytes], Iterator[Section]],
) -> Kept:
    return Kept(name, viewing.Kept(tenant_id, message_id, bytes(digest), at), read)


def _sent(target: Target | None, profile: str) -> Sent:
    """A profile that is not installed any more does not say where a messageId is."""
    try:
        return Sent(target, wider_access_codec(profile).profile.envelope.message_id.steps)
    except UnknownProfile:
        return Sent(target)
