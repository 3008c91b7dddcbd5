from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
from tenants.isolation import READ_WRITE, walled


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_change")]

    operations = [
        migrations.CreateModel(
            name="ConnectionTest",
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
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("started_by", models.TextField()),
                ("colour", models.TextField(blank=True)),
                ("report", models.JSONField(null=True)),
                (
                    "endpoint",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.endpoint",
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
                        fields=("tenant", "endpoint"), name="connection_test_once"
                    )
                ],
            },
        ),
        walled("tenants_connectiontest", staff=READ_WRITE),
    ]
