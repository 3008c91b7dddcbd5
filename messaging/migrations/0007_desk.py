"""What is in force of each BM unit, and the watch of gates over it."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
from tenants.isolation import READ_WRITE, unwalled, walled

COVERED = "ALTER TABLE messaging_declared ADD COLUMN covered tstzmultirange"

# A tenant is looked at from when a unit of its own is given something to have. As its owner, for
# nobody else adds to the table of watches.
WATCH = """
CREATE FUNCTION watch_gates() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    whose uuid := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
BEGIN
    INSERT INTO messaging_gatewatch AS w (tenant_id, due_at) VALUES (whose, clock_timestamp())
    ON CONFLICT (tenant_id) DO UPDATE SET due_at = EXCLUDED.due_at;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION watch_gates() FROM PUBLIC;

CREATE TRIGGER gates_of_a_new_unit AFTER INSERT ON tenants_bmunit
FOR EACH ROW WHEN (NEW.expected <> '[]'::jsonb) EXECUTE FUNCTION watch_gates('tenant_id');

CREATE TRIGGER gates_of_a_unit AFTER UPDATE ON tenants_bmunit
FOR EACH ROW WHEN (
    NEW.expected IS DISTINCT FROM OLD.expected
    OR NEW.gate_alarm_minutes IS DISTINCT FROM OLD.gate_alarm_minutes)
EXECUTE FUNCTION watch_gates('tenant_id');

CREATE TRIGGER gates_of_a_tenant AFTER UPDATE ON tenants_tenant
FOR EACH ROW WHEN (NEW.gate_alarm_minutes IS DISTINCT FROM OLD.gate_alarm_minutes)
EXECUTE FUNCTION watch_gates('id');
"""
UNWATCH = """
DROP TRIGGER gates_of_a_tenant ON tenants_tenant;
DROP TRIGGER gates_of_a_unit ON tenants_bmunit;
DROP TRIGGER gates_of_a_new_unit ON tenants_bmunit;
DROP FUNCTION watch_gates();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0006_profile_and_seal_kept"),
        ("tenants", "0008_desk"),
    ]

    operations = [
        migrations.CreateModel(
            name="Declared",
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
                ("parameter", models.TextField()),
                ("content", models.JSONField(default=list)),
                (
                    "position",
                    models.BigIntegerField(default=0, help_text="Of the last delivery it came by."),
                ),
                (
                    "declared_at",
                    models.DateTimeField(help_text="When it was last accepted.", null=True),
                ),
                (
                    "doubt",
                    models.TextField(
                        blank=True,
                        help_text="What was said since and not accepted; empty where nothing was.",
                    ),
                ),
                ("doubt_position", models.BigIntegerField(default=0)),
            ],
            options={
                "verbose_name": "declared",
                "verbose_name_plural": "declared",
            },
        ),
        migrations.CreateModel(
            name="GateAlarm",
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
                ("period_start", models.DateTimeField()),
                ("missing", models.JSONField(default=list, help_text="Parameters by name.")),
                ("alarmed_at", models.DateTimeField()),
                ("arrived_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="GateWatch",
            fields=[
                ("tenant_id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("due_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("lane", "operator"), ("state", "DELIVERED")),
                fields=["tenant", "endpoint", "queue"],
                name="delivery_without_verdict",
            ),
        ),
        migrations.AddField(
            model_name="declared",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.tenant",
            ),
        ),
        migrations.AddField(
            model_name="gatealarm",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="declared",
            constraint=models.UniqueConstraint(
                fields=("tenant", "bm_unit", "parameter"), name="declared_once"
            ),
        ),
        migrations.AddIndex(
            model_name="gatealarm",
            index=models.Index(
                condition=models.Q(("arrived_at__isnull", True)),
                fields=["tenant", "period_start"],
                name="gate_alarm_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="gatealarm",
            constraint=models.UniqueConstraint(
                fields=("tenant", "bm_unit", "period_start"), name="gate_alarm_once"
            ),
        ),
        walled("messaging_declared", app="SELECT, INSERT, UPDATE"),
        walled("messaging_gatealarm", app="SELECT, INSERT, UPDATE"),
        unwalled("messaging_gatewatch", app=READ_WRITE, staff="SELECT"),
        migrations.RunSQL(COVERED, "ALTER TABLE messaging_declared DROP COLUMN covered"),
        migrations.RunSQL(WATCH, UNWATCH),
    ]
