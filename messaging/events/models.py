"""The tables of telling tenants: whom and how, and what is still to be told. What they tell of
stands in the audit log.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from tenants.rows import TenantRow


class AlertSettings(TenantRow):
    """How a tenant is told, and how far it has been: `cursor` is the last entry of its chain that
    was looked at for webhooks and e-mail.
    """

    addresses = models.JSONField(default=list, help_text="E-mail addresses.")
    steps = models.JSONField(null=True, help_text="The escalation ladder; null is the usual one.")
    cursor = models.BigIntegerField(default=0)
    mail_after = models.DateTimeField(null=True, help_text="No e-mail is sent before.")
    mailing_until = models.DateTimeField(null=True, help_text="How long one may take to send.")
    owner = models.BigIntegerField(null=True, help_text="The process that sends one.")
    mail_failures = models.IntegerField(default=0, help_text="In a row.")

    class Meta:
        verbose_name = verbose_name_plural = "alert settings"
        constraints = [
            models.UniqueConstraint(fields=["tenant"], name="alert_settings_once_a_tenant")
        ]

    def __str__(self) -> str:
        return f"of {self.tenant_id}"


class EventWatch(models.Model):
    """When a tenant with webhooks or addresses is next looked at for events. Belongs to no tenant,
    so that one look serves all, and tells nothing of any.
    """

    tenant_id = models.UUIDField(primary_key=True, editable=False)
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.tenant_id} at {self.due_at}"


class Escalation(TenantRow):
    """That a step of the ladder was taken for an instruction: each once."""

    instruction = models.ForeignKey(
        "messaging.Instruction", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    after_seconds = models.SmallIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "instruction", "after_seconds"], name="escalated_once"
            )
        ]
        indexes = [models.Index(fields=["tenant", "at"], name="escalation_by_time")]

    def __str__(self) -> str:
        return f"{self.instruction_id} after {self.after_seconds} s"


class Webhook(TenantRow):
    """Where events are posted. Its secrets are sealed by the vault; `since` is the entry after
    which it is told of what happens.
    """

    class State(models.TextChoices):
        ACTIVE = "ACTIVE"
        DISABLED = "DISABLED"

    url = models.TextField("URL")
    label = models.TextField(blank=True)
    types = models.JSONField(default=list, help_text="Types of events; none means all.")
    state = models.TextField(choices=State, default=State.ACTIVE)
    reason = models.TextField(blank=True, help_text="Why it is disabled.")
    secret = models.BinaryField()
    previous_secret = models.BinaryField(null=True)
    previous_until = models.DateTimeField(null=True)
    since = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    wait_until = models.DateTimeField(
        null=True, help_text="Nothing is posted before: it failed, or asked for a pause."
    )
    failures = models.IntegerField(default=0, help_text="In a row.")
    failing_since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.label or self.url.partition("?")[0]


class WebhookDue(models.Model):
    """When a webhook next has something to be posted. Like `EventWatch`, it belongs to no tenant
    and tells nothing of any.
    """

    webhook_id = models.UUIDField(primary_key=True)
    tenant_id = models.UUIDField()
    due_at = models.DateTimeField(db_index=True)
    owner = models.BigIntegerField(null=True, help_text="The process that has claimed it.")

    class Meta:
        verbose_name_plural = "webhooks due"
        indexes = [
            models.Index(
                fields=["owner"], condition=Q(owner__isnull=False), name="webhook_due_by_owner"
            )
        ]

    def __str__(self) -> str:
        return f"{self.webhook_id} at {self.due_at}"


class WebhookDelivery(TenantRow):
    """One event to be posted to one webhook, in the very bytes of `body` whenever it is tried. Its
    id is the `webhook-id`.
    """

    class State(models.TextChoices):
        PENDING = "PENDING"
        DELIVERED = "DELIVERED"
        FAILED = "FAILED"

    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    event_id = models.BigIntegerField(null=True, help_text="Null for a test.")
    type = models.TextField()
    body = models.TextField()
    state = models.TextField(choices=State, default=State.PENDING)
    attempts = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    next_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    status = models.IntegerField(null=True, help_text="HTTP status of the last answer.")
    outcome = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "webhook", "event_id"], name="webhook_told_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "webhook", "next_at"],
                condition=Q(state="PENDING"),
                name="webhook_delivery_pending",
            ),
            models.Index(fields=["tenant", "created_at"], name="webhook_delivery_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id or ''}".strip()


class MailLine(TenantRow):
    """One event that is yet to be told by e-mail, as the line that tells it."""

    event_id = models.BigIntegerField()
    at = models.DateTimeField()
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "event_id"], name="mailed_once")]

    def __str__(self) -> str:
        return self.text
