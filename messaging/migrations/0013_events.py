"""Whom tenants have the host tell what happens, and what is still to be told."""

import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
from tenants.isolation import READ, READ_WRITE, unwalled, walled


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0012_superseded"),
        ("tenants", "0009_idempotency"),
    ]

    operations = [
        migrations.CreateModel(
            name="EventWatch",
            fields=[
                ("tenant_id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("due_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="WebhookDue",
            fields=[
                ("webhook_id", models.UUIDField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("due_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "verbose_name_plural": "webhooks due",
            },
        ),
        migrations.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("url", models.TextField()),
                ("label", models.TextField(blank=True)),
                (
                    "types",
                    models.JSONField(default=list, help_text="Types of events; none means all."),
                ),
                (
                    "state",
                    models.TextField(
                        choices=[("ACTIVE", "Active"), ("DISABLED", "Disabled")], default="ACTIVE"
                    ),
                ),
                ("reason", models.TextField(blank=True, help_text="Why it is disabled.")),
                ("secret", models.BinaryField()),
                ("previous_secret", models.BinaryField(null=True)),
                ("previous_until", models.DateTimeField(null=True)),
                ("since", models.BigIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                (
                    "claimed_until",
                    models.DateTimeField(
                        help_text="Until when a worker has it in hand, unless it is done before.",
                        null=True,
                    ),
                ),
                (
                    "wait_until",
                    models.DateTimeField(
                        help_text="Nothing is posted before: it failed, or asked for a pause.",
                        null=True,
                    ),
                ),
                ("failures", models.IntegerField(default=0, help_text="In a row.")),
                ("failing_since", models.DateTimeField(null=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="AlertSettings",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("addresses", models.JSONField(default=list, help_text="E-mail addresses.")),
                (
                    "steps",
                    models.JSONField(
                        help_text="The escalation ladder; null is the usual one.", null=True
                    ),
                ),
                ("cursor", models.BigIntegerField(default=0)),
                (
                    "mail_after",
                    models.DateTimeField(help_text="No e-mail is sent before.", null=True),
                ),
                ("mail_failures", models.IntegerField(default=0, help_text="In a row.")),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "verbose_name": "alert settings",
                "verbose_name_plural": "alert settings",
                "constraints": [
                    models.UniqueConstraint(fields=("tenant",), name="alert_settings_once_a_tenant")
                ],
            },
        ),
        migrations.CreateModel(
            name="Escalation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("after_seconds", models.SmallIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "instruction",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="messaging.instruction",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "instruction", "after_seconds"), name="escalated_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MailLine",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("event_id", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                ("text", models.TextField()),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "event_id"), name="mailed_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("event_id", models.BigIntegerField(help_text="Null for a test.", null=True)),
                ("type", models.TextField()),
                ("body", models.TextField()),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("PENDING", "Pending"),
                            ("DELIVERED", "Delivered"),
                            ("FAILED", "Failed"),
                        ],
                        default="PENDING",
                    ),
                ),
                ("attempts", models.IntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("next_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "status",
                    models.IntegerField(help_text="HTTP status of the last answer.", null=True),
                ),
                ("outcome", models.TextField(blank=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="messaging.webhook",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "webhook deliveries",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "PENDING")),
                        fields=["tenant", "webhook", "next_at"],
                        name="webhook_delivery_pending",
                    ),
                    models.Index(fields=["tenant", "created_at"], name="webhook_delivery_by_time"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "webhook", "event_id"), name="webhook_told_once"
                    )
                ],
            },
        ),
        walled("messaging_alertsettings"),
        walled("messaging_escalation"),
        walled("messaging_webhook"),
        walled("messaging_webhookdelivery"),
        walled("messaging_mailline"),
        unwalled("messaging_eventwatch", app=READ_WRITE, staff=READ),
        unwalled("messaging_webhookdue", app=READ_WRITE, staff=READ),
    ]
