"""The tables of what stands still, and why: a lamp for each connection to the system operator,
notices of its outages, holds that people place, and the host's own maintenance.

Writing them is the relay's business; here is only what each row promises.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from messaging.states import LampState, NoticeState
from tenants.clock import now
from tenants.ids import new_id
from tenants.models import Endpoint, Environment
from tenants.rows import TenantRow


class Connection(TenantRow):
    """What is known of the way to the system operator behind one endpoint.

    While `is_holding` nothing but answers to instructions goes there: it was out, and what was
    missed has not been asked yet. `normalize_from` is set while that is to be asked, and says since
    when; until `normalizing_until` `owner` asks, or, without one, nobody does; `unasked_since` is
    set while the operator does not say it and traffic goes all the same. `good_at` is when Health
    last said that all is well.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    state = models.TextField(choices=LampState, default=LampState.UNKNOWN)
    since = models.DateTimeField(default=now)
    created_at = models.DateTimeField(default=now)
    ask_at = models.DateTimeField(default=now, help_text="When Health is asked next.")
    answered_at = models.DateTimeField(null=True, help_text="When it was last answered at all.")
    good_at = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0, help_text="In a row.")
    failing_since = models.DateTimeField(null=True)
    detail = models.TextField(blank=True, help_text="What the last answer, or none, came to.")
    is_holding = models.BooleanField(default=False)
    normalize_from = models.DateTimeField(null=True)
    normalizing_until = models.DateTimeField(
        null=True, help_text="Somebody is at it, or it waits, until then."
    )
    owner = models.BigIntegerField(null=True, help_text="The process that asks what was missed.")
    normalize_tries = models.IntegerField(default=0)
    normalized_at = models.DateTimeField(null=True)
    unasked_since = models.DateTimeField(
        null=True, help_text="It does not say what was missed, and traffic goes without."
    )
    unasked_why = models.TextField(blank=True, db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "endpoint"], name="connection_once")
        ]

    def __str__(self) -> str:
        return f"{self.state} since {self.since}"


class ConnectionDue(models.Model):
    """When a connection next wants a hand, for one look over all tenants: ids and times and nothing
    else. A trigger writes a row with each endpoint that leads to an operator, and makes it due with
    each change of what holds it.
    """

    endpoint_id = models.UUIDField(primary_key=True, editable=False)
    tenant_id = models.UUIDField()
    due_at = models.DateTimeField(db_index=True)
    broken_at = models.DateTimeField(
        null=True, help_text="The host itself was away until then: ask what was missed."
    )
    owner = models.BigIntegerField(null=True, help_text="The process that looks after it.")

    class Meta:
        indexes = [
            models.Index(
                fields=["owner"], condition=Q(owner__isnull=False), name="connection_due_by_owner"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} at {self.due_at}"


class Notice(models.Model):
    """What both kinds of notice say of an outage. What lacks services, a start, or an end is kept
    for a person to complete; one that is until further notice lasts until it is told an end.
    """

    environment = models.TextField(choices=Environment, default=Environment.PRODUCTION)
    text = models.TextField(blank=True, help_text="As it was posted.")
    services = models.JSONField(default=list, blank=True, help_text="Names of services.")
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    until_further_notice = models.BooleanField(default=False)
    posted_at = models.DateTimeField(default=now)
    posted_by = models.TextField()

    class Meta:
        abstract = True


class SystemNotice(Notice):
    """A notice that the vendor's staff posted: it holds for every tenant of its environment, each
    of which gets a copy. `spread_at` is null until all have it as it now stands.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    is_cancelled = models.BooleanField(default=False)
    spread_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"outage from {self.starts_at} to {self.ends_at}"


class OutageNotice(Notice, TenantRow):
    """One tenant's notice, its own or its copy of a system notice, and how far telephone mode has
    come by it.
    """

    system_notice_id = models.UUIDField(null=True, editable=False)
    state = models.TextField(choices=NoticeState, default=NoticeState.INCOMPLETE)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "system_notice_id"], name="one_copy_of_a_notice"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["PLANNED", "ON", "ENDING"]) | Q(starts_at__isnull=False),
                name="a_notice_has_a_start",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "state"],
                condition=Q(state__in=["PLANNED", "ON", "ENDING", "UNASKED"]),
                name="notice_in_force",
            )
        ]

    def __str__(self) -> str:
        return f"{self.state} outage from {self.starts_at} to {self.ends_at}"


class StandingHold(TenantRow):
    """A person's word that messages to the system operator are to wait: all of the tenant's, or
    those of one endpoint, or of one BM unit. It stands until somebody releases it.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    bm_unit = models.CharField("BM unit", max_length=9, blank=True)
    reason = models.TextField()
    placed_at = models.DateTimeField(default=now)
    placed_by = models.TextField()
    released_at = models.DateTimeField(null=True, editable=False)
    released_by = models.TextField(blank=True, editable=False)
    release_reason = models.TextField(blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(endpoint__isnull=True) | Q(bm_unit=""), name="a_hold_holds_one_thing"
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant"], condition=Q(released_at__isnull=True), name="hold_in_force"
            )
        ]

    def __str__(self) -> str:
        return f"hold of {self.bm_unit or self.endpoint_id or 'everything'}"


class Maintenance(models.Model):
    """The vendor's switch: while a row's `ended_at` is null the host carries nothing outward, and
    answers the system operator that it is out.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    reason = models.TextField()
    began_at = models.DateTimeField(default=now, editable=False)
    began_by = models.TextField(editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)
    ended_by = models.TextField(blank=True, editable=False)

    class Meta:
        verbose_name_plural = "maintenance"
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(ended_at__isnull=True), name="one_maintenance"
            )
        ]

    def __str__(self) -> str:
        return f"maintenance since {self.began_at}"
