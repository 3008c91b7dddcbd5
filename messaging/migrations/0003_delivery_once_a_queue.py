"""A message that redeclares several BM units is delivered to the operator once for each of them."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messaging", "0002_take_number")]

    operations = [
        migrations.RemoveConstraint(model_name="delivery", name="delivery_once"),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("tenant", "message", "endpoint", "queue"), name="delivery_once"
            ),
        ),
    ]
