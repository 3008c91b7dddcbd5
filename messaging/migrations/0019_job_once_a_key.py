"""Under one idempotency key at most one upload becomes a job."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0018_claims"),
        ("tenants", "0010_running"),
    ]

    operations = [
        migrations.AddField(
            model_name="smpjob",
            name="asked_under",
            field=models.UUIDField(
                editable=False,
                help_text="The idempotency key's row, if there was a key.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="smpjob",
            constraint=models.UniqueConstraint(
                condition=models.Q(("digest__isnull", False)),
                fields=("tenant", "asked_under"),
                name="smp_job_once_a_key",
            ),
        ),
    ]
