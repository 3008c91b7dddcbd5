from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0008_fetch_due"),
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
    ]
