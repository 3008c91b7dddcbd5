"""The tables of who we act for: tenants, their people, BM units, endpoints, certificates and keys;
and the vendor's register of peers.

Thin: what the columns promise is in constraints, what is done with them in the modules named for
it.
"""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from tenants.clock import now
from tenants.ids import new_id
from tenants.keys.life import CertificatePurpose, CertificateState
from tenants.permissions import Role
from tenants.rows import TenantRow, WalledManager

MOST_GATE_ALARM_MINUTES = 240


class Environment(models.TextChoices):
    """Which of the system operator's installations something belongs to."""

    SIMULATOR = "simulator"
    TEST = "test"
    PRODUCTION = "production"


class Tenant(models.Model):
    """A market participant that the host acts for."""

    class State(models.TextChoices):
        ACTIVE = "ACTIVE"
        SUSPENDED = "SUSPENDED"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.TextField()
    participant_id = models.TextField(
        help_text="The name it signs under: `iss` and `aud` of seals."
    )
    trading_agent = models.CharField(max_length=9, blank=True)
    state = models.TextField(choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    requests_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of the API, by all its keys together; else the setting.",
    )
    key_requests_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of the API, by any one of its keys; else the setting.",
    )
    gate_alarm_minutes = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_GATE_ALARM_MINUTES)],
        help_text="How long before a gate closes missing data is alarmed, of BM units that do not"
        " say so themselves; else 15.",
    )

    objects = WalledManager()

    def __str__(self) -> str:
        return self.name


class Change(models.Model):
    """How often a tenant's set-up has changed, and when last; written by triggers (isolation.noted)
    and read by the watch of changes.
    """

    tenant_id = models.UUIDField(primary_key=True, editable=False)
    version = models.BigIntegerField()
    changed_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.tenant_id} at {self.version}"


class Peer(models.Model):
    """A system operator's installation as the vendor knows it. Belongs to no tenant: trust anchors
    are the vendor's alone.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.TextField(unique=True)
    environment = models.TextField(choices=Environment)
    participant_id = models.TextField(default="NGESO")
    is_default = models.BooleanField(
        default=False, help_text="Trusted on the way in for every tenant of its environment."
    )
    ca = models.TextField(help_text="PEM bundle that its TLS server certificates chain to.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment"],
                condition=models.Q(is_default=True),
                name="one_default_peer_per_environment",
            )
        ]

    def __str__(self) -> str:
        return self.name


class PeerCertificate(models.Model):
    """A pinned certificate of a peer: its fingerprint is what counts."""

    class Purpose(models.TextChoices):
        SIGNING = "SIGNING"
        TLS_CLIENT = "TLS_CLIENT"

    class State(models.TextChoices):
        ACTIVE = "ACTIVE"
        REVOKED = "REVOKED"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    peer = models.ForeignKey(Peer, on_delete=models.CASCADE, related_name="certificates")
    purpose = models.TextField(choices=Purpose)
    state = models.TextField(choices=State, default=State.ACTIVE)
    fingerprint = models.BinaryField(max_length=32, help_text="SHA-256 of the DER.")
    pem = models.TextField()
    not_after = models.DateTimeField(null=True)
    held_since = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["peer", "purpose", "fingerprint"], name="peer_certificate_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of {self.peer_id}"


class PeerCertificateNotice(models.Model):
    """That the end of a peer's certificate was told of, so many days before it: each once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    certificate = models.ForeignKey(
        PeerCertificate, on_delete=models.CASCADE, related_name="notices", db_index=False
    )
    days = models.SmallIntegerField()
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["certificate", "days"], name="told_once_of_a_peer")
        ]

    def __str__(self) -> str:
        return f"{self.certificate_id}: {self.days} days"


class Endpoint(TenantRow):
    """One configured way to reach or be reached: protocol, transport, address, settings."""

    class State(models.TextChoices):
        ACTIVE = "ACTIVE"
        HELD = "HELD"

    name = models.TextField(help_text="For EDL, the control point's name.")
    protocol = models.TextField()
    transport = models.TextField()
    environment = models.TextField(choices=Environment)
    address = models.TextField(blank=True, help_text="Empty where the other side connects to us.")
    settings = models.JSONField(default=dict)
    peer = models.ForeignKey(Peer, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.TextField(choices=State, default=State.ACTIVE)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "protocol", "environment", "name"], name="endpoint_name_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ConnectionTest(TenantRow):
    """The last test of an endpoint's connection. While `finished_at` is null one is under way, or
    its process died: after a while it gives way to the next.
    """

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="+")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    started_by = models.TextField()
    colour = models.TextField(blank=True)
    report = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "endpoint"], name="connection_test_once")
        ]

    def __str__(self) -> str:
        return f"{self.colour or 'under way'}"


