"""Lets the vendor's staff stop a delivery within its tenant's scope, with all that follows from it: it
is due no more, its sender is told, and what it declared is in doubt.
"""

from __future__ import annotations

from django.db import migrations

_GRANTS = (
    "DELETE ON messaging_due",
    "INSERT ON messaging_message, messaging_delivery",
    "INSERT, UPDATE ON messaging_declared",
    "UPDATE ON messaging_link",
)


class Migration(migrations.Migration):
    dependencies = [("messaging", "0014_instruction_unanswered")]

    operations = [
        migrations.RunSQL(
            [f"GRANT {one} TO hostsvc_staff" for one in _GRANTS],
            [f"REVOKE {one} FROM hostsvc_staff" for one in _GRANTS],
        )
    ]
