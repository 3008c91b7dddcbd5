"""Circuit breakers, and how urgent a delivery is that is due."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import tenants.clock
import tenants.ids
from tenants.isolation import READ_WRITE, unwalled, walled

# As deliveries were told apart when they were made: by their queue.
RANK = """
ALTER TABLE messaging_delivery NO FORCE ROW LEVEL SECURITY;
UPDATE messaging_due u SET urgency = CASE
    WHEN d.lane = 'files' THEN 3 WHEN d.queue LIKE '% submissions' THEN 2
    WHEN d.lane = 'link' OR d.queue LIKE '% answers' THEN 0 ELSE 1 END
FROM messaging_delivery d WHERE d.id = u.delivery_id;
ALTER TABLE messaging_delivery FORCE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0014_instruction_unanswered"),
    ]

    operations = [
        migrations.CreateModel(
            name="BreakerDue",
            fields=[
                (
                    "endpoint_id",
                    models.UUIDField(editable=False, primary_key=True, serialize=False),
                ),
                ("tenant_id", models.UUIDField()),
                ("due_at", models.DateTimeField(db_index=True)),
            ],
            options={"verbose_name_plural": "breaker due"},
        ),
        migrations.CreateModel(
            name="Breaker",
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
                    "state",
                    models.TextField(
                        choices=[
                            ("CLOSED", "Closed"),
                            ("OPEN", "Open"),
                            ("HALF_OPEN", "one try is under way"),
                        ],
                        default="CLOSED",
                    ),
                ),
                (
                    "since",
                    models.DateTimeField(
                        default=tenants.clock.now, help_text="When it opened, or closed again."
                    ),
                ),
                ("failures", models.IntegerField(default=0, help_text="In a row.")),
                ("pauses", models.IntegerField(default=0)),
                (
                    "open_until",
                    models.DateTimeField(help_text="When it is tried again.", null=True),
                ),
                (
                    "probe_id",
                    models.UUIDField(
                        help_text="The delivery that is tried, or was last.", null=True
                    ),
                ),
                (
                    "alarmed_at",
                    models.DateTimeField(
                        help_text="When its opening was last alarmed.",
                        null=True,
                    ),
                ),
                (
                    "detail",
                    models.TextField(blank=True, help_text="What the last failure was."),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False,
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
                    models.UniqueConstraint(fields=("tenant", "endpoint"), name="breaker_once")
                ],
            },
        ),
        migrations.AddField(
            model_name="due",
            name="urgency",
            field=models.SmallIntegerField(
                choices=[
                    (0, "an instruction, or an answer to one"),
                    (1, "Redeclaration"),
                    (2, "Submission"),
                    (3, "File"),
                ],
                db_default=1,
            ),
        ),
        migrations.RunSQL(RANK, migrations.RunSQL.noop),
        # A person's test of a connection, which may be the vendor's, closes its breaker.
        walled("messaging_breaker", staff="SELECT, UPDATE"),
        unwalled("messaging_breakerdue", app=READ_WRITE, staff=READ_WRITE),
    ]
