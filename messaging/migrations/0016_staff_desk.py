"""Lets the vendor's staff stop a delivery within its tenant's scope, with all that follows from it:
it is due no more, its sender is told, and what it declared is in doubt. And indexes for lists of one
tenant's escalations and missing data, newest first.
"""

from __future__ import annotations

from django.db import migrations, models

_GRANTS = (
    "DELETE ON messaging_due",
    "INSERT ON messaging_message, messaging_delivery",
    "INSERT, UPDATE ON messaging_declared",
    "UPDATE ON messaging_link",
)


class Migration(migrations.Migration):
    dependencies = [("messaging", "0015_overload")]

    operations = [
        migrations.RunSQL(
            [f"GRANT {one} TO hostsvc_staff" for one in _GRANTS],
            [f"REVOKE {one} FROM hostsvc_staff" for one in _GRANTS],
        ),
        migrations.AddIndex(
            model_name="escalation",
            index=models.Index(fields=["tenant", "at"], name="escalation_by_time"),
        ),
        migrations.AddIndex(
            model_name="gatealarm",
            index=models.Index(fields=["tenant", "alarmed_at"], name="gate_alarm_by_time"),
        ),
    ]
