from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0016_staff_desk"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="stuck_at",
            field=models.DateTimeField(
                help_text="When it was alarmed that it does not get through.", null=True
            ),
        ),
    ]
