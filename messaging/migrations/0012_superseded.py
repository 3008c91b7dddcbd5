"""A redeclaration that was kept back may end as superseded."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0011_dead_letters"),
    ]

    operations = [
        migrations.AlterField(
            model_name="delivery",
            name="state",
            field=models.TextField(
                choices=[
                    ("PENDING", "Pending"),
                    ("CLAIMED", "Claimed"),
                    ("DELIVERED", "delivered, verdict awaited"),
                    ("ACKNOWLEDGED", "Acknowledged"),
                    ("HELD", "held while the other side is out"),
                    ("REFUSED", "the peer said no"),
                    ("EXPIRED", "the deadline passed"),
                    ("ABANDONED", "a person stopped it"),
                    ("SUPERSEDED", "a newer one says it otherwise"),
                    ("UNROUTABLE", "no endpoint leads there"),
                ],
                default="PENDING",
            ),
        ),
    ]
