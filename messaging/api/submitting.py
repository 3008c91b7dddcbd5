"""Submits messages: one as JSON, or many as a JSON array or as JSON lines, each with an outcome of
its own. What is taken goes the way of the control point's own messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.api import filing
from messaging.api.content import schemas_of
from messaging.api.finding import FindingSerializer, refused, refused_at
from messaging.api.problems import TenantSuspended, refuse_where_full
from messaging.domain.redeclarations import Redeclaration
from messaging.domain.rules import Violation, problem_item
from messaging.domain.submissions import Submission
from messaging.protocols.rest import codec as rest
from messaging.protocols.rest.reading import Unreadable, read
from messaging.relay import from_api
from messaging.relay.from_api import By, Examined, Taken
from messaging.relay.wake import wake
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantView
from tenants.api.idempotency import find_key
from tenants.api.problems import Recorded, Unprocessable
from tenants.api.questions import Question
from tenants.clock import now
from tenants.permissions import Permission

MOST_MESSAGES: Final = 500
"""Of one bulk request."""

ONE: Final = schemas_of(*rest.REDECLARED, Submission)
"""What can be submitted: a redeclaration or a submission, as a message's `content` shows it."""
REDECLARED: Final = schemas_of(*rest.REDECLARED)

EXAMPLE: Final[dict[str, Any]] = {
    "type": "LevelRedeclaration",
    "control_point": "CPALFA",
    "bm_unit": "TBMU-1",
    "parameter": "MEL",
    "levels": [
        {
            "type": "Segment",
            "time_from": "2026-11-22T10:00:00Z",
            "level_from": 100,
            "time_to": "2026-11-22T10:30:00Z",
            "level_to": 100,
        }
    ],
}


class JsonBytes(BaseParser):
    """The bytes as they came: they are what is stored."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Bounded, as any body that is held in memory."""
        return parser_context["request"]._request.body


class CsvBytes(JsonBytes):
    media_type = "text/csv"


class LineBytes(JsonBytes):
    media_type = "application/x-ndjson"


class SubmissionQuestion(Question):
    validate_only = serializers.BooleanField(
        required=False, help_text="Say what would be said, and take nothing. Needs no key."
    )


class OneQuestion(SubmissionQuestion):
    """The last three are for a trading agent's submission."""

    endpoint_id = serializers.UUIDField(
        required=False, help_text="The endpoint for files; if not given, the only one."
    )
    trading_agent = serializers.CharField(
        required=False, max_length=9, help_text="Of CSV; if not given, the tenant's own."
    )
    sequence = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=999_999,
        help_text="Of CSV: the number it bears; if not given, the next.",
    )


class BulkQuestion(SubmissionQuestion):
    all_or_nothing = serializers.BooleanField(
        required=False, help_text="Take all the messages, or, if one is refused, none."
    )


class TakenSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(
        allow_null=True, help_text="The message's; null where it was only validated."
    )
    sequence = serializers.IntegerField(
        required=False, allow_null=True, help_text="Of a submission: the number it bears."
    )
    warnings = FindingSerializer(many=True)


class OutcomeSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Of the message in the request, from 0.")
    status = serializers.ChoiceField(["TAKEN", "VALID", "REFUSED"])
    id = serializers.UUIDField(allow_null=True)
    findings = FindingSerializer(many=True, help_text="Why it was refused; or warnings.")


class BulkSerializer(serializers.Serializer[Any]):
    taken = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = OutcomeSerializer(many=True)


@dataclass(frozen=True, slots=True)
class Item:
    """One message of a request: its bytes, and what became of examining it."""

    content: bytes
    examined: Examined | None
    found: tuple[Violation, ...]


class SubmissionView(TenantView):
    """What both ways to submit have in common."""

    def wants_key(self, request: Request) -> bool:
        return not self.only_validates(request)

    @staticmethod
    def only_validates(request: Request) -> bool:
        """As the question is read: what it takes for a yes, is one here."""
        said = request.query_params.get("validate_only", "")
        return said.strip().lower() in serializers.BooleanField.TRUE_VALUES


def post_one(request: Request) -> Response:
    """Takes the one message, or submission, of a request."""
    asked, content = OneQuestion.of(request), _bytes(request)
    if not asked.get("validate_only"):
        refuse_where_full()
    if _is(request, CsvBytes):
        return filing.post_file(request, content, asked)
    value = _parsed(content)
    if isinstance(value, dict) and value.get("type") == Submission.__name__:
        return filing.post_records(request, value, content, asked)
    return _post_message(request, value, content, only_validates=bool(asked.get("validate_only")))