class BmUnit(TenantRow):
    """A BM unit in the tenant's register and the control point that speaks for it."""

    name = models.CharField(max_length=9, help_text="NGC name.")
    control_point = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="bm_units")
    generation_capacity_mw = models.DecimalField(max_digits=8, decimal_places=3, null=True)
    auto_accept = models.BooleanField(
        default=False,
        help_text="Acceptances that keep within all that is declared are accepted by the host.",
    )
    expected = models.JSONField(
        default=list, blank=True, help_text="Parameters it is meant to have before a gate closes."
    )
    gate_alarm_minutes = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_GATE_ALARM_MINUTES)],
        help_text="How long before a gate closes missing data is alarmed; else the tenant's.",
    )

    class Meta:
        verbose_name = "BM unit"
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="bm_unit_name_once")]

    def __str__(self) -> str:
        return self.name


class Certificate(TenantRow):
    """A certificate of the tenant's, or the request for one, with its private key sealed by the
    vault where the host uses it.

    Its slot is what it is for: environment, purpose and, for the tenant's own machines, endpoint.
    """

    Purpose = CertificatePurpose
    State = CertificateState

    environment = models.TextField(choices=Environment)
    purpose = models.TextField(choices=CertificatePurpose)
    state = models.TextField(choices=CertificateState, default=CertificateState.ACTIVE)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, null=True, related_name="+")
    fingerprint = models.BinaryField(
        max_length=32, null=True, help_text="SHA-256 of the leaf's DER; none before it is there."
    )
    pem = models.TextField(blank=True, help_text="Leaf first, then its chain.")
    request = models.TextField(blank=True, help_text="The signing request made here, as PEM.")
    private_key = models.BinaryField(
        null=True, help_text="PKCS#8 DER, sealed by the vault; destroyed when the certificate ends."
    )
    not_before = models.DateTimeField(null=True)
    not_after = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=now)
    held_since = models.DateTimeField(null=True, help_text="Since when the certificate is here.")
    switch_at = models.DateTimeField(null=True, help_text="When it takes over, where that is set.")
    ended_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True, help_text="Why it was revoked.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "purpose", "fingerprint"], name="certificate_once"
            ),
            models.UniqueConstraint(
                fields=["tenant", "environment", "purpose"],
                condition=models.Q(state="ACTIVE", purpose__in=["SO_CLIENT", "SIGNING"]),
                name="exactly_one_signs",
            ),
            models.UniqueConstraint(
                fields=["tenant", "endpoint", "purpose"],
                condition=models.Q(state="ACTIVE", purpose__in=["CONTROL_POINT", "SERVER"]),
                name="one_active_per_endpoint",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["REQUESTED", "REVOKED"])
                | models.Q(
                    fingerprint__isnull=False, not_before__isnull=False, not_after__isnull=False
                ),
                name="certificate_is_there",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["EXPIRED", "REVOKED"])
                | models.Q(private_key__isnull=True),
                name="no_key_outlives_its_certificate",
            ),
        ]

    def __str__(self) -> str:
        name = bytes(self.fingerprint).hex()[:12] if self.fingerprint else "(requested)"
        return f"{self.purpose} {name}"


class CertificateNotice(TenantRow):
    """That a certificate's end was told of, so many days before it: each once."""

    certificate = models.ForeignKey(
        Certificate, on_delete=models.PROTECT, related_name="notices", db_index=False
    )
    days = models.SmallIntegerField()
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "certificate", "days"], name="told_once")
        ]

    def __str__(self) -> str:
        return f"{self.certificate_id}: {self.days} days"


class CertificateDue(models.Model):
    """When a certificate next wants a hand, for one look over all tenants: ids and times and
    nothing else.
    """

    certificate_id = models.UUIDField(primary_key=True, editable=False)
    tenant_id = models.UUIDField()
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.certificate_id} at {self.due_at}"


