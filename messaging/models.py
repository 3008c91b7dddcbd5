"""The tables of the relay: what came in, what must go out, what was tried, and what a link or an
instruction has come to.

Writing them is the relay's business; here is only what each row promises.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Func, Q, Value

from messaging.desk_rows import Declared as Declared
from messaging.desk_rows import GateAlarm as GateAlarm
from messaging.desk_rows import GateWatch as GateWatch
from messaging.domain.instructions import InstructionKind, Verdict
from messaging.events import models as _events  # noqa: F401 - importing it registers its tables
from messaging.link_rows import GatewayProcess as GatewayProcess
from messaging.link_rows import Link as Link
from messaging.link_rows import LinkWatch as LinkWatch
from messaging.outage_rows import Connection as Connection
from messaging.outage_rows import ConnectionDue as ConnectionDue
from messaging.outage_rows import Maintenance as Maintenance
from messaging.outage_rows import OutageNotice as OutageNotice
from messaging.outage_rows import StandingHold as StandingHold
from messaging.outage_rows import SystemNotice as SystemNotice
from messaging.overload_rows import Breaker as Breaker
from messaging.overload_rows import BreakerDue as BreakerDue
from messaging.smp_models import SmpJob as SmpJob
from messaging.states import (
    DEAD,
    OPEN,
    UNDELIVERED,
    AttemptOutcome,
    DeliveryState,
    Lane,
    Urgency,
)
from tenants.models import Endpoint
from tenants.rows import TenantRow

DEFAULT_PROFILE = "host-1"
"""What an endpoint speaks whose settings name no profile, whatever its protocol."""


class Message(TenantRow):
    """One message as it came in, or as the host itself made it. Insert-only.

    Its bytes are the Body named by `body_digest`, in the `profile` of its endpoint's protocol; the
    signed form that they came in, headers and body, the one named by `sealed_digest`.
    """

    class Origin(models.TextChoices):
        CONTROL_POINT = "CONTROL_POINT"
        TRADING_POINT = "TRADING_POINT"
        OPERATOR = "OPERATOR"
        HOST = "HOST", "the host itself"
        API = "API", "the REST API"

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    origin = models.TextField(choices=Origin)
    kind = models.TextField(help_text="MEL, BOA, ACCEPT, RESULT, ...")
    bm_unit = models.CharField("BM unit", max_length=9, blank=True)
    reference = models.TextField(help_text="The sender's own: log number or messageId.")
    answers = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="answered_by"
    )
    body_digest = models.BinaryField(max_length=32)
    sealed_digest = models.BinaryField(
        max_length=32, null=True, help_text="Null for what came without a seal."
    )
    profile = models.TextField(db_default=DEFAULT_PROFILE)
    received_at = models.DateTimeField()
    refusal_code = models.TextField(blank=True, help_text="Empty where it was taken.")
    refusal_text = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "received_at"], name="message_by_time"),
            models.Index(fields=["tenant", "bm_unit", "received_at"], name="message_by_unit"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class UnitOfMessage(TenantRow):
    """A BM unit that a message is about, where it is about several. Insert-only; `received_at` is
    the message's.
    """

    message = models.ForeignKey(
        Message, on_delete=models.PROTECT, related_name="units", db_index=False
    )
    bm_unit = models.CharField("BM unit", max_length=9)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "bm_unit", "received_at", "message"], name="unit_of_message_once"
            )
        ]

    def __str__(self) -> str:
        return self.bm_unit


class Delivery(TenantRow):
    """The duty to hand one message to one endpoint: a row of the outbox.

    `position` puts the deliveries of one endpoint in the order they were taken on; within one
    endpoint and `queue` they leave in that order. `payload_digest` is what is sent, fixed at the
    first attempt, in `payload_profile`; `sealed_digest` the signed form of it, headers and body,
    made anew only when its signature has aged. `reference` is ours on the wire: the messageId, or
    the log number it was last sent under. One without an endpoint is UNROUTABLE: it waits for a
    person.
    """

    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="deliveries")
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    lane = models.TextField(choices=Lane)
    queue = models.TextField(blank=True, help_text="Deliveries of the same queue leave in order.")
    position = models.BigIntegerField(
        db_default=Func(Value("messaging_delivery_position"), function="nextval"), editable=False
    )
    state = models.TextField(choices=DeliveryState, default=DeliveryState.PENDING)
    created_at = models.DateTimeField()
    deadline = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    reference = models.TextField(blank=True)
    payload_digest = models.BinaryField(max_length=32, null=True)
    payload_at = models.DateTimeField(null=True)
    payload_profile = models.TextField(
        blank=True, db_default="", help_text="Empty where the profile is the link's."
    )
    sealed_digest = models.BinaryField(max_length=32, null=True)
    sealed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True, help_text="When the first byte last left.")
    held_at = models.DateTimeField(null=True)
    wait_until = models.DateTimeField(
        null=True, help_text="Not to be tried before, however often it is woken."
    )
    stuck_at = models.DateTimeField(
        null=True, help_text="When it was alarmed that it does not get through."
    )
    settled_at = models.DateTimeField(null=True)
    outcome_code = models.TextField(blank=True)
    outcome_text = models.TextField(blank=True)
    closed_at = models.DateTimeField(
        null=True, help_text="When a person said that nothing more is to come of it."
    )
    closed_reason = models.TextField(blank=True, db_default="")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "message", "endpoint", "queue"], name="delivery_once"
            ),
            models.CheckConstraint(
                condition=Q(endpoint__isnull=False) | ~Q(state__in=[s.value for s in OPEN]),
                name="delivery_leads_somewhere",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "endpoint", "queue", "position"],
                condition=Q(state__in=[state.value for state in UNDELIVERED]),
                name="delivery_undelivered",
            ),
            models.Index(fields=["tenant", "endpoint", "reference"], name="delivery_by_reference"),
            models.Index(fields=["tenant", "created_at"], name="delivery_by_time"),
            models.Index(
                fields=["tenant", "endpoint", "queue"],
                condition=Q(lane=Lane.OPERATOR.value, state=DeliveryState.DELIVERED.value),
                name="delivery_without_verdict",
            ),
            models.Index(
                fields=["tenant", "settled_at"],
                condition=Q(state__in=[state.value for state in DEAD], closed_at=None),
                name="delivery_dead",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.reference}"


class Due(models.Model):
    """When a delivery next wants a hand. Belongs to no tenant, so that one sweep serves all, and
    tells nothing of any.
    """

    delivery_id = models.UUIDField(primary_key=True)
    tenant_id = models.UUIDField()
    lane = models.TextField(choices=Lane)
    due_at = models.DateTimeField()
    owner = models.BigIntegerField(null=True, help_text="The process that has claimed it.")
    parked_by = models.BigIntegerField(
        null=True, help_text="The process that hands it out when its endpoint has room."
    )
    urgency = models.SmallIntegerField(choices=Urgency, db_default=Urgency.REDECLARATION)

    class Meta:
        verbose_name_plural = "due"
        indexes = [
            models.Index(fields=["due_at"], name="due_by_time"),
            models.Index(fields=["owner"], condition=Q(owner__isnull=False), name="due_by_owner"),
            models.Index(
                fields=["parked_by"], condition=Q(parked_by__isnull=False), name="due_by_parker"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id} at {self.due_at}"


class FetchDue(models.Model):
    """When the host next looks at a tenant's own server, kept by a trigger on the endpoints. Like
    `Due`, it belongs to no tenant and tells nothing of any.
    """

    endpoint_id = models.UUIDField(primary_key=True)
    tenant_id = models.UUIDField()
    due_at = models.DateTimeField(db_index=True)
    failing_since = models.DateTimeField(null=True)
    owner = models.BigIntegerField(null=True, help_text="The process that has claimed it.")

    class Meta:
        verbose_name_plural = "fetch due"
        indexes = [
            models.Index(
                fields=["owner"], condition=Q(owner__isnull=False), name="fetch_due_by_owner"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} at {self.due_at}"


class Attempt(TenantRow):
    """One try to deliver, with the four times of a forwarded message. Insert-only, partitioned by
    `month`.
    """

    delivery = models.ForeignKey(
        Delivery,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="attempted",
    )
    month = models.DateField()
    outcome = models.TextField(choices=AttemptOutcome)
    received_at = models.DateTimeField(help_text="When the message came to the host.")
    sent_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField()
    status = models.IntegerField(null=True, help_text="HTTP status, where there was one.")
    detail = models.TextField(blank=True)
    answer_digest = models.BinaryField(max_length=32, null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "delivery"], name="attempt_by_delivery")]

    def __str__(self) -> str:
        return f"{self.outcome} {self.detail}"


class Receipt(TenantRow):
    """What was taken under a sender's reference and how it was answered, so that a repeat gets the
    same answer.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    reference = models.TextField()
    digest = models.BinaryField(max_length=32, help_text="Of the bytes taken under it.")
    message = models.ForeignKey(
        Message, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    status = models.IntegerField(help_text="HTTP status of the answer; 0 on a link.")
    answer = models.BinaryField(help_text="The answer's payload before it is sealed or framed.")
    profile = models.TextField(
        db_default=DEFAULT_PROFILE, help_text="What the answer is written in."
    )
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "endpoint", "reference"], name="receipt_once")
        ]

    def __str__(self) -> str:
        return self.reference


