"""The tables of registrations on the Single Markets Platform: uploads, their rows and batches, what
is registered and was, and the login.

Writing them is the relay's business; here is only what each row promises.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from tenants.models import Endpoint, Environment
from tenants.rows import TenantRow


class SmpJob(TenantRow):
    """One uploaded file and what has become of it.

    `offset` and `rows_read` are how far it was read: reading goes on there after whatever happened.
    `columns` are its headings with our names of their fields.
    """

    class Kind(models.TextChoices):
        ASSETS = "ASSETS"
        UNIT = "UNIT", "a unit with its assets"

    class Format(models.TextChoices):
        CSV = "CSV", "CSV"
        JSON = "JSON", "JSON"

    class State(models.TextChoices):
        UPLOADING = "UPLOADING"
        CHECKING = "CHECKING"
        SENDING = "SENDING"
        CANCELLING = "CANCELLING", "cancelled, while what was sent is not settled"
        CHECKED = "CHECKED", "checked only, as was asked"
        REFUSED = "REFUSED", "nothing was sent"
        REGISTERED = "REGISTERED", "all of it"
        PARTLY = "PARTLY", "registered in part"
        FAILED = "FAILED", "nothing was registered"
        CANCELLED = "CANCELLED"

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    kind = models.TextField(choices=Kind)
    format = models.TextField(choices=Format)
    state = models.TextField(choices=State, default=State.UPLOADING)
    file_name = models.TextField(blank=True)
    digest = models.BinaryField(max_length=32, null=True, help_text="SHA-256 of the file.")
    size = models.BigIntegerField(default=0, help_text="Bytes of the file.")
    check_only = models.BooleanField(default=False)
    send_good = models.BooleanField(
        default=False, help_text="Whether what is right is sent where some rows are wrong."
    )
    created_by = models.TextField()
    created_at = models.DateTimeField()
    asked_under = models.UUIDField(
        null=True, editable=False, help_text="The idempotency key's row, if there was a key."
    )
    finished_at = models.DateTimeField(null=True)
    columns = models.JSONField(default=list)
    unit = models.JSONField(null=True)
    offset = models.BigIntegerField(default=0)
    reading = models.JSONField(default=dict, help_text="Where in the file reading goes on.")
    last_row = models.IntegerField(default=0)
    rows_read = models.IntegerField(default=0)
    rows_wrong = models.IntegerField(default=0)
    rows_registered = models.IntegerField(default=0)
    rows_failed = models.IntegerField(default=0, help_text="Sent, and not registered.")
    findings = models.IntegerField(default=0)
    findings_left_out = models.IntegerField(default=0)
    reason = models.TextField(blank=True)

    class Meta:
        verbose_name = "SMP job"
        indexes = [models.Index(fields=["tenant", "created_at"], name="smp_job_by_time")]
        constraints = [
            # The digest is there from when the upload is whole: half-made ones don't count.
            models.UniqueConstraint(
                fields=["tenant", "asked_under"],
                condition=models.Q(digest__isnull=False),
                name="smp_job_once_a_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.file_name or self.id}"


class SmpPart(TenantRow):
    """Some of the bytes of an uploaded file, kept until it is read. `start` is the first one's
    place in the file.
    """

    job = models.ForeignKey(SmpJob, on_delete=models.CASCADE, related_name="+", db_index=False)
    start = models.BigIntegerField()
    content = models.BinaryField()

    class Meta:
        verbose_name = "SMP part"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "job", "start"], name="smp_part_once")
        ]

    def __str__(self) -> str:
        return f"{self.job_id} from {self.start}"


class SmpRow(TenantRow):
    """A row of a file that could be read: the asset as JSON by our names, and what it is told apart
    by. What became of a row that is not `wrong` is what became of its batch.
    """

    job = models.ForeignKey(SmpJob, on_delete=models.CASCADE, related_name="+", db_index=False)
    row = models.IntegerField(help_text="As a person counts: a table's heading is row 1.")
    wrong = models.BooleanField(default=False)
    name = models.TextField(help_text="As names are compared.")
    import_mpan = models.TextField(blank=True)
    export_mpan = models.TextField(blank=True)
    asset = models.TextField()

    class Meta:
        verbose_name = "SMP row"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "job", "row"], name="smp_row_once")
        ]

    def __str__(self) -> str:
        return f"row {self.row}"


class SmpFinding(TenantRow):
    """Something wrong with a row, or with the unit (row 0), by the column as it was uploaded."""

    class Source(models.TextChoices):
        HOST = "HOST"
        OPERATOR = "OPERATOR"

    job = models.ForeignKey(SmpJob, on_delete=models.CASCADE, related_name="+", db_index=False)
    source = models.TextField(choices=Source)
    row = models.IntegerField()
    column = models.TextField(blank=True, help_text="The heading as it was uploaded.")
    field = models.TextField(blank=True, help_text="Our name of it.")
    value = models.TextField(blank=True)
    rule = models.TextField(blank=True)
    code = models.TextField()
    text = models.TextField()

    class Meta:
        verbose_name = "SMP finding"
        indexes = [models.Index(fields=["tenant", "job", "row", "id"], name="smp_finding_by_row")]

    def __str__(self) -> str:
        return f"row {self.row}, {self.column}: {self.text}"


class SmpBatch(TenantRow):
    """Rows that go in one request: those that are not wrong from `first_row` to `last_row`. Its id
    is the request's messageId, however often it is sent.
    """

    class State(models.TextChoices):
        WAITING = "WAITING"
        SENDING = "SENDING", "being sent, or its sender died over it"
        OPEN = "OPEN", "taken, verdict awaited"
        UNKNOWN = "UNKNOWN", "sent and not answered"
        REGISTERED = "REGISTERED"
        FAILED = "FAILED", "nothing of it was created"
        REFUSED = "REFUSED", "refused at once"
        NOT_SENT = "NOT_SENT", "cancelled before it was sent"

    class SettledBy(models.TextChoices):
        ANSWER = "ANSWER"
        STATUS = "STATUS", "by asking for it"
        RETURN = "RETURN", "by the batch return"
        PERSON = "PERSON"

    job = models.ForeignKey(SmpJob, on_delete=models.PROTECT, related_name="+", db_index=False)
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    position = models.IntegerField()
    first_row = models.IntegerField()
    last_row = models.IntegerField()
    rows = models.IntegerField()
    state = models.TextField(choices=State, default=State.WAITING)
    attempts = models.IntegerField(default=0)
    payload_digest = models.BinaryField(max_length=32, null=True)
    payload_at = models.DateTimeField(null=True)
    sealed_digest = models.BinaryField(max_length=32, null=True)
    sealed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True, help_text="When the first byte last left.")
    transaction_id = models.TextField(blank=True)
    polls = models.IntegerField(default=0)
    not_known = models.IntegerField(default=0, help_text="Times the peer did not know it.")
    maybe_taken = models.BooleanField(
        default=False, help_text="Whether an attempt got no answer that counts."
    )
    wait_until = models.DateTimeField(null=True, help_text="Not to be sent again before.")
    person_called_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(blank=True, choices=SettledBy)
    text = models.TextField(blank=True)

    class Meta:
        verbose_name = "SMP batch"
        verbose_name_plural = "SMP batches"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "job", "position"], name="smp_batch_once"),
            models.UniqueConstraint(
                fields=["tenant", "endpoint", "transaction_id"],
                condition=~Q(transaction_id=""),
                name="smp_transaction_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "endpoint", "state"],
                condition=Q(state__in=["WAITING", "SENDING", "OPEN", "UNKNOWN"]),
                name="smp_batch_unsettled",
            )
        ]

    def __str__(self) -> str:
        return f"batch {self.position}, rows {self.first_row} to {self.last_row}"


class SmpDue(models.Model):
    """When a job or a batch next wants a hand, for one sweep over all tenants: ids and times and
    nothing else.
    """

    item_id = models.UUIDField(primary_key=True)
    tenant_id = models.UUIDField()
    due_at = models.DateTimeField(db_index=True)
    owner = models.BigIntegerField(null=True, help_text="The process that has claimed it.")

    class Meta:
        verbose_name = "SMP due"
        verbose_name_plural = "SMP due"
        indexes = [
            models.Index(
                fields=["owner"], condition=Q(owner__isnull=False), name="smp_due_by_owner"
            )
        ]

    def __str__(self) -> str:
        return f"{self.item_id} at {self.due_at}"


class SmpLogin(TenantRow):
    """How an endpoint logs in: password and token sealed by the vault, and never shown.

    Of all processes one refreshes the token at a time: `owner`, until `refreshing_until`, or it is
    done.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    username = models.TextField()
    password = models.BinaryField()
    set_at = models.DateTimeField()
    set_by = models.TextField()
    token = models.BinaryField(null=True)
    token_from = models.DateTimeField(null=True)
    token_until = models.DateTimeField(null=True)
    refreshing_until = models.DateTimeField(null=True)
    owner = models.BigIntegerField(null=True, help_text="The process that refreshes the token.")
    refused_at = models.DateTimeField(null=True, help_text="When the login was last refused.")

    class Meta:
        verbose_name = "SMP login"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "endpoint"], name="smp_login_once")
        ]

    def __str__(self) -> str:
        return f"login of {self.endpoint_id}"


