"""The tables of what is in force of BM units, and of what was missing at a gate.

Writing them is the relay's business; here is only what each row promises.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from tenants.rows import TenantRow


class Declared(TenantRow):
    """What is in force of one parameter of a BM unit, as far as the system operator accepted it.
    What `content` holds is the relay's (declared_form).

    Beside these columns there is `covered`, the times for which something is declared, for the
    watch of gates to ask about within the database.
    """

    bm_unit = models.CharField("BM unit", max_length=9)
    parameter = models.TextField()
    content = models.JSONField(default=list)
    position = models.BigIntegerField(default=0, help_text="Of the last delivery it came by.")
    declared_at = models.DateTimeField(null=True, help_text="When it was last accepted.")
    doubt = models.TextField(
        blank=True, help_text="What was said since and not accepted; empty where nothing was."
    )
    doubt_position = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = verbose_name_plural = "declared"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "bm_unit", "parameter"], name="declared_once")
        ]

    def __str__(self) -> str:
        return f"{self.parameter} of {self.bm_unit}"


class GateAlarm(TenantRow):
    """That data was missing for a settlement period when its gate was about to close: told once,
    and once more when it came after all.
    """

    bm_unit = models.CharField("BM unit", max_length=9)
    period_start = models.DateTimeField()
    missing = models.JSONField(default=list, help_text="Parameters by name.")
    alarmed_at = models.DateTimeField()
    arrived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "bm_unit", "period_start"], name="gate_alarm_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "period_start"],
                condition=Q(arrived_at__isnull=True),
                name="gate_alarm_open",
            ),
            models.Index(fields=["tenant", "alarmed_at"], name="gate_alarm_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.bm_unit} {self.period_start:%Y-%m-%d %H:%M}"


class GateWatch(models.Model):
    """When a tenant's BM units are next looked at for missing data. Written by triggers where a
    unit is given something to have (migration), so that one look finds the tenants there are.
    """

    tenant_id = models.UUIDField(primary_key=True, editable=False)
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.tenant_id} at {self.due_at}"
