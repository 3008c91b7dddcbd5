"""What stands still and why: the lamps of a tenant's connections, the holds its people place, and
notices of the system operator's outages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.api.reasons import LONGEST, ReasonSerializer
from messaging.domain.notices import SERVICES, read_notice
from messaging.models import Connection, OutageNotice, StandingHold
from messaging.relay import holds, normalization, telephone
from messaging.relay.holds import NoSuchThing, NotHeld
from messaging.relay.normalization import NotInVain
from messaging.relay.telephone import NoticeOver
from messaging.states import LampState, NoticeState
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.pages import OldestFirst
from tenants.api.problems import Conflict
from tenants.api.questions import Question
from tenants.api.wanted import Wanted
from tenants.clock import now
from tenants.models import Environment
from tenants.permissions import Permission

T = TypeVar("T")

_LONGEST_TEXT = 20_000


class NewestFirst(OldestFirst):
    ordering = ("-id",)


class ConnectionSerializer(serializers.ModelSerializer[Connection]):
    endpoint_id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(source="endpoint.name", read_only=True)
    environment = serializers.ChoiceField(
        Environment.choices, source="endpoint.environment", read_only=True
    )
    asked_next_at = serializers.DateTimeField(
        source="ask_at", read_only=True, help_text="When Health is asked for next."
    )
    holds = serializers.BooleanField(
        source="is_holding",
        read_only=True,
        help_text="It was out: messages wait until what was missed has been asked for.",
    )
    missed_since = serializers.DateTimeField(
        source="normalize_from",
        read_only=True,
        allow_null=True,
        help_text="What the operator sent since then is still to be asked for.",
    )
    unasked_since = serializers.DateTimeField(
        read_only=True,
        allow_null=True,
        help_text="Since then it has been asked that in vain, for `unasked_why`, and traffic goes"
        " without: it is asked on each minute, until it says so or a person ends that.",
    )

    class Meta:
        model = Connection
        fields = (
            *("id", "endpoint_id", "name", "environment", "state", "since", "answered_at"),
            *("good_at", "asked_next_at", "failures", "detail", "holds", "missed_since"),
            *("unasked_since", "unasked_why", "normalized_at"),
        )
        read_only_fields = fields


class ConnectionQuestion(Question):
    state = serializers.ChoiceField(LampState.choices, required=False)


@described("list_connections", "A lamp for each connection to the system operator", "outages")
class ConnectionList(TenantList[Connection]):
    """The host asks each for Health now and then. OUT holds what is sent there until it is back."""

    serializer_class = ConnectionSerializer
    question = ConnectionQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[Connection]:
        return Connection.objects.filter(**asked).select_related("endpoint")


@described(
    "end_asking",
    "Ask no more what was missed",
    "outages",
    method="post",
    request=ReasonSerializer,
    responses=ConnectionSerializer,
)
class AskingEnd(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, connection_id: UUID) -> Response:
        """For an operator that is asked in vain (`unasked_since`), once a person knows by telephone
        what was missed. Telephone mode that waited for it is over. 409 `not-asked-in-vain` for any
        other.
        """
        row = get_object_or_404(Connection, id=connection_id)
        reason, by = ReasonSerializer.of(request)["reason"], caller_of(request).name
        try:
            row = normalization.end_asking(row.endpoint_id, reason, by, now())
        except NotInVain:
            text = "The operator is not asked in vain what was missed."
            raise Conflict("not-asked-in-vain", text) from None
        return Response(ConnectionSerializer(row).data)


class HoldSerializer(serializers.ModelSerializer[StandingHold]):
    endpoint_id = serializers.UUIDField(read_only=True, allow_null=True)

    class Meta:
        model = StandingHold
        fields = (
            *("id", "endpoint_id", "bm_unit", "reason", "placed_at", "placed_by"),
            *("released_at", "released_by", "release_reason"),
        )
        read_only_fields = fields


class NewHoldSerializer(Wanted):
    """What to hold: an endpoint, or a BM unit, or, with neither, everything."""

    endpoint_id = serializers.UUIDField(required=False)
    bm_unit = serializers.CharField(required=False, max_length=9)
    reason = serializers.CharField(max_length=LONGEST)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if len(data.keys() & {"endpoint_id", "bm_unit"}) > 1:
            raise serializers.ValidationError({"bm_unit": ["Either this or an endpoint."]})
        return data


class HoldQuestion(Question):
    standing = serializers.BooleanField(
        required=False, help_text="Those in force, or those that were released."
    )
    lookups = {"standing": "released_at__isnull"}


@described(
    "place_hold",
    "Hold what goes to the system operator",
    "outages",
    method="post",
    request=NewHoldSerializer,
    responses={201: HoldSerializer},
)
@described("list_holds", "Holds, newest first", "outages")
class HoldList(TenantList[StandingHold]):
    needs = {"POST": Permission.OPERATE}
    serializer_class = HoldSerializer
    pagination_class = NewestFirst
    question = HoldQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[StandingHold]:
        return StandingHold.objects.filter(**asked)

    def post(self, request: Request) -> Response:
        """In force at once, but for what is under way to the operator at that moment. What is held
        waits in order, control points are told HELD, and deadlines stay as they are. A control
        point's endpoint holds what came from there.
        """
        wanted, by = NewHoldSerializer.of(request), caller_of(request).name
        try:
            row = holds.place(wanted.pop("reason"), by, now(), **wanted)
        except NoSuchThing:
            raise Http404 from None
        return Response(HoldSerializer(row).data, status=201)


@described("get_hold", "One hold", "outages", responses=HoldSerializer)
class HoldDetail(TenantView):
    def get(self, request: Request, hold_id: UUID) -> Response:
        return Response(HoldSerializer(get_object_or_404(StandingHold, id=hold_id)).data)


@described(
    "release_hold",
    "Release a hold",
    "outages",
    method="post",
    request=ReasonSerializer,
    responses=HoldSerializer,
)
class HoldRelease(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, hold_id: UUID) -> Response:
        """What it held goes in order, unless something else holds it still."""
        row = get_object_or_404(StandingHold, id=hold_id)
        wanted, by = ReasonSerializer.of(request), caller_of(request).name
        try:
            row = holds.release(row, wanted["reason"], by, now())
        except NotHeld:
            raise Conflict("not-held", "This hold was released before.") from None
        return Response(HoldSerializer(row).data)


class OutageNoticeSerializer(serializers.ModelSerializer[OutageNotice]):
    services = serializers.ListField(child=serializers.ChoiceField(SERVICES), read_only=True)
    is_the_hosts = serializers.SerializerMethodField(
        help_text="The host posted it for everybody; only the host can change it."
    )
    missing = serializers.SerializerMethodField(
        help_text="What a person must say before it can take effect."
    )

    class Meta:
        model = OutageNotice
        fields = (
            *("id", "state", "environment", "services", "starts_at", "ends_at"),
            *("until_further_notice", "missing", "text", "posted_at", "posted_by"),
            "is_the_hosts",
        )
        read_only_fields = fields

    def get_is_the_hosts(self, row: OutageNotice) -> bool:
        return row.system_notice_id is not None

    @extend_schema_field(
        {"type": "array", "items": {"type": "string", "enum": ["services", "start", "end"]}}
    )
    def get_missing(self, row: OutageNotice) -> list[str]:
        return telephone.missing_of(row)


class _NoticeFields(Wanted):
    services = serializers.ListField(
        child=serializers.ChoiceField(SERVICES), required=False, max_length=len(SERVICES)
    )
    starts_at = serializers.DateTimeField(required=False)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    until_further_notice = serializers.BooleanField(required=False)


class NewOutageNoticeSerializer(_NoticeFields):
    """A notice as it was published; what is said beside the text goes before what is read there."""

    text = serializers.CharField(max_length=_LONGEST_TEXT, default="", allow_blank=True)
    environment = serializers.ChoiceField(Environment.choices, default=Environment.PRODUCTION)


class OutageNoticeChangeSerializer(_NoticeFields):
    """What completes, extends or shortens it."""


class NoticeQuestion(Question):
    state = serializers.ChoiceField(NoticeState.choices, required=False)
    environment = serializers.ChoiceField(Environment.choices, required=False)


@described(
    "post_outage_notice",
    "Post a notice of an outage",
    "outages",
    method="post",
    request=NewOutageNoticeSerializer,
    responses={201: OutageNoticeSerializer},
)
@described("list_outage_notices", "Notices of outages, newest first", "outages")
class NoticeList(TenantList[OutageNotice]):
    needs = {"POST": Permission.OPERATE}
    serializer_class = OutageNoticeSerializer
    pagination_class = NewestFirst
    question = NoticeQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[OutageNotice]:
        return OutageNotice.objects.filter(**asked)

    def post(self, request: Request) -> Response:
        """The text is read for services, start and end; what it lacks is told in `missing`, and the
        notice waits to be completed. It concerns the asking tenant alone.
        """
        wanted, at = NewOutageNoticeSerializer.of(request), now()
        told = read_notice(wanted["text"], at.date())
        row = OutageNotice(
            services=list(told.services),
            starts_at=told.starts_at,
            ends_at=told.ends_at,
            until_further_notice=told.until_further_notice,
        )
        for name, value in wanted.items():
            setattr(row, name, value)
        _check(row)
        row = telephone.post(row, caller_of(request).name, at)
        return Response(OutageNoticeSerializer(row).data, status=201)


@described(
    "change_outage_notice",
    "Complete, extend or shorten a notice",
    "outages",
    method="patch",
    request=OutageNoticeChangeSerializer,
    responses=OutageNoticeSerializer,
)
@described(
    "get_outage_notice", "One notice of an outage", "outages", responses=OutageNoticeSerializer
)
class NoticeDetail(TenantView):
    needs = {"PATCH": Permission.OPERATE}

    def get(self, request: Request, notice_id: UUID) -> Response:
        return Response(OutageNoticeSerializer(get_object_or_404(OutageNotice, id=notice_id)).data)

    def patch(self, request: Request, notice_id: UUID) -> Response:
        """An end that has passed ends telephone mode now: what was missed is asked for, and what
        was held goes in order.
        """
        row, wanted = _own(notice_id), OutageNoticeChangeSerializer.of(request)
        for name, value in wanted.items():
            setattr(row, name, value)
        _check(row)
        by = caller_of(request).name
        row = _unless_over(lambda: telephone.change(row, by, now(), **wanted))
        return Response(OutageNoticeSerializer(row).data)


@described(
    "cancel_outage_notice",
    "Cancel a notice, or end telephone mode that is on",
    "outages",
    method="post",
    request=None,
    responses=OutageNoticeSerializer,
)
class NoticeCancel(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, notice_id: UUID) -> Response:
        """What has begun ends now, as it would at its own end."""
        row, by = _own(notice_id), caller_of(request).name
        row = _unless_over(lambda: telephone.cancel(row, by, now()))
        return Response(OutageNoticeSerializer(row).data)


def _own(notice_id: UUID) -> OutageNotice:
    """Locked. Raises Conflict for one that the host posted."""
    row: OutageNotice = get_object_or_404(OutageNotice.objects.select_for_update(), id=notice_id)
    if row.system_notice_id is not None:
        raise Conflict("the-hosts", "The host posted this notice for everybody.")
    return row


def _unless_over(work: Callable[[], T]) -> T:
    try:
        return work()
    except NoticeOver:
        raise Conflict("over", "This notice is over.") from None


def _check(row: OutageNotice) -> None:
    """An end is an end, and no notice both has one and has none."""
    if row.ends_at is not None:
        row.until_further_notice = False
        if row.starts_at is not None and row.ends_at <= row.starts_at:
            raise serializers.ValidationError({"ends_at": ["The end is not after the start."]})
