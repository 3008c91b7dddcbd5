"""Each message says in which profile its bytes are, and which signed form they came in."""

from __future__ import annotations

from django.db import migrations, models

# Rows that are there came under the profile that their endpoint has now: until now they were read
# with it. The wall and the append-only guard stand aside for this one statement each.
OTHER_PROFILES = """
ALTER TABLE tenants_endpoint NO FORCE ROW LEVEL SECURITY;
ALTER TABLE messaging_message NO FORCE ROW LEVEL SECURITY;
ALTER TABLE messaging_receipt NO FORCE ROW LEVEL SECURITY;
ALTER TABLE messaging_delivery NO FORCE ROW LEVEL SECURITY;
ALTER TABLE messaging_message DISABLE TRIGGER append_only;
UPDATE messaging_message m SET profile = e.settings ->> 'profile' FROM tenants_endpoint e
WHERE e.id = m.endpoint_id AND e.settings ->> 'profile' <> 'host-1';
UPDATE messaging_receipt r SET profile = e.settings ->> 'profile' FROM tenants_endpoint e
WHERE e.id = r.endpoint_id AND e.settings ->> 'profile' <> 'host-1';
UPDATE messaging_delivery d SET payload_profile = coalesce(e.settings ->> 'profile', 'host-1')
FROM tenants_endpoint e
WHERE e.id = d.endpoint_id AND d.lane = 'operator' AND d.payload_digest IS NOT NULL;
ALTER TABLE messaging_message ENABLE TRIGGER append_only;
ALTER TABLE messaging_delivery FORCE ROW LEVEL SECURITY;
ALTER TABLE messaging_receipt FORCE ROW LEVEL SECURITY;
ALTER TABLE messaging_message FORCE ROW LEVEL SECURITY;
ALTER TABLE tenants_endpoint FORCE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0005_trading_points"),
        ("tenants", "0006_certificate_life"),
    ]

    operations = [
        migrations.AddField("message", "profile", models.TextField(db_default="host-1")),
        migrations.AddField(
            "message",
            "sealed_digest",
            models.BinaryField(
                max_length=32, null=True, help_text="Null for what came without a seal."
            ),
        ),
        migrations.AddField(
            "delivery",
            "payload_profile",
            models.TextField(
                blank=True, db_default="", help_text="Empty where the profile is the link's."
            ),
        ),
        migrations.AddField(
            "receipt",
            "profile",
            models.TextField(db_default="host-1", help_text="What the answer is written in."),
        ),
        migrations.RunSQL(OTHER_PROFILES, migrations.RunSQL.noop),
    ]
