"""What stands still, and why: lamps, notices of outages, holds, and the host's maintenance."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import tenants.clock
import tenants.ids
from tenants.isolation import READ, READ_WRITE, noted, unwalled, walled

KEEP = "SELECT, INSERT, UPDATE"

# As their owner: whoever changes what holds a connection need not know that it wants a hand.
FOLLOW = """
CREATE FUNCTION messaging_connections_want_a_hand() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    whose uuid;
BEGIN
    IF TG_ARGV[0] = '' THEN
        UPDATE messaging_connectiondue
        SET due_at = least(due_at, clock_timestamp() + random() * interval '1 second');
    ELSE
        whose := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
        UPDATE messaging_connectiondue SET due_at = least(due_at, clock_timestamp())
        WHERE tenant_id = whose;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION messaging_connections_want_a_hand() FROM PUBLIC;

CREATE FUNCTION messaging_follow_endpoint() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO messaging_connectiondue (endpoint_id, tenant_id, due_at)
    VALUES (NEW.id, NEW.tenant_id, clock_timestamp()) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION messaging_follow_endpoint() FROM PUBLIC;

CREATE TRIGGER followed AFTER INSERT ON tenants_endpoint
FOR EACH ROW WHEN (NEW.protocol = 'neso-wa') EXECUTE FUNCTION messaging_follow_endpoint();

-- The lamp is written with every answer; only what holds traffic is anybody's memory.
CREATE TRIGGER noted AFTER UPDATE OF is_holding ON messaging_connection
FOR EACH ROW WHEN (OLD.is_holding IS DISTINCT FROM NEW.is_holding)
EXECUTE FUNCTION note_change('tenant_id');