def _post_message(
    request: Request, value: Any, content: bytes, *, only_validates: bool
) -> Response:
    at, by = now(), dict(caller_of(request).shown.told)
    item = _examined(content, value, at)
    if item.examined is None:
        if only_validates:
            raise refused(item.found, Unprocessable)
        from_api.note_refused(content, item.found, at, by)
        raise refused(item.found, Recorded)
    warnings = [problem_item(one) for one in item.examined.warnings]
    if only_validates:
        return Response({"id": None, "warnings": warnings})
    (taken,) = _take([item.examined], [content], find_key(request) or "", at, by)
    told = {"id": str(taken.message_id), "warnings": warnings}
    location = request.build_absolute_uri(f"/api/v1/messages/{taken.message_id}")
    return Response(told, status=202, headers={"Location": location})


def _is(request: Request, parser: type[BaseParser]) -> bool:
    return (request.content_type or "").lower().startswith(str(parser.media_type))


@described(
    "submit_messages",
    "Submit many messages",
    "messages",
    method="post",
    parameters=[BulkQuestion],
    request={
        "application/json": {"type": "array", "items": REDECLARED},
        "application/x-ndjson": {"type": "string"},
    },
    responses={200: BulkSerializer, 202: BulkSerializer},
    examples=[OpenApiExample("two MELs", [EXAMPLE, EXAMPLE], request_only=True)],
)
class MessageBulk(SubmissionView):
    needs = {"POST": Permission.OPERATE}
    parser_classes = (JsonBytes, LineBytes)

    def post(self, request: Request) -> Response:
        """An array of messages, or one a line; at most 500. Each has an outcome of its own, in the
        order of the request, and those taken are sent in that order. With `all_or_nothing` one
        refusal is that of all: 422 `message-refused`, its findings naming the message by `index`.
        """
        asked = BulkQuestion.of(request)
        if not asked.get("validate_only"):
            refuse_where_full()
        at, by = now(), dict(caller_of(request).shown.told)
        items = [_examined(content, value, at) for content, value in _several(request)]
        bad = [index for index, item in enumerate(items) if item.examined is None]
        only_validates = asked.get("validate_only", False)
        if not only_validates:
            for index in bad:
                from_api.note_refused(items[index].content, items[index].found, at, by)
        if bad and asked.get("all_or_nothing"):
            found = [(index, one) for index in bad for one in items[index].found]
            raise refused_at(found, Unprocessable if only_validates else Recorded)
        good = [item for item in items if item.examined is not None]
        taken: Sequence[Taken] = ()
        if not only_validates:
            examined = [item.examined for item in good if item.examined]
            contents = [item.content for item in good]
            taken = _take(examined, contents, find_key(request) or "", at, by)
        told = list(_outcomes(items, taken))
        counts = {"taken": len(taken), "refused": len(bad)}
        return Response({**counts, "results": told}, status=200 if only_validates else 202)


def _several(request: Request) -> Iterator[tuple[bytes, Any]]:
    """Each message's bytes and value. Lines are kept as they came; of an array each element is
    written anew.
    """
    if _is(request, LineBytes):
        lines = [line for line in _bytes(request).splitlines() if line.strip()]
        values = [(line, _parsed(line)) for line in lines[: MOST_MESSAGES + 1]]
    else:
        array = _parsed(_bytes(request))
        if not isinstance(array, list):
            raise ParseError("An array of messages is wanted.")
        values = [(_written(value), value) for value in array[: MOST_MESSAGES + 1]]
    if not 1 <= len(values) <= MOST_MESSAGES:
        raise serializers.ValidationError({"": [f"1 to {MOST_MESSAGES} messages are wanted."]})
    yield from values


def _bytes(request: Request) -> bytes:
    """A request without a body has data of another kind."""
    content: object = request.data
    return content if isinstance(content, bytes) else b""


def _written(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _parsed(content: bytes) -> Any:
    try:
        return rest.parse(content)
    except rest.NotJson as error:
        raise ParseError(str(error)) from None


def _examined(content: bytes, value: Any, at: datetime) -> Item:
    try:
        message: Redeclaration = read(value, *rest.REDECLARED)
        examined = from_api.examine(message, at)
    except (Unreadable, from_api.Refused) as error:
        return Item(content, None, error.found)
    except from_api.Suspended:
        raise TenantSuspended from None
    return Item(content, examined, examined.warnings)


def _take(
    examined: Sequence[Examined],
    contents: Sequence[bytes],
    reference: str,
    at: datetime,
    by: By,
) -> list[Taken]:
    taken = [
        from_api.take(one, content, reference, at, by)
        for one, content in zip(examined, contents, strict=True)
    ]
    made = [delivery for one in taken for delivery in one.deliveries]
    transaction.on_commit(lambda: wake(made))
    return taken


def _outcomes(items: Sequence[Item], taken: Sequence[Taken]) -> Iterator[Mapping[str, Any]]:
    ids = iter(taken)
    for index, item in enumerate(items):
        one = next(ids, None) if item.examined else None
        good = "TAKEN" if one else "VALID"
        yield {
            "index": index,
            "status": good if item.examined else "REFUSED",
            "id": str(one.message_id) if one else None,
            "findings": [problem_item(found) for found in item.found],
        }
