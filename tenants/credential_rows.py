"""The tables of a tenant's people, and of what they and its systems show to be let in."""

from __future__ import annotations

from django.db import models

from tenants.clock import now
from tenants.permissions import Role
from tenants.register_rows import Endpoint
from tenants.rows import TenantRow


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
        verbose_name = "API key"
        constraints = [models.UniqueConstraint(fields=["tenant", "prefix"], name="api_key_prefix")]

    def __str__(self) -> str:
        return self.prefix


class ApiCertificate(Credential):
    """A client certificate for the REST API, pinned by its fingerprint. It expires when the
    certificate does.
    """

    fingerprint = models.BinaryField(max_length=32, help_text="SHA-256 of the leaf's DER.")
    pem = models.TextField("PEM")
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
