"""The tables of who we act for: tenants, their people, BM units, endpoints, certificates and keys;
and the vendor's register of peers.

Thin: what the columns promise is in constraints, what is done with them in the modules named for
it.
"""

from __future__ import annotations

from django.db import models

from tenants.credential_rows import ApiCertificate as ApiCertificate
from tenants.credential_rows import ApiKey as ApiKey
from tenants.credential_rows import Credential as Credential
from tenants.credential_rows import FileLogin as FileLogin
from tenants.credential_rows import Member as Member
from tenants.credential_rows import Pepper as Pepper
from tenants.credential_rows import RemoteSecret as RemoteSecret
from tenants.key_rows import Certificate as Certificate
from tenants.key_rows import CertificateDue as CertificateDue
from tenants.key_rows import CertificateNotice as CertificateNotice
from tenants.key_rows import DataKey as DataKey
from tenants.register_rows import MOST_GATE_ALARM_MINUTES as MOST_GATE_ALARM_MINUTES
from tenants.register_rows import BmUnit as BmUnit
from tenants.register_rows import Change as Change
from tenants.register_rows import ConnectionTest as ConnectionTest
from tenants.register_rows import Endpoint as Endpoint
from tenants.register_rows import Environment as Environment
from tenants.register_rows import Peer as Peer
from tenants.register_rows import PeerCertificate as PeerCertificate
from tenants.register_rows import PeerCertificateNotice as PeerCertificateNotice
from tenants.register_rows import Tenant as Tenant
from tenants.rows import TenantRow


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
