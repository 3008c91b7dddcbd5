"""The tables of circuit breakers: how the way to each endpoint stands, and when one that is open
wants a hand. Writing them is `relay.breakers`' business.
"""

from __future__ import annotations

from django.db import models

from messaging.states import BreakerState
from tenants.clock import now
from tenants.models import Endpoint
from tenants.rows import TenantRow


class Breaker(TenantRow):
    """Of an endpoint that an exchange has failed with; one without a row has had none.

    While it is not CLOSED, what is to be sent there waits, but for one try at a time. `failures`
    are in a row; `pauses` counts the openings since it was last closed.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    state = models.TextField(choices=BreakerState, default=BreakerState.CLOSED)
    since = models.DateTimeField(default=now, help_text="When it opened, or closed again.")
    failures = models.IntegerField(default=0, help_text="In a row.")
    pauses = models.IntegerField(default=0)
    open_until = models.DateTimeField(null=True, help_text="When it is tried again.")
    probe_id = models.UUIDField(null=True, help_text="The delivery that is tried, or was last.")
    alarmed_at = models.DateTimeField(null=True, help_text="When its opening was last alarmed.")
    detail = models.TextField(blank=True, help_text="What the last failure was.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "endpoint"], name="breaker_once")]

    def __str__(self) -> str:
        return f"{self.state} since {self.since}"


class BreakerDue(models.Model):
    """When a breaker that is not closed wants a hand: ids and times, for one look over all
    tenants.
    """

    endpoint_id = models.UUIDField(primary_key=True, editable=False)
    tenant_id = models.UUIDField()
    due_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "breaker due"

    def __str__(self) -> str:
        return f"{self.endpoint_id} at {self.due_at}"
