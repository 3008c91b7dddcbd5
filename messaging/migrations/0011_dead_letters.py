"""Deliveries that lead nowhere or are closed by a person, the API as an origin, and the BM units of
messages that are about several.
"""

import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
from tenants.isolation import READ_ADD, append_only, walled


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0010_outages"),
    ]

    operations = [
        migrations.CreateModel(
            name="UnitOfMessage",
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
                ("bm_unit", models.CharField(max_length=9)),
                ("received_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="delivery",
            name="closed_at",
            field=models.DateTimeField(
                help_text="When a person said that nothing more is to come of it.", null=True
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="closed_reason",
            field=models.TextField(blank=True, db_default=""),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="endpoint",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.endpoint",
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="state",
            field=models.TextField(
                choices=[
                    ("PENDING", "Pending"),
                    ("CLAIMED", "Claimed"),
                    ("DELIVERED", "delivered, verdict awaited"),
                    ("ACKNOWLEDGED", "Acknowledged"),
                    ("HELD", "held while the other side is out"),
                    ("REFUSED", "the peer said no"),
                    ("EXPIRED", "the deadline passed"),
                    ("ABANDONED", "a person stopped it"),
                    ("UNROUTABLE", "no endpoint leads there"),
                ],
                default="PENDING",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="origin",
            field=models.TextField(
                choices=[
                    ("CONTROL_POINT", "Control Point"),
                    ("TRADING_POINT", "Trading Point"),
                    ("OPERATOR", "Operator"),
                    ("HOST", "the host itself"),
                    ("API", "the REST API"),
                ]
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(
                    ("closed_at", None),
                    ("state__in", ["REFUSED", "EXPIRED", "ABANDONED", "UNROUTABLE"]),
                ),
                fields=["tenant", "settled_at"],
                name="delivery_dead",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("endpoint__isnull", False),
                    models.Q(
                        ("state__in", ["PENDING", "CLAIMED", "HELD", "DELIVERED"]), _negated=True
                    ),
                    _connector="OR",
                ),
                name="delivery_leads_somewhere",
            ),
        ),
        migrations.AddField(
            model_name="unitofmessage",
            name="message",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="units",
                to="messaging.message",
            ),
        ),
        migrations.AddField(
            model_name="unitofmessage",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="unitofmessage",
            constraint=models.UniqueConstraint(
                fields=("tenant", "bm_unit", "received_at", "message"), name="unit_of_message_once"
            ),
        ),
        walled("messaging_unitofmessage", app=READ_ADD),
        append_only("messaging_unitofmessage"),
    ]
