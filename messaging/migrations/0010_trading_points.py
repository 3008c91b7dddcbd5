"""What trading points submit, the numbers of their agents, and the lane that replies leave by."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
from tenants.isolation import walled

LANES = [
    ("operator", "to the system operator"),
    ("link", "to a control point's link"),
    ("files", "to a trading point's directory"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0003_delivery_once_a_queue"),
        ("tenants", "0006_certificate_life"),
    ]

    operations = [
        migrations.AlterField(
            model_name="delivery", name="lane", field=models.TextField(choices=LANES)
        ),
        migrations.AlterField(model_name="due", name="lane", field=models.TextField(choices=LANES)),
        migrations.AlterField(
            model_name="message",
            name="origin",
            field=models.TextField(
                choices=[
                    ("CONTROL_POINT", "Control Point"),
                    ("TRADING_POINT", "Trading Point"),
                    ("OPERATOR", "Operator"),
                    ("HOST", "the host itself"),
                ]
            ),
        ),
        migrations.CreateModel(
            name="AgentSequence",
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
                ("agent", models.CharField(max_length=9)),
                ("expected", models.IntegerField()),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
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
                        fields=("tenant", "endpoint", "agent"), name="agent_sequence_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expected__gte", 0)),
                        name="agent_sequence_numbers",
                    ),
                ],
            },
        ),
        walled(
            "messaging_agentsequence",
            app="SELECT, INSERT, UPDATE",
            staff="SELECT, INSERT, UPDATE",
        ),
    ]
