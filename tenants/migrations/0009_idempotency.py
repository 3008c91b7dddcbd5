"""First answers under idempotency keys, and when a tenant's old ones are to be cleared away."""

import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
from tenants.isolation import READ_WRITE, unwalled, walled


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0008_desk"),
    ]

    operations = [
        migrations.CreateModel(
            name="IdempotencyDue",
            fields=[
                ("tenant_id", models.UUIDField(primary_key=True, serialize=False)),
                ("due_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="IdempotentAnswer",
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
                (
                    "caller_id",
                    models.UUIDField(help_text="The member, or the credential of no member."),
                ),
                ("key", models.TextField()),
                (
                    "fingerprint",
                    models.BinaryField(help_text="SHA-256 of what was asked.", max_length=32),
                ),
                ("status", models.SmallIntegerField(null=True)),
                ("headers", models.JSONField(default=dict)),
                (
                    "sealed_body",
                    models.BinaryField(help_text="By the vault: it may hold a secret.", null=True),
                ),
                ("created_at", models.DateTimeField()),
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
                "indexes": [
                    models.Index(fields=["tenant", "created_at"], name="idempotent_by_age")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "caller_id", "key"), name="idempotency_key_once"
                    )
                ],
            },
        ),
        walled("tenants_idempotentanswer"),
        unwalled("tenants_idempotencydue", app=READ_WRITE),
    ]