ALTER TABLE tenants_endpoint NO FORCE ROW LEVEL SECURITY;
INSERT INTO messaging_connectiondue (endpoint_id, tenant_id, due_at)
SELECT id, tenant_id, now() FROM tenants_endpoint WHERE protocol = 'neso-wa';
ALTER TABLE tenants_endpoint FORCE ROW LEVEL SECURITY;
"""
UNFOLLOW = """
DROP TRIGGER followed ON tenants_endpoint;
DROP TRIGGER noted ON messaging_connection;
DROP FUNCTION messaging_follow_endpoint();
DROP FUNCTION messaging_connections_want_a_hand() CASCADE;
"""


def wanting_a_hand(table: str, events: str, *, tenant: str = "tenant_id") -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER connections_want_a_hand AFTER {events} ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION messaging_connections_want_a_hand('{tenant}')",
        migrations.RunSQL.noop,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0009_smp"),
        ("tenants", "0006_certificate_life"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConnectionDue",
            fields=[
                (
                    "endpoint_id",
                    models.UUIDField(editable=False, primary_key=True, serialize=False),
                ),
                ("tenant_id", models.UUIDField()),
                ("due_at", models.DateTimeField(db_index=True)),
                (
                    "broken_at",
                    models.DateTimeField(
                        help_text="The host itself was away until then: ask what was missed.",
                        null=True,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SystemNotice",
            fields=[
                (
                    "environment",
                    models.TextField(
                        choices=[
                            ("simulator", "Simulator"),
                            ("test", "Test"),
                            ("production", "Production"),
                        ],
                        default="production",
                    ),
                ),
                ("text", models.TextField(blank=True, help_text="As it was posted.")),
                (
                    "services",
                    models.JSONField(blank=True, default=list, help_text="Names of services."),
                ),
                ("starts_at", models.DateTimeField(blank=True, null=True)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                ("until_further_notice", models.BooleanField(default=False)),
                ("posted_at", models.DateTimeField(default=tenants.clock.now)),
                ("posted_by", models.TextField()),
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("is_cancelled", models.BooleanField(default=False)),
                ("spread_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Maintenance",
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
                ("reason", models.TextField()),
                ("began_at", models.DateTimeField(default=tenants.clock.now, editable=False)),
                ("began_by", models.TextField(editable=False)),
                ("ended_at", models.DateTimeField(editable=False, null=True)),
                ("ended_by", models.TextField(blank=True, editable=False)),
            ],
            options={
                "verbose_name_plural": "maintenance",
                "constraints": [
                    models.UniqueConstraint(
                        models.Value(1),
                        condition=models.Q(("ended_at__isnull", True)),
                        name="one_maintenance",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Connection",
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
                        choices=[("UP", "Up"), ("OUT", "Out"), ("UNKNOWN", "Unknown")],
                        default="UNKNOWN",
                    ),
                ),
                ("since", models.DateTimeField(default=tenants.clock.now)),
                ("created_at", models.DateTimeField(default=tenants.clock.now)),
                (
                    "ask_at",
                    models.DateTimeField(
                        default=tenants.clock.now, help_text="When Health is asked next."
                    ),
                ),
                (
                    "answered_at",
                    models.DateTimeField(help_text="When it was last answered at all.", null=True),
                ),
                ("good_at", models.DateTimeField(null=True)),
                ("failures", models.IntegerField(default=0, help_text="In a row.")),
                ("failing_since", models.DateTimeField(null=True)),
                (
                    "detail",
                    models.TextField(
                        blank=True, help_text="What the last answer, or none, came to."
                    ),
                ),
                ("is_holding", models.BooleanField(default=False)),
                ("normalize_from", models.DateTimeField(null=True)),
                (
                    "normalizing_until",
                    models.DateTimeField(
                        help_text="Somebody is at it, and has until then.", null=True
                    ),
                ),
                ("normalize_tries", models.IntegerField(default=0)),
                ("normalized_at", models.DateTimeField(null=True)),
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
                    models.UniqueConstraint(fields=("tenant", "endpoint"), name="connection_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="OutageNotice",
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
                    "environment",
                    models.TextField(
                        choices=[
                            ("simulator", "Simulator"),
                            ("test", "Test"),
                            ("production", "Production"),
                        ],
                        default="production",
                    ),
                ),
                ("text", models.TextField(blank=True, help_text="As it was posted.")),
                (
                    "services",
                    models.JSONField(blank=True, default=list, help_text="Names of services."),
                ),
                ("starts_at", models.DateTimeField(blank=True, null=True)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                ("until_further_notice", models.BooleanField(default=False)),
                ("posted_at", models.DateTimeField(default=tenants.clock.now)),
                ("posted_by", models.TextField()),
                ("system_notice_id", models.UUIDField(editable=False, null=True)),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("INCOMPLETE", "a person must complete it"),
                            ("PLANNED", "Planned"),
                            ("ON", "telephone mode"),
                            ("ENDING", "over; what was missed is being asked"),
                            ("OVER", "Over"),
                            ("CANCELLED", "Cancelled"),
                        ],
                        default="INCOMPLETE",
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
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["PLANNED", "ON", "ENDING"])),
                        fields=["tenant", "state"],
                        name="notice_in_force",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "system_notice_id"), name="one_copy_of_a_notice"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["PLANNED", "ON", "ENDING"]), _negated=True),
                            ("starts_at__isnull", False),
                            _connector="OR",
                        ),
                        name="a_notice_has_a_start",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="StandingHold",
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
                ("bm_unit", models.CharField(blank=True, max_length=9)),
                ("reason", models.TextField()),
                ("placed_at", models.DateTimeField(default=tenants.clock.now)),
                ("placed_by", models.TextField()),
                ("released_at", models.DateTimeField(editable=False, null=True)),
                ("released_by", models.TextField(blank=True, editable=False)),
                ("release_reason", models.TextField(blank=True, editable=False)),
                (
                    "endpoint",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
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
                "indexes": [
                    models.Index(
                        condition=models.Q(("released_at__isnull", True)),
                        fields=["tenant"],
                        name="hold_in_force",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("endpoint__isnull", True), ("bm_unit", ""), _connector="OR"
                        ),
                        name="a_hold_holds_one_thing",
                    )
                ],
            },
        ),
        unwalled("messaging_connectiondue", app=READ_WRITE, staff="SELECT, UPDATE"),
        unwalled("messaging_systemnotice", app="SELECT, UPDATE", staff=KEEP),
        unwalled("messaging_maintenance", app=READ, staff=KEEP),
        walled("messaging_connection", app=READ_WRITE, staff=READ_WRITE),
        walled("messaging_outagenotice", app=KEEP),
        walled("messaging_standinghold", app=KEEP, staff=KEEP),
        noted("messaging_maintenance", tenant=""),
        noted("messaging_outagenotice"),
        noted("messaging_standinghold"),
        migrations.RunSQL(FOLLOW, UNFOLLOW),
        wanting_a_hand("tenants_tenant", "UPDATE", tenant="id"),
        wanting_a_hand("tenants_endpoint", "UPDATE"),
        wanting_a_hand("messaging_outagenotice", "INSERT OR UPDATE"),
        wanting_a_hand("messaging_standinghold", "INSERT OR UPDATE"),
        wanting_a_hand("messaging_maintenance", "INSERT OR UPDATE", tenant=""),
    ]
