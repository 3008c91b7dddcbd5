"""The tables of the audit log. Entries are written by the database function `audit_append` only
(see ledger).
"""

from __future__ import annotations

from django.db import models

from tenants.rows import WalledManager


class Chain(models.Model):
    """Where a tenant's chain ends. Its row lock is what puts entries in one order, and it is taken
    last.
    """

    tenant_id = models.UUIDField(primary_key=True)
    head_seq = models.BigIntegerField()
    head_hash = models.BinaryField()

    objects = WalledManager()

    def __str__(self) -> str:
        return f"chain of {self.tenant_id} at {self.head_seq}"


class Entry(models.Model):
    """One link. Partitioned by `month`; there is no foreign key, as the house's chain has no tenant
    and messages may go first.
    """

    pk = models.CompositePrimaryKey("tenant_id", "seq", "month")
    tenant_id = models.UUIDField()
    seq = models.BigIntegerField()
    month = models.DateField()
    recorded_at = models.DateTimeField()
    event = models.TextField()
    message_id = models.UUIDField(null=True)
    delivery_id = models.UUIDField(null=True)
    record = models.BinaryField()
    hash = models.BinaryField()

    objects = WalledManager()

    class Meta:
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.seq} {self.event}"


class Body(models.Model):
    """Bytes as they came or left, once for each tenant, digest and month. Everything else names
    them by digest.
    """

    pk = models.CompositePrimaryKey("tenant_id", "digest", "month")
    tenant_id = models.UUIDField()
    digest = models.BinaryField()
    month = models.DateField()
    content = models.BinaryField()

    objects = WalledManager()

    class Meta:
        verbose_name_plural = "bodies"

    def __str__(self) -> str:
        return bytes(self.digest).hex()