class Registered(TenantRow):
    """Something as it was registered from one moment to another; the one that is now has no end."""

    environment = models.TextField(choices=Environment)
    name = models.TextField()
    key = models.TextField(help_text="The name as names are compared.")
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    job = models.ForeignKey(
        SmpJob, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    ended_by = models.TextField(blank=True)
    end_reason = models.TextField(blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class RegisteredUnit(Registered):
    unit = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "environment", "key"],
                condition=Q(valid_to__isnull=True),
                name="registered_unit_once",
            )
        ]


class RegisteredAsset(Registered):
    """`capacity_mw` is what it counts for against the limits; `site` is where it stands."""

    unit = models.ForeignKey(
        RegisteredUnit, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    row = models.IntegerField(null=True, help_text="In the job's file.")
    import_mpan = models.TextField(blank=True)
    export_mpan = models.TextField(blank=True)
    site = models.TextField()
    capacity_mw = models.DecimalField("capacity (MW)", max_digits=13, decimal_places=6)
    asset = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "environment", "key"],
                condition=Q(valid_to__isnull=True),
                name="registered_asset_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "environment", "site"],
                condition=Q(valid_to__isnull=True),
                name="registered_asset_by_site",
            ),
            models.Index(
                fields=["tenant", "import_mpan"],
                condition=Q(valid_to__isnull=True) & ~Q(import_mpan=""),
                name="registered_by_import",
            ),
            models.Index(
                fields=["tenant", "export_mpan"],
                condition=Q(valid_to__isnull=True) & ~Q(export_mpan=""),
                name="registered_by_export",
            ),
        ]


class CapacityMark(TenantRow):
    """The highest mark that a site, or with an empty `site` all of them, stands at now: 0, 80, 90
    or 100 % of its limit.
    """

    environment = models.TextField(choices=Environment)
    site = models.TextField(blank=True)
    percent = models.SmallIntegerField()
    capacity_mw = models.DecimalField(max_digits=16, decimal_places=6)
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "environment", "site"], name="capacity_mark_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.site or 'all'}: {self.percent} %"
