"""What the host does for a BM unit by itself: accepting acceptances, and looking for missing data."""

from __future__ import annotations

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0007_file_logins"),
    ]

    operations = [
        migrations.AddField(
            model_name="bmunit",
            name="auto_accept",
            field=models.BooleanField(
                default=False,
                help_text="Acceptances that keep within all that is declared are accepted by the host.",
            ),
        ),
        migrations.AddField(
            model_name="bmunit",
            name="expected",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Parameters it is meant to have before a gate closes.",
            ),
        ),
        migrations.AddField(
            model_name="bmunit",
            name="gate_alarm_minutes",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How long before a gate closes missing data is alarmed; else the tenant's.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(240),
                ],
            ),
        ),
        migrations.AddField(
            model_name="tenant",
            name="gate_alarm_minutes",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How long before a gate closes missing data is alarmed, of BM units that do not say so themselves; else 15.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(240),
                ],
            ),
        ),
    ]
