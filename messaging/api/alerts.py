"""Whom the host tells by e-mail, and the ladder by which it tells of instructions without an
answer.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.events import alerts
from messaging.events.alerts import Step
from messaging.events.types import Way
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantView
from tenants.api.problems import Conflict
from tenants.api.wanted import Wanted
from tenants.permissions import Permission


class LadderStepSerializer(serializers.Serializer[Any]):
    after_seconds = serializers.IntegerField(min_value=1, max_value=alerts.LONGEST_WAIT_S)
    ways = serializers.ListField(
        child=serializers.ChoiceField([(way.value, way.name) for way in Way]),
        min_length=1,
        max_length=len(Way),
    )


class AlertSettingsSerializer(serializers.Serializer[Any]):
    addresses = serializers.ListField(child=serializers.EmailField())
    steps = LadderStepSerializer(many=True)
    is_default_ladder = serializers.BooleanField()


class AlertChangeSerializer(Wanted):
    """Both are replaced whole. Without `steps` the ladder is the usual one, with none there is
    none.
    """

    addresses = serializers.ListField(
        child=serializers.EmailField(max_length=254), max_length=alerts.MOST_ADDRESSES
    )
    steps = LadderStepSerializer(many=True, required=False, allow_null=True)

    def validate_steps(self, value: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        waits = [step["after_seconds"] for step in value or ()]
        if len(waits) > alerts.MOST_STEPS or waits != sorted(set(waits)):
            raise serializers.ValidationError(
                f"At most {alerts.MOST_STEPS} steps, each after the one before it."
            )
        return value


_EXAMPLE = OpenApiExample(
    "A ladder of two steps",
    value={
        "addresses": ["desk@tenant.example"],
        "steps": [
            {"after_seconds": 20, "ways": ["stream", "webhook"]},
            {"after_seconds": 60, "ways": ["stream", "webhook", "email"]},
        ],
    },
    request_only=True,
)


@described(
    "change_alerts",
    "Set who is told by e-mail, and the escalation ladder",
    "events",
    method="put",
    request=AlertChangeSerializer,
    responses=AlertSettingsSerializer,
    examples=[_EXAMPLE],
)
@described(
    "get_alerts",
    "Who is told by e-mail, and the escalation ladder",
    "events",
    responses=AlertSettingsSerializer,
)
class AlertsView(TenantView):
    needs = {"GET": Permission.READ, "PUT": Permission.SET_UP}

    def get(self, request: Request) -> Response:
        return Response(_shown())

    def put(self, request: Request) -> Response:
        """Addresses take a mail server, which is the vendor's to name: without one, 409
        `no-mail-server`.
        """
        wanted = AlertChangeSerializer.of(request)
        steps = wanted.get("steps")
        ladder = None if steps is None else [_step(**step) for step in steps]
        try:
            alerts.change(wanted["addresses"], ladder, caller_of(request).shown.told)
        except alerts.NoMailServer:
            raise Conflict("no-mail-server", "The host has no mail server.") from None
        return Response(_shown())


def _step(after_seconds: int, ways: list[str]) -> Step:
    return Step(after_seconds, tuple(way for way in Way if way.value in ways))


def _shown() -> dict[str, Any]:
    row = alerts.find()
    return {
        "addresses": row.addresses if row else [],
        "steps": [step.written for step in alerts.ladder_of(row)],
        "is_default_ladder": row is None or row.steps is None,
    }