class Instruction(TenantRow):
    """An instruction to a control point and what became of it. `content_digest` leaves out ids and
    times of sending.
    """

    message = models.ForeignKey(
        Message, on_delete=models.PROTECT, related_name="instructions", db_index=False
    )
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    kind = models.TextField(choices=[(k.value, k.value) for k in InstructionKind])
    bm_unit = models.CharField("BM unit", max_length=9, blank=True)
    number = models.BigIntegerField()
    content_digest = models.BinaryField(max_length=32)
    respond_by = models.DateTimeField()
    verdict = models.TextField(blank=True, choices=[(v.value, v.value) for v in Verdict])
    answer = models.ForeignKey(
        Message, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "endpoint", "kind", "bm_unit", "number"], name="instruction_once"
            ),
            models.UniqueConstraint(
                fields=["tenant", "message"], name="instruction_of_one_message"
            ),
        ]
        indexes = [
            models.Index(
                fields=["respond_by"], condition=Q(verdict=""), name="instruction_unanswered"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.bm_unit or 'the control point'}"


class AgentSequence(TenantRow):
    """The number that the next submission of a trading agent bears at an endpoint. Whoever takes a
    submission holds the row locked meanwhile.
    """

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    agent = models.CharField(max_length=9)
    expected = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "endpoint", "agent"], name="agent_sequence_once"
            ),
            models.CheckConstraint(condition=Q(expected__gte=0), name="agent_sequence_numbers"),
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.expected:06d}"
