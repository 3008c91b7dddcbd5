"""One delivery with its attempts, the list of dead letters, and what a person does with them: stop,
settle, replay, close.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.api.pages import BySettlement
from messaging.api.problems import told
from messaging.api.reasons import ReasonSerializer
from messaging.api.serializers import DeadLetterSerializer, TimelineDeliverySerializer
from messaging.api.timeline import LIMIT
from messaging.domain.instructions import Verdict
from messaging.models import Attempt, Delivery
from messaging.relay import dead_letters
from messaging.relay.units import carries_unit
from messaging.relay.wake import wake
from messaging.states import DEAD
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.questions import Question
from tenants.api.wanted import Wanted
from tenants.clock import now
from tenants.permissions import Permission

MOST_REPLAYED: Final = 200
"""Of one request."""

_STATES = [(state.value, state.label) for state in DEAD]


class DeadLetterFilter(serializers.Serializer[Any]):
    """The same for the list and for replaying in bulk."""

    state = serializers.ChoiceField(_STATES, required=False)
    endpoint_id = serializers.UUIDField(required=False, help_text="Where it was to go.")
    bm_unit = serializers.CharField(required=False, max_length=9, help_text="NGC name.")
    kind = serializers.CharField(required=False, max_length=64, help_text="Of the message.")
    code = serializers.CharField(
        required=False, max_length=16, help_text="`outcome_code`: R030, R031, UNROUTABLE, ..."
    )
    settled_since = serializers.DateTimeField(required=False, help_text="This moment or later.")
    settled_until = serializers.DateTimeField(required=False, help_text="Before this moment.")


class DeadLetterQuestion(DeadLetterFilter, Question):
    pass


class BulkReplaySerializer(DeadLetterFilter, Wanted):
    limit = serializers.IntegerField(
        required=False, default=MOST_REPLAYED, min_value=1, max_value=MOST_REPLAYED
    )


class LeftSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    code = serializers.CharField(help_text="As the problem's that replaying it alone gets.")
    text = serializers.CharField()


class BulkReplayedSerializer(serializers.Serializer[Any]):
    replayed = serializers.IntegerField()
    left = LeftSerializer(many=True, help_text="Those that can't be replayed.")
    more = serializers.BooleanField(help_text="Whether others fit the filter.")


@described(
    "get_delivery",
    "One delivery with its attempts",
    "messages",
    responses=TimelineDeliverySerializer,
)
class DeliveryDetail(TenantView):
    """The first 1,000 attempts."""

    def get(self, request: Request, delivery_id: UUID) -> Response:
        return Response(_shown(get_object_or_404(Delivery, id=delivery_id)))


@described(
    "list_dead_letters",
    "Deliveries that came to a bad end and are not closed, newest first",
    "messages",
    parameters=[DeadLetterQuestion],
)
class DeadLetterList(TenantList[Delivery]):
    """Refused by the other side, expired, stopped by a person, or with nowhere to go. Each waits to
    be replayed or closed.
    """

    serializer_class = DeadLetterSerializer
    pagination_class = BySettlement
    question = DeadLetterQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[Delivery]:
        return _fitting(asked).prefetch_related("message")


@described(
    "replay_dead_letters",
    "Replay dead letters in bulk",
    "messages",
    method="post",
    request=BulkReplaySerializer,
    responses={202: BulkReplayedSerializer},
)
class BulkReplay(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request) -> Response:
        """Those that fit the filter, oldest first, at most 200 of them: ask again while there are
        `more`. One that can't be replayed keeps none of the others back.
        """
        wanted = BulkReplaySerializer.of(request)
        limit = wanted.pop("limit")
        rows = _fitting(wanted).order_by("settled_at", "id")
        ids = list(rows.values_list("id", flat=True)[: limit + 1])
        done = dead_letters.replay_all(ids[:limit], now(), _by(request))
        transaction.on_commit(lambda: wake(done.made))
        left = [{"id": str(i), "code": why.code, "text": why.text} for i, why in done.left]
        body = {"replayed": len(done.made), "left": left, "more": len(ids) > limit}
        return Response(body, status=202)


@described(
    "replay_delivery",
    "Replay a dead letter",
    "messages",
    method="post",
    request=None,
    responses={202: TimelineDeliverySerializer},
)
class DeliveryReplay(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, delivery_id: UUID) -> Response:
        """The same message, id and payload, tried anew at the end of its queue, with the time that
        its class has. 409 `not-replayable` where the time to respond to an instruction has passed,
        `unroutable` where there is still nowhere to go.
        """
        with told():
            made = dead_letters.replay(delivery_id, now(), _by(request))
        transaction.on_commit(lambda: wake([made]))
        return Response(_shown(Delivery.objects.get(id=delivery_id)), status=202)


@described(
    "abandon_delivery",
    "Stop a delivery",
    "messages",
    method="post",
    request=ReasonSerializer,
    responses=TimelineDeliverySerializer,
)
class DeliveryAbandonment(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, delivery_id: UUID) -> Response:
        """Those behind it go on. What is under way may reach the other side all the same. The
        control point that sent it is told REFUSE R031.
        """
        reason = ReasonSerializer.of(request)["reason"]
        with told():
            made = dead_letters.abandon(delivery_id, reason, now(), _by(request))
        transaction.on_commit(lambda: wake(made))
        return Response(_shown(Delivery.objects.get(id=delivery_id)))


class SettlementSerializer(ReasonSerializer):
    verdict = serializers.ChoiceField(
        [(one.value, one.value) for one in Verdict], help_text="What the system operator decided."
    )


@described(
    "settle_delivery",
    "Say what the system operator decided",
    "messages",
    method="post",
    request=SettlementSerializer,
    responses=TimelineDeliverySerializer,
)
class DeliverySettlement(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, delivery_id: UUID) -> Response:
        """For one that is DELIVERED: the operator has received it, and its final receipt does not
        come. Who sent it is told the verdict as if the operator had said it. 409
        `no-verdict-awaited` for any other.
        """
        wanted = SettlementSerializer.of(request)
        accepted, reason = wanted["verdict"] == Verdict.ACCEPTED, wanted["reason"]
        with told():
            made = dead_letters.settle(delivery_id, reason, now(), _by(request), accepted=accepted)
        transaction.on_commit(lambda: wake(made))
        return Response(_shown(Delivery.objects.get(id=delivery_id)))


@described(
    "close_delivery",
    "Close a dead letter",
    "messages",
    method="post",
    request=ReasonSerializer,
    responses=TimelineDeliverySerializer,
)
class DeliveryClosing(TenantView):
    needs = {"POST": Permission.OPERATE}

    def post(self, request: Request, delivery_id: UUID) -> Response:
        """It is no dead letter any more, and can't be replayed."""
        reason = ReasonSerializer.of(request)["reason"]
        with told():
            row = dead_letters.close(delivery_id, reason, now(), _by(request))
        return Response(_shown(row))


def _fitting(asked: dict[str, Any]) -> QuerySet[Delivery]:
    lookups = {
        "state": "state",
        "endpoint_id": "endpoint_id",
        "kind": "message__kind",
        "code": "outcome_code",
        "settled_since": "settled_at__gte",
        "settled_until": "settled_at__lt",
    }
    rows = dead_letters.dead()
    rows = rows.filter(**{lookups[name]: v for name, v in asked.items() if name in lookups})
    if unit := asked.get("bm_unit"):
        rows = rows.filter(carries_unit(unit))
    return rows


def _shown(row: Delivery) -> Any:
    attempts = list(Attempt.objects.filter(delivery_id=row.id).order_by("id")[:LIMIT])
    return TimelineDeliverySerializer(row, context={"attempts": {row.id: attempts}}).data


def _by(request: Request) -> dict[str, object]:
    return dict(caller_of(request).shown.told)
