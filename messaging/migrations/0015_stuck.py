from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0014_instruction_unanswered"),
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
