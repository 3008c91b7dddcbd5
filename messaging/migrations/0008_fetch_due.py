"""Looks at tenants' own servers: when the next one is due."""

from __future__ import annotations

from django.db import migrations, models

from tenants.isolation import READ, READ_WRITE, unwalled

# As its owner: whoever changes an endpoint need not be one who looks at servers.
FOLLOW_ENDPOINTS = """
CREATE FUNCTION follow_fetched_endpoint() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'DELETE' AND NEW.protocol = 'edt' AND NEW.settings ->> 'mode' = 'client' THEN
        INSERT INTO messaging_fetchdue AS f (endpoint_id, tenant_id, due_at)
        VALUES (NEW.id, NEW.tenant_id, clock_timestamp())
        ON CONFLICT (endpoint_id) DO UPDATE SET due_at = EXCLUDED.due_at;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM messaging_fetchdue WHERE endpoint_id = OLD.id;
    ELSE
        DELETE FROM messaging_fetchdue WHERE endpoint_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION follow_fetched_endpoint() FROM PUBLIC;
CREATE TRIGGER follow_fetched AFTER INSERT OR UPDATE OR DELETE ON tenants_endpoint
FOR EACH ROW EXECUTE FUNCTION follow_fetched_endpoint();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0007_desk"),
    ]

    operations = [
        migrations.CreateModel(
            name="FetchDue",
            fields=[
                ("endpoint_id", models.UUIDField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("due_at", models.DateTimeField(db_index=True)),
                ("failing_since", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "fetch due",
            },
        ),
        unwalled("messaging_fetchdue", app=READ_WRITE, staff=READ),
        migrations.RunSQL(
            FOLLOW_ENDPOINTS,
            "DROP TRIGGER follow_fetched ON tenants_endpoint;"
            " DROP FUNCTION follow_fetched_endpoint();",
        ),
    ]
