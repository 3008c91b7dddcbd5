"""The tables of control points' links, and of the gateways that hold them.

Writing them is the relay's business; here is only what each row promises.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from tenants.models import Endpoint
from tenants.rows import TenantRow


class Link(TenantRow):
    """A control point's link: the numbers taken and given on it, and which gateway holds it now.

    `epoch` rises with each link that gets ready. A gateway writes only under the epoch it opened,
    so a link that was replaced can neither take a number nor give one, whatever its process still
    believes.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    epoch = models.BigIntegerField(default=0)
    gateway = models.BigIntegerField(null=True, help_text="Null while no link is up.")
    address = models.TextField(blank=True)
    last_taken = models.IntegerField(default=0)
    last_given = models.IntegerField(default=0)
    up_at = models.DateTimeField(null=True)
    down_at = models.DateTimeField(null=True)
    alarmed_at = models.DateTimeField(
        null=True, help_text="When its loss was alarmed; null once it is back."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "endpoint"], name="link_once"),
            models.CheckConstraint(
                condition=Q(last_taken__range=(0, 99_999_999))
                & Q(last_given__range=(0, 99_999_999)),
                name="link_numbers",
            ),
        ]

    def __str__(self) -> str:
        return f"epoch {self.epoch}"


class LinkWatch(models.Model):
    """Which gateway holds a link, or when the loss of one is to be alarmed. Belongs to no tenant,
    so that one look serves all, and tells nothing of any.
    """

    endpoint_id = models.UUIDField(primary_key=True)
    tenant_id = models.UUIDField()
    owner = models.BigIntegerField(null=True, help_text="The gateway's number.")
    due_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="link_watch_by_time"
            ),
            models.Index(
                fields=["owner"], condition=Q(owner__isnull=False), name="link_watch_by_owner"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} at {self.due_at}"


class GatewayProcess(models.Model):
    """A gateway, and when it last said that it lives. One that is silent for too long has lapsed:
    the links it held count as down, whatever it still believes.
    """

    number = models.BigIntegerField(primary_key=True)
    seen_at = models.DateTimeField()
    suspected_at = models.DateTimeField(
        null=True,
        help_text="When a look first missed it, so that a database that stood still is "
        "not taken for a dead gateway.",
    )
    lapsed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"gateway {self.number}"
