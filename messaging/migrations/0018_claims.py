"""A claim lives as long as its process: who has it, wherever something is claimed."""

from __future__ import annotations

from django.db import migrations, models

_HELP = "The process that has claimed it."
_OWNED = models.Q(("owner__isnull", False))


def owned(model: str, help_text: str = _HELP) -> migrations.AddField:
    field = models.BigIntegerField(help_text=help_text, null=True)
    return migrations.AddField(model_name=model, name="owner", field=field)


def by_owner(model: str, name: str) -> migrations.AddIndex:
    index = models.Index(condition=_OWNED, fields=["owner"], name=name)
    return migrations.AddIndex(model_name=model, index=index)


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0017_stuck"),
    ]

    operations = [
        migrations.RemoveField(model_name="webhook", name="claimed_until"),
        migrations.AddField(
            model_name="alertsettings",
            name="mailing_until",
            field=models.DateTimeField(help_text="How long one may take to send.", null=True),
        ),
        migrations.AlterField(
            model_name="connection",
            name="normalizing_until",
            field=models.DateTimeField(
                help_text="Somebody is at it, or it waits, until then.", null=True
            ),
        ),
        owned("alertsettings", "The process that sends one."),
        owned("connection", "The process that asks what was missed."),
        owned("connectiondue", "The process that looks after it."),
        owned("fetchdue"),
        owned("smplogin", "The process that refreshes the token."),
        owned("webhookdue"),
        by_owner("connectiondue", "connection_due_by_owner"),
        by_owner("fetchdue", "fetch_due_by_owner"),
        by_owner("smpdue", "smp_due_by_owner"),
        by_owner("webhookdue", "webhook_due_by_owner"),
    ]
