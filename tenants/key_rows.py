"""The tables of tenants' certificates and keys."""

from __future__ import annotations

from django.db import models

from tenants.clock import now
from tenants.keys.life import CertificatePurpose, CertificateState
from tenants.register_rows import Endpoint, Environment
from tenants.rows import TenantRow


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
    pem = models.TextField("PEM", blank=True, help_text="Leaf first, then its chain.")
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
