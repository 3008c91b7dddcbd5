"""The form of an instruction response; whether the instruction exists and still waits is the book's
to say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messaging.simulator.checks.fields import Fields
from messaging.simulator.checks.findings import Code
from messaging.simulator.checks.redeclaration import read_bm_unit, read_control_point
from messaging.simulator.config import Tenant

NUMBER_OF_KIND = {
    "BOA": "acceptanceNumber",
    "ANCILLARY": "instructionNumber",
    "EMERGENCY": "instructionNumber",
}
VERDICTS = frozenset({"ACCEPTED", "REJECTED"})
HIGHEST_NUMBER = 9_999_999_999


@dataclass(frozen=True, slots=True)
class Response:
    """A well-formed verdict; `in_reply_to` is None where the response does not name a message."""

    kind: str
    control_point: str
    bm_unit: str | None
    number: int
    verdict: str
    responded_at: datetime
    in_reply_to: str | None

    def key(self) -> tuple[str, str, str | None, int]:
        return self.kind, self.control_point, self.bm_unit, self.number


def read_response(fields: Fields, tenant: Tenant) -> Response | None:
    """None after noting why."""
    kind = fields.one_of("kind", NUMBER_OF_KIND, Code.UNKNOWN_TYPE, "kind")
    point = read_control_point(fields, tenant)
    unit = None
    if not (kind == "EMERGENCY" and fields.is_null("bmUnit")):
        unit = read_bm_unit(fields, tenant, point)
    number = None
    if kind is not None:
        number = fields.integer(NUMBER_OF_KIND[kind], 0, HIGHEST_NUMBER)
    verdict = fields.one_of("verdict", VERDICTS, what="verdict")
    fields.text_or_null("reasonCode")
    fields.text_or_null("reasonText")
    at = fields.stamp("respondedAt")
    named = fields.text("inReplyTo") if fields.has("inReplyTo") else None
    if fields.findings or kind is None or point is None or number is None:
        return None
    if verdict is None or at is None:
        return None
    return Response(kind, point, unit, number, verdict, at, named)
