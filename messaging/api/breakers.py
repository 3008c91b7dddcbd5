"""How the ways to a tenant's endpoints stand: the circuit breakers of those that something has
failed with.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from messaging.models import Breaker
from messaging.states import BreakerState
from tenants.api.described import described
from tenants.api.door import TenantList
from tenants.api.questions import Question


class BreakerSerializer(serializers.ModelSerializer[Breaker]):
    endpoint_id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(source="endpoint.name", read_only=True)
    tried_next_at = serializers.DateTimeField(
        source="open_until",
        read_only=True,
        allow_null=True,
        help_text="While it is OPEN: when one message is tried again, if there is any.",
    )

    class Meta:
        model = Breaker
        fields = (
            *("id", "endpoint_id", "name", "state", "since", "failures", "tried_next_at"),
            "detail",
        )
        read_only_fields = fields


class BreakerQuestion(Question):
    state = serializers.ChoiceField(BreakerState.choices, required=False)


@described("list_breakers", "Circuit breakers of endpoints", "outages")
class BreakerList(TenantList[Breaker]):
    """Those of endpoints that something has failed with. While one is OPEN, what is to be sent
    there waits, but for one message at a time; a connection test that comes out green closes it.
    """

    serializer_class = BreakerSerializer
    question = BreakerQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[Breaker]:
        return Breaker.objects.filter(**asked).select_related("endpoint")
