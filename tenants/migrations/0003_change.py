"""Counts the changes of each tenant's set-up, for processes that remember it."""

from __future__ import annotations

from django.db import migrations, models

from tenants.isolation import NOTE_CHANGE, READ, noted, unwalled


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_vendor_tables")]

    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                ("tenant_id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("version", models.BigIntegerField()),
                ("changed_at", models.DateTimeField(db_index=True)),
            ],
        ),
        unwalled("tenants_change", staff=READ),
        NOTE_CHANGE,
        noted("tenants_tenant", tenant="id"),
        noted("tenants_endpoint"),
        noted("tenants_bmunit"),
        noted("tenants_certificate"),
        noted("tenants_peer", tenant=""),
        noted("tenants_peercertificate", tenant=""),
    ]
