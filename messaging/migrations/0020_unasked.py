from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0019_job_once_a_key"),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="unasked_since",
            field=models.DateTimeField(
                help_text="It does not say what was missed, and traffic goes without.", null=True
            ),
        ),
        migrations.AddField(
            model_name="connection",
            name="unasked_why",
            field=models.TextField(blank=True, db_default=""),
        ),
        migrations.AlterField(
            model_name="outagenotice",
            name="state",
            field=models.TextField(
                choices=[
                    ("INCOMPLETE", "a person must complete it"),
                    ("PLANNED", "Planned"),
                    ("ON", "telephone mode"),
                    ("ENDING", "over; what was missed is being asked"),
                    ("UNASKED", "over; the operator does not say what was missed"),
                    ("OVER", "Over"),
                    ("CANCELLED", "Cancelled"),
                ],
                default="INCOMPLETE",
            ),
        ),
        migrations.RemoveIndex(model_name="outagenotice", name="notice_in_force"),
        migrations.AddIndex(
            model_name="outagenotice",
            index=models.Index(
                condition=models.Q(("state__in", ["PLANNED", "ON", "ENDING", "UNASKED"])),
                fields=["tenant", "state"],
                name="notice_in_force",
            ),
        ),
    ]
