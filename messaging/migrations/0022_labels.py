"""Names of columns as people write them: nothing in the database changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0021_parked"),
    ]

    operations = [
        migrations.AlterField(
            model_name="declared",
            name="bm_unit",
            field=models.CharField(max_length=9, verbose_name="BM unit"),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="queue",
            field=models.TextField(
                blank=True, help_text="Deliveries of the same queue leave in order."
            ),
        ),
        migrations.AlterField(
            model_name="gatealarm",
            name="bm_unit",
            field=models.CharField(max_length=9, verbose_name="BM unit"),
        ),
        migrations.AlterField(
            model_name="instruction",
            name="bm_unit",
            field=models.CharField(blank=True, max_length=9, verbose_name="BM unit"),
        ),
        migrations.AlterField(
            model_name="message",
            name="bm_unit",
            field=models.CharField(blank=True, max_length=9, verbose_name="BM unit"),
        ),
        migrations.AlterField(
            model_name="registeredasset",
            name="capacity_mw",
            field=models.DecimalField(
                decimal_places=6, max_digits=13, verbose_name="capacity (MW)"
            ),
        ),
        migrations.AlterField(
            model_name="smpjob",
            name="format",
            field=models.TextField(choices=[("CSV", "CSV"), ("JSON", "JSON")]),
        ),
        migrations.AlterField(
            model_name="standinghold",
            name="bm_unit",
            field=models.CharField(blank=True, max_length=9, verbose_name="BM unit"),
        ),
        migrations.AlterField(
            model_name="unitofmessage",
            name="bm_unit",
            field=models.CharField(max_length=9, verbose_name="BM unit"),
        ),
        migrations.AlterField(
            model_name="webhook",
            name="url",
            field=models.TextField(verbose_name="URL"),
        ),
    ]
