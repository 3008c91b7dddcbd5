"""Webhooks: where a tenant has events posted. A secret is shown once, when it is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.events import webhooks
from messaging.events.models import Webhook, WebhookDelivery
from messaging.events.types import EventType
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.problems import Conflict
from tenants.api.questions import Question
from tenants.api.wanted import LONGEST_LABEL, Wanted
from tenants.permissions import Permission

_LONGEST_URL = 500
_LONGEST_OVERLAP_HOURS = 168
_TYPES = [(kind.value, kind.name) for kind in EventType]


class WebhookSerializer(serializers.ModelSerializer[Webhook]):
    types = serializers.ListField(child=serializers.ChoiceField(_TYPES))

    class Meta:
        model = Webhook
        fields = (
            *("id", "url", "label", "types", "state", "reason", "created_at"),
            *("previous_until", "failures", "failing_since"),
        )
        read_only_fields = fields


class MadeWebhookSerializer(WebhookSerializer):
    secret = serializers.SerializerMethodField(
        help_text="Keep it now: it is never shown again. `whsec_` and base64 of the key."
    )

    class Meta:
        model = Webhook
        fields = (*WebhookSerializer.Meta.fields, "secret")
        read_only_fields = fields

    def get_secret(self, row: Webhook) -> str:
        secret: str = self.context["secret"]
        return secret


class WebhookDeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    class Meta:
        model = WebhookDelivery
        fields = (
            *("id", "event_id", "type", "state", "attempts", "created_at", "next_at"),
            *("expires_at", "settled_at", "status", "outcome"),
        )
        read_only_fields = fields


def _types_field(**more: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.ChoiceField(_TYPES),
        max_length=len(_TYPES),
        help_text="Types of events; none means all.",
        **more,
    )


class NewWebhookSerializer(Wanted):
    url = serializers.CharField(
        max_length=_LONGEST_URL,
        help_text="https. A query is posted to as well, and left out of the audit log.",
    )
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=LONGEST_LABEL, default="", allow_blank=True
    )
    types = _types_field(default=list)


class WebhookChangeSerializer(Wanted):
    """What is to be otherwise."""

    url = serializers.CharField(max_length=_LONGEST_URL, required=False)
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=LONGEST_LABEL, required=False, allow_blank=True
    )
    types = _types_field(required=False)
    state = serializers.ChoiceField(Webhook.State.choices, required=False)


class WebhookRotationSerializer(Wanted):
    overlap_hours = serializers.IntegerField(
        default=24,
        min_value=0,
        max_value=_LONGEST_OVERLAP_HOURS,
        help_text="For so long the secret before signs as well.",
    )


class ReplaySerializer(Wanted):
    since = serializers.DateTimeField(
        default=None, allow_null=True, help_text="Only of events laid out since then."
    )


class ReplayedSerializer(serializers.Serializer[Any]):
    replayed = serializers.IntegerField(help_text="How many are tried again.")


_NEW = OpenApiExample(
    "All about instructions",
    value={
        "url": "https://dispatch.tenant.example/hooks/hostsvc",
        "label": "dispatch desk",
        "types": ["instruction.received", "instruction.unanswered", "alarm"],
    },
    request_only=True,
)


@described(
    "add_webhook",
    "Add a webhook",
    "events",
    method="post",
    request=NewWebhookSerializer,
    responses={201: MadeWebhookSerializer},
    examples=[_NEW],
)
@described("list_webhooks", "Webhooks", "events")
class WebhookList(TenantList[Webhook]):
    serializer_class = WebhookSerializer
    needs = {"GET": Permission.READ, "POST": Permission.SET_UP}

    def rows(self, asked: dict[str, Any]) -> QuerySet[Webhook]:
        return Webhook.objects.filter(**asked)

    def post(self, request: Request) -> Response:
        """It is told of what happens from now on. This answer is the only one that ever shows the
        secret.
        """
        wanted = NewWebhookSerializer.of(request)
        by = caller_of(request).shown.told
        try:
            made = webhooks.add(wanted["url"], wanted["label"], wanted["types"], by)
        except webhooks.BadUrl as error:
            raise _bad_url(error) from None
        except webhooks.TooMany:
            text = f"There can be {webhooks.MOST} webhooks."
            raise Conflict("too-many-webhooks", text) from None
        return Response(_made(made), status=201)


@described("remove_webhook", "Remove a webhook", "events", method="delete", responses={204: None})
@described(
    "change_webhook",
    "Change, disable or enable a webhook",
    "events",
    method="patch",
    request=WebhookChangeSerializer,
    responses=WebhookSerializer,
)
@described("get_webhook", "One webhook", "events", responses=WebhookSerializer)
class WebhookDetail(TenantView):
    needs = {"GET": Permission.READ, "PATCH": Permission.SET_UP, "DELETE": Permission.SET_UP}

    def get(self, request: Request, webhook_id: UUID) -> Response:
        return Response(WebhookSerializer(_row(webhook_id)).data)

    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """One that is enabled again is told of what happens from then on; what it missed can be
        replayed as far as it was laid out.
        """
        row, wanted = _row(webhook_id, locked=True), WebhookChangeSerializer.of(request)
        try:
            webhooks.change(row, wanted, caller_of(request).shown.told)
        except webhooks.BadUrl as error:
            raise _bad_url(error) from None
        return Response(WebhookSerializer(row).data)

    def delete(self, request: Request, webhook_id: UUID) -> Response:
        """And what it was still to be told."""
        webhooks.remove(_row(webhook_id, locked=True), caller_of(request).shown.told)
        return Response(status=204)


@described(
    "rotate_webhook_secret",
    "Make a new secret for a webhook",
    "events",
    method="post",
    request=WebhookRotationSerializer,
    responses=MadeWebhookSerializer,
)
class WebhookRotation(TenantView):
    needs = {"POST": Permission.SET_UP}

    def post(self, request: Request, webhook_id: UUID) -> Response:
        """While both are in force each request bears two signatures, separated by a blank."""
        row, wanted = _row(webhook_id, locked=True), WebhookRotationSerializer.of(request)
        overlap = timedelta(hours=wanted["overlap_hours"])
        return Response(_made(webhooks.rotate(row, overlap, caller_of(request).shown.told)))


@described(
    "test_webhook",
    "Send a webhook a test event",
    "events",
    method="post",
    request=None,
    responses={202: WebhookDeliverySerializer},
)
class WebhookTest(TenantView):
    needs = {"POST": Permission.SET_UP}

    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Of type `webhook.test`. What came of it stands among the webhook's deliveries."""
        try:
            made = webhooks.try_out(_row(webhook_id, locked=True))
        except webhooks.NotActive:
            raise _disabled() from None
        return Response(WebhookDeliverySerializer(made).data, status=202)


