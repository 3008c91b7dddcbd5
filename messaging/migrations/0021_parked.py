"""What is parked is some process's, and due again when that dies."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0020_unasked"),
    ]

    operations = [
        migrations.AddField(
            model_name="due",
            name="parked_by",
            field=models.BigIntegerField(
                help_text="The process that hands it out when its endpoint has room.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="due",
            index=models.Index(
                condition=models.Q(("parked_by__isnull", False)),
                fields=["parked_by"],
                name="due_by_parker",
            ),
        ),
    ]
