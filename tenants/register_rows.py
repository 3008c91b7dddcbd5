"""The tables of the register: tenants, their BM units and endpoints, and the vendor's register of
peers.
"""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from tenants.clock import now
from tenants.ids import new_id
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
    ca = models.TextField("CA", help_text="PEM bundle that its TLS server certificates chain to.")

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
    pem = models.TextField("PEM")
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
    generation_capacity_mw = models.DecimalField(
        "generation capacity (MW)", max_digits=8, decimal_places=3, null=True
    )
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
