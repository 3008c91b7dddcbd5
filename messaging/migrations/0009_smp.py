"""Registrations on the Single Markets Platform."""

import django.db.models.deletion
from django.db import migrations, models

import tenants.ids
from tenants.isolation import READ_WRITE, unwalled, walled


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0008_fetch_due"),
        ("tenants", "0006_certificate_life"),
    ]

    operations = [
        migrations.CreateModel(
            name="SmpDue",
            fields=[
                ("item_id", models.UUIDField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("due_at", models.DateTimeField(db_index=True)),
                (
                    "owner",
                    models.BigIntegerField(help_text="The process that has claimed it.", null=True),
                ),
            ],
            options={
                "verbose_name": "SMP due",
                "verbose_name_plural": "SMP due",
            },
        ),
        migrations.CreateModel(
            name="SmpJob",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "kind",
                    models.TextField(
                        choices=[("ASSETS", "Assets"), ("UNIT", "a unit with its assets")]
                    ),
                ),
                ("format", models.TextField(choices=[("CSV", "Csv"), ("JSON", "Json")])),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("UPLOADING", "Uploading"),
                            ("CHECKING", "Checking"),
                            ("SENDING", "Sending"),
                            ("CANCELLING", "cancelled, while what was sent is not settled"),
                            ("CHECKED", "checked only, as was asked"),
                            ("REFUSED", "nothing was sent"),
                            ("REGISTERED", "all of it"),
                            ("PARTLY", "registered in part"),
                            ("FAILED", "nothing was registered"),
                            ("CANCELLED", "Cancelled"),
                        ],
                        default="UPLOADING",
                    ),
                ),
                ("file_name", models.TextField(blank=True)),
                (
                    "digest",
                    models.BinaryField(help_text="SHA-256 of the file.", max_length=32, null=True),
                ),
                ("size", models.BigIntegerField(default=0, help_text="Bytes of the file.")),
                ("check_only", models.BooleanField(default=False)),
                (
                    "send_good",
                    models.BooleanField(
                        default=False,
                        help_text="Whether what is right is sent where some rows are wrong.",
                    ),
                ),
                ("created_by", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("columns", models.JSONField(default=list)),
                ("unit", models.JSONField(null=True)),
                ("offset", models.BigIntegerField(default=0)),
                (
                    "reading",
                    models.JSONField(default=dict, help_text="Where in the file reading goes on."),
                ),
                ("last_row", models.IntegerField(default=0)),
                ("rows_read", models.IntegerField(default=0)),
                ("rows_wrong", models.IntegerField(default=0)),
                ("rows_registered", models.IntegerField(default=0)),
                (
                    "rows_failed",
                    models.IntegerField(default=0, help_text="Sent, and not registered."),
                ),
                ("findings", models.IntegerField(default=0)),
                ("findings_left_out", models.IntegerField(default=0)),
                ("reason", models.TextField(blank=True)),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.endpoint",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "verbose_name": "SMP job",
            },
        ),
        migrations.CreateModel(
            name="SmpFinding",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("source", models.TextField(choices=[("HOST", "Host"), ("OPERATOR", "Operator")])),
                ("row", models.IntegerField()),
                (
                    "column",
                    models.TextField(blank=True, help_text="The heading as it was uploaded."),
                ),
                ("field", models.TextField(blank=True, help_text="Our name of it.")),
                ("value", models.TextField(blank=True)),
                ("rule", models.TextField(blank=True)),
                ("code", models.TextField()),
                ("text", models.TextField()),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="messaging.smpjob",
                    ),
                ),
            ],
            options={
                "verbose_name": "SMP finding",
            },
        ),
        migrations.CreateModel(
            name="SmpBatch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.IntegerField()),
                ("first_row", models.IntegerField()),
                ("last_row", models.IntegerField()),
                ("rows", models.IntegerField()),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("WAITING", "Waiting"),
                            ("SENDING", "being sent, or its sender died over it"),
                            ("OPEN", "taken, verdict awaited"),
                            ("UNKNOWN", "sent and not answered"),
                            ("REGISTERED", "Registered"),
                            ("FAILED", "nothing of it was created"),
                            ("REFUSED", "refused at once"),
                            ("NOT_SENT", "cancelled before it was sent"),
                        ],
                        default="WAITING",
                    ),
                ),
                ("attempts", models.IntegerField(default=0)),
                ("payload_digest", models.BinaryField(max_length=32, null=True)),
                ("payload_at", models.DateTimeField(null=True)),
                ("sealed_digest", models.BinaryField(max_length=32, null=True)),
                ("sealed_at", models.DateTimeField(null=True)),
                (
                    "sent_at",
                    models.DateTimeField(help_text="When the first byte last left.", null=True),
                ),
                ("transaction_id", models.TextField(blank=True)),
                ("polls", models.IntegerField(default=0)),
                (
                    "not_known",
                    models.IntegerField(default=0, help_text="Times the peer did not know it."),
                ),
                (
                    "maybe_taken",
                    models.BooleanField(
                        default=False, help_text="Whether an attempt got no answer that counts."
                    ),
                ),
                (
                    "wait_until",
                    models.DateTimeField(help_text="Not to be sent again before.", null=True),
                ),
                ("person_called_at", models.DateTimeField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "settled_by",
                    models.TextField(
                        blank=True,
                        choices=[
                            ("ANSWER", "Answer"),
                            ("STATUS", "by asking for it"),
                            ("RETURN", "by the batch return"),
                            ("PERSON", "Person"),
                        ],
                    ),
                ),
                ("text", models.TextField(blank=True)),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.endpoint",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="messaging.smpjob",
                    ),
                ),
            ],
            options={
                "verbose_name": "SMP batch",
                "verbose_name_plural": "SMP batches",
            },
        ),
        migrations.CreateModel(
            name="RegisteredUnit",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "environment",
                    models.TextField(
                        choices=[
                            ("simulator", "Simulator"),
                            ("test", "Test"),
                            ("production", "Production"),
                        ]
                    ),
                ),
                ("name", models.TextField()),
                ("key", models.TextField(help_text="The name as names are compared.")),
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(blank=True)),
                ("end_reason", models.TextField(blank=True)),
                ("unit", models.JSONField()),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="messaging.smpjob",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RegisteredAsset",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "environment",
                    models.TextField(
                        choices=[
                            ("simulator", "Simulator"),
                            ("test", "Test"),
                            ("production", "Production"),
                        ]
                    ),
                ),
                ("name", models.TextField()),
                ("key", models.TextField(help_text="The name as names are compared.")),
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(blank=True)),
                ("end_reason", models.TextField(blank=True)),
                ("row", models.IntegerField(help_text="In the job's file.", null=True)),
                ("import_mpan", models.TextField(blank=True)),
                ("export_mpan", models.TextField(blank=True)),
                ("site", models.TextField()),
                ("capacity_mw", models.DecimalField(decimal_places=6, max_digits=13)),
                ("asset", models.JSONField()),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="messaging.registeredunit",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="messaging.smpjob",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SmpLogin",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("username", models.TextField()),
                ("password", models.BinaryField()),
                ("set_at", models.DateTimeField()),
                ("set_by", models.TextField()),
                ("token", models.BinaryField(null=True)),
                ("token_from", models.DateTimeField(null=True)),
                ("token_until", models.DateTimeField(null=True)),
                ("refreshing_until", models.DateTimeField(null=True)),
                (
                    "refused_at",
                    models.DateTimeField(help_text="When the login was last refused.", null=True),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.endpoint",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "verbose_name": "SMP login",
            },
        ),
        migrations.CreateModel(
            name="SmpPart",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("start", models.BigIntegerField()),
                ("content", models.BinaryField()),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="messaging.smpjob",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "verbose_name": "SMP part",
            },
        ),
        migrations.CreateModel(
            name="SmpRow",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "row",
                    models.IntegerField(
                        help_text="As a person counts: a table's heading is row 1."
                    ),
                ),
                ("wrong", models.BooleanField(default=False)),
                ("name", models.TextField(help_text="As names are compared.")),
                ("import_mpan", models.TextField(blank=True)),
                ("export_mpan", models.TextField(blank=True)),
                ("asset", models.TextField()),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="messaging.smpjob",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "verbose_name": "SMP row",
            },
        ),
        migrations.CreateModel(
            name="CapacityMark",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tenants.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "environment",
                    models.TextField(
                        choices=[
                            ("simulator", "Simulator"),
                            ("test", "Test"),
                            ("production", "Production"),
                        ]
                    ),
                ),
                ("site", models.TextField(blank=True)),
                ("percent", models.SmallIntegerField()),
                ("capacity_mw", models.DecimalField(decimal_places=6, max_digits=16)),
                ("since", models.DateTimeField()),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "environment", "site"), name="capacity_mark_once"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="smpjob",
            index=models.Index(fields=["tenant", "created_at"], name="smp_job_by_time"),
        ),
        migrations.AddIndex(
            model_name="smpfinding",
            index=models.Index(fields=["tenant", "job", "row", "id"], name="smp_finding_by_row"),
        ),
        migrations.AddIndex(
            model_name="smpbatch",
            index=models.Index(
                condition=models.Q(("state__in", ["WAITING", "SENDING", "OPEN", "UNKNOWN"])),
                fields=["tenant", "endpoint", "state"],
                name="smp_batch_unsettled",
            ),
        ),
        migrations.AddConstraint(
            model_name="smpbatch",
            constraint=models.UniqueConstraint(
                fields=("tenant", "job", "position"), name="smp_batch_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="smpbatch",
            constraint=models.UniqueConstraint(
                condition=models.Q(("transaction_id", ""), _negated=True),
                fields=("tenant", "endpoint", "transaction_id"),
                name="smp_transaction_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="registeredunit",
            constraint=models.UniqueConstraint(
                condition=models.Q(("valid_to__isnull", True)),
                fields=("tenant", "environment", "key"),
                name="registered_unit_once",
            ),
        ),
        migrations.AddIndex(
            model_name="registeredasset",
            index=models.Index(
                condition=models.Q(("valid_to__isnull", True)),
                fields=["tenant", "environment", "site"],
                name="registered_asset_by_site",
            ),
        ),
        migrations.AddIndex(
            model_name="registeredasset",
            index=models.Index(
                condition=models.Q(
                    ("valid_to__isnull", True), models.Q(("import_mpan", ""), _negated=True)
                ),
                fields=["tenant", "import_mpan"],
                name="registered_by_import",
            ),
        ),
        migrations.AddIndex(
            model_name="registeredasset",
            index=models.Index(
                condition=models.Q(
                    ("valid_to__isnull", True), models.Q(("export_mpan", ""), _negated=True)
                ),
                fields=["tenant", "export_mpan"],
                name="registered_by_export",
            ),
        ),
        migrations.AddConstraint(
            model_name="registeredasset",
            constraint=models.UniqueConstraint(
                condition=models.Q(("valid_to__isnull", True)),
                fields=("tenant", "environment", "key"),
                name="registered_asset_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="smplogin",
            constraint=models.UniqueConstraint(
                fields=("tenant", "endpoint"), name="smp_login_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="smppart",
            constraint=models.UniqueConstraint(
                fields=("tenant", "job", "start"), name="smp_part_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="smprow",
            constraint=models.UniqueConstraint(
                fields=("tenant", "job", "row"), name="smp_row_once"
            ),
        ),
        walled("messaging_smpjob", app="SELECT, INSERT, UPDATE", staff="SELECT, UPDATE"),
        walled("messaging_smppart", staff="SELECT, DELETE"),
        walled("messaging_smprow"),
        walled("messaging_smpfinding", app="SELECT, INSERT"),
        walled("messaging_smpbatch", app="SELECT, INSERT, UPDATE", staff="SELECT, UPDATE"),
        walled("messaging_smplogin", staff="SELECT, INSERT, UPDATE"),
        walled(
            "messaging_registeredunit", app="SELECT, INSERT, UPDATE", staff="SELECT, INSERT, UPDATE"
        ),
        walled(
            "messaging_registeredasset",
            app="SELECT, INSERT, UPDATE",
            staff="SELECT, INSERT, UPDATE",
        ),
        walled("messaging_capacitymark", staff="SELECT, INSERT, UPDATE"),
        unwalled("messaging_smpdue", app=READ_WRITE, staff="SELECT, INSERT, UPDATE, DELETE"),
    ]
