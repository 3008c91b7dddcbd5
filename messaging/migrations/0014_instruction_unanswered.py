from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0013_events"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="instruction",
            index=models.Index(
                condition=models.Q(("verdict", "")),
                fields=["respond_by"],
                name="instruction_unanswered",
            ),
        ),
        # What the vendor's staff replay is due anew.
        migrations.RunSQL(
            "GRANT INSERT ON messaging_due TO hostsvc_staff",
            "REVOKE INSERT ON messaging_due FROM hostsvc_staff",
        ),
    ]