@described(
    "replay_webhook",
    "Try again what a webhook did not take",
    "events",
    method="post",
    request=ReplaySerializer,
    responses={202: ReplayedSerializer},
)
class WebhookReplay(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, webhook_id: UUID) -> Response:
        """All deliveries that FAILED, under the ids they had."""
        row, wanted = _row(webhook_id, locked=True), ReplaySerializer.of(request)
        try:
            count = webhooks.replay(row, wanted["since"])
        except webhooks.NotActive:
            raise _disabled() from None
        return Response({"replayed": count}, status=202)


class WebhookDeliveryQuestion(Question):
    state = serializers.ChoiceField(
        WebhookDelivery.State.choices, required=False, help_text="Only those in this state."
    )


@described(
    "list_webhook_deliveries",
    "What was posted to a webhook, and what is to be",
    "events",
    parameters=[WebhookDeliveryQuestion],
)
class WebhookDeliveryList(TenantList[WebhookDelivery]):
    """For thirty days. `id` is the `webhook-id` that was sent."""

    serializer_class = WebhookDeliverySerializer
    question = WebhookDeliveryQuestion

    def get(self, request: Request, webhook_id: UUID) -> Response:  # type: ignore[override]
        self._webhook = _row(webhook_id)
        return self.list(request)

    def rows(self, asked: dict[str, Any]) -> QuerySet[WebhookDelivery]:
        return WebhookDelivery.objects.filter(webhook=self._webhook, **asked)


def _row(webhook_id: UUID, *, locked: bool = False) -> Webhook:
    """Whoever adds to its events refers to it, and is not kept waiting by this lock."""
    rows = Webhook.objects.select_for_update(no_key=True) if locked else Webhook.objects.all()
    return get_object_or_404(rows, id=webhook_id)


def _made(made: webhooks.Made) -> Any:
    return MadeWebhookSerializer(made.row, context={"secret": made.secret}).data


def _bad_url(error: webhooks.BadUrl) -> serializers.ValidationError:
    return serializers.ValidationError({"url": [f"{error}."]})


def _disabled() -> Conflict:
    return Conflict("webhook-disabled", "The webhook is disabled; enable it first.")
