from __future__ import annotations

from django.db import migrations, models

from tenants.isolation import READ_WRITE, unwalled


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0003_delivery_once_a_queue"),
    ]

    operations = [
        migrations.CreateModel(
            name="GatewayProcess",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("seen_at", models.DateTimeField()),
                (
                    "suspected_at",
                    models.DateTimeField(
                        help_text="When a look first missed it, so that a database that stood still is not taken for a dead gateway.",
                        null=True,
                    ),
                ),
                ("lapsed_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="link",
            name="alarmed_at",
            field=models.DateTimeField(
                help_text="When its loss was alarmed; null once it is back.", null=True
            ),
        ),
        migrations.CreateModel(
            name="LinkWatch",
            fields=[
                ("endpoint_id", models.UUIDField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("owner", models.BigIntegerField(help_text="The gateway's number.", null=True)),
                ("due_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)),
                        fields=["due_at"],
                        name="link_watch_by_time",
                    ),
                    models.Index(
                        condition=models.Q(("owner__isnull", False)),
                        fields=["owner"],
                        name="link_watch_by_owner",
                    ),
                ],
            },
        ),
        unwalled("messaging_gatewayprocess", app=READ_WRITE, staff="SELECT"),
        unwalled("messaging_linkwatch", app="SELECT, INSERT, UPDATE", staff="SELECT"),
    ]
