"""Which process runs a request under an idempotency key."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0009_idempotency"),
    ]

    operations = [
        migrations.AddField(
            model_name="idempotentanswer",
            name="owner",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="idempotentanswer",
            name="run",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="idempotentanswer",
            name="held_until",
            field=models.DateTimeField(null=True),
        ),
    ]
