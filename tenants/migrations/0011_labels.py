"""Names of columns as people write them: nothing in the database changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0010_running"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="apikey",
            options={"verbose_name": "API key"},
        ),
        migrations.AlterField(
            model_name="apicertificate",
            name="pem",
            field=models.TextField(verbose_name="PEM"),
        ),
        migrations.AlterField(
            model_name="bmunit",
            name="generation_capacity_mw",
            field=models.DecimalField(
                decimal_places=3, max_digits=8, null=True, verbose_name="generation capacity (MW)"
            ),
        ),
        migrations.AlterField(
            model_name="certificate",
            name="pem",
            field=models.TextField(
                blank=True, help_text="Leaf first, then its chain.", verbose_name="PEM"
            ),
        ),
        migrations.AlterField(
            model_name="peer",
            name="ca",
            field=models.TextField(
                help_text="PEM bundle that its TLS server certificates chain to.", verbose_name="CA"
            ),
        ),
        migrations.AlterField(
            model_name="peercertificate",
            name="pem",
            field=models.TextField(verbose_name="PEM"),
        ),
    ]