class DataKey(TenantRow):
    """The key that the tenant's secrets are sealed under, itself wrapped by the master key."""

    wrapped = models.BinaryField()
    master_key_id = models.TextField(
        help_text="Which master key wrapped it: a digest, not the key."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_data_key_per_tenant")]

    def __str__(self) -> str:
        return f"data key of {self.tenant_id}"


class Member(TenantRow):
    """A person of the tenant's. One who has left stays as a row, for the audit log names them."""

    class State(models.TextChoices):
        ACTIVE = "ACTIVE"
        REMOVED = "REMOVED"

    name = models.TextField()
    email = models.TextField(help_text="In lower case.")
    role = models.TextField(choices=[(role.value, role.value) for role in Role])
    state = models.TextField(choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True, help_text="To the minute.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "email"],
                condition=models.Q(state="ACTIVE"),
                name="member_email_once",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Credential(TenantRow):
    """What a caller of the API shows. It acts for a member, and then within the member's role, or
    for the tenant itself.
    """

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    label = models.TextField(blank=True)
    scopes = models.JSONField(default=list, help_text="Permissions by name.")
    networks = models.JSONField(
        default=list, help_text="CIDRs it may be shown from; none means anywhere."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True, help_text="To the minute.")

    class Meta:
        abstract = True


class ApiKey(Credential):
    """A key for the REST API: the prefix finds it, only a keyed hash of the rest is stored."""

    prefix = models.CharField(max_length=12)
    hash = models.BinaryField(max_length=32)
    replaced_by = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="The key it was rotated to; it expires when the overlap ends.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "prefix"], name="api_key_prefix")]

    def __str__(self) -> str:
        return self.prefix


class ApiCertificate(Credential):
    """A client certificate for the REST API, pinned by its fingerprint. It expires when the
    certificate does.
    """

    fingerprint = models.BinaryField(max_length=32, help_text="SHA-256 of the leaf's DER.")
    pem = models.TextField()
    not_before = models.DateTimeField()

    class Meta:
        verbose_name = "API certificate"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "fingerprint"],
                condition=models.Q(revoked_at__isnull=True),
                name="api_certificate_once",
            )
        ]

    def __str__(self) -> str:
        return bytes(self.fingerprint).hex()[:12]


class Pepper(TenantRow):
    """The secret that the tenant's API keys are hashed under, sealed by the vault."""

    sealed = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_pepper_per_tenant")]

    def __str__(self) -> str:
        return f"pepper of {self.tenant_id}"


class FileLogin(TenantRow):
    """What a trading point's own machine logs in by to leave and fetch files: a password, of which
    a keyed hash is stored, or SSH keys.
    """

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="+")
    username = models.CharField(max_length=40)
    label = models.TextField(blank=True)
    password_hash = models.BinaryField(max_length=32, null=True)
    public_keys = models.JSONField(default=list, help_text="In OpenSSH's form.")
    created_at = models.DateTimeField(default=now)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True, help_text="To the minute.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "username"], name="file_login_username")
        ]

    def __str__(self) -> str:
        return self.username


class RemoteSecret(TenantRow):
    """What the host logs in by at the tenant's own server, sealed by the vault."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="+")
    sealed = models.BinaryField()
    set_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "endpoint"], name="one_remote_secret")
        ]

    def __str__(self) -> str:
        return f"secret of {self.endpoint_id}"


class DirectoryEntry(models.Model):
    """Which tenant something names, by the digest of its name: nothing can be read out of it but
    what is already known.
    """

    digest = models.BinaryField(primary_key=True, max_length=32)
    tenant_id = models.UUIDField()

    class Meta:
        verbose_name_plural = "directory entries"

    def __str__(self) -> str:
        return bytes(self.digest).hex()


class IdempotentAnswer(TenantRow):
    """The first answer that a caller got under an idempotency key, so that a repeat gets it again.
    While `status` is null the first is under way: outside a transaction, in the process `owner`,
    under the id `run`, of which there is a new one should another process take it over.
    """

    caller_id = models.UUIDField(help_text="The member, or the credential of no member.")
    key = models.TextField()
    fingerprint = models.BinaryField(max_length=32, help_text="SHA-256 of what was asked.")
    status = models.SmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    sealed_body = models.BinaryField(null=True, help_text="By the vault: it may hold a secret.")
    created_at = models.DateTimeField()
    owner = models.BigIntegerField(null=True)
    run = models.UUIDField(null=True)
    held_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "caller_id", "key"], name="idempotency_key_once"
            )
        ]
        indexes = [models.Index(fields=["tenant", "created_at"], name="idempotent_by_age")]

    def __str__(self) -> str:
        return self.key


class IdempotencyDue(models.Model):
    """When a tenant's old answers next want to be cleared away: ids and times, for one look over
    all tenants.
    """

    tenant_id = models.UUIDField(primary_key=True)
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.tenant_id} at {self.due_at}"
