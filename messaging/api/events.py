"""What happens to a tenant, as a list to ask for or a stream to listen to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from django.db import connection
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.events import reading, stream
from messaging.events.reading import Page
from messaging.events.types import EventType, Way
from tenants.api.authentication import caller_of, still_may_read
from tenants.api.described import described
from tenants.api.door import TenantView
from tenants.api.limiting import TooManyRequests
from tenants.api.questions import Question

_LARGEST_SEQ = 2**63 - 1
_STREAM: Final = "text/event-stream"
_BEGINNING: Final = f"retry: {stream.RECONNECT_MS}\n\n"
_AGAIN_S: Final = 10


class EventStreamRenderer(BaseRenderer):
    """Text as it is; a refusal, which is no stream, as JSON."""

    media_type = _STREAM
    format = "event-stream"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        text = data if isinstance(data, str) else json.dumps(data)
        return text.encode()


class HappeningSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="Of its entry in the audit chain; always rising.")
    type = serializers.ChoiceField([(kind.value, kind.name) for kind in EventType])
    timestamp = serializers.DateTimeField()
    data = serializers.DictField()  # type: ignore[assignment]


class EventPageSerializer(serializers.Serializer[Any]):
    results = HappeningSerializer(many=True)
    last_id = serializers.IntegerField(help_text="Ask for what comes after it next.")
    more = serializers.BooleanField(help_text="Whether there may be more already.")


_ONE_OF_THEM: Final = f"({'|'.join(re.escape(kind.value) for kind in EventType)})"


@extend_schema_field({"type": "string", "pattern": f"^{_ONE_OF_THEM}(,{_ONE_OF_THEM})*$"})
class TypesField(serializers.Field[frozenset[EventType], str, str, Any]):
    def to_internal_value(self, data: str) -> frozenset[EventType]:
        names = [name.strip() for name in data.split(",")]
        try:
            return frozenset(EventType(name) for name in names)
        except ValueError as error:
            raise ValidationError(f"{error}.") from None


class EventQuestion(Question):
    after = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=_LARGEST_SEQ,
        help_text="Only events beyond this id. A list without it begins with the oldest, a stream"
        " with what happens from now on.",
    )
    types = TypesField(required=False, help_text="Only these, separated by commas.")


@described(
    "list_events",
    "What happens, as a list or as a stream",
    "events",
    parameters=[
        EventQuestion,
        OpenApiParameter(
            "Last-Event-ID",
            {"type": "integer", "minimum": 0, "maximum": _LARGEST_SEQ},
            OpenApiParameter.HEADER,
            description="Of a stream that is resumed: as `after`, and before it.",
        ),
    ],
    responses={
        (200, "application/json"): EventPageSerializer,
        (200, _STREAM): OpenApiTypes.STR,
    },
)
class EventList(TenantView):
    """Asked for `text/event-stream`, the answer goes on for as long as both sides like: server-sent
    events with `id`, `event` and, as `data`, the JSON of `type`, `timestamp` and `data`. With
    `Last-Event-ID` it goes on behind that event. It ends when the key is revoked. Types and what
    stands in them: docs/events.md.
    """

    renderer_classes = [JSONRenderer, EventStreamRenderer]

    def get(self, request: Request) -> Response:
        asked = EventQuestion.of(request)
        types: frozenset[EventType] = asked.get("types", frozenset())
        resumed = _last_event_id(request, asked.get("after"))
        if isinstance(request.accepted_renderer, EventStreamRenderer):
            return self._stream(request, resumed, types)
        page = reading.read(asked.get("after", 0), types)
        return Response(EventPageSerializer(_shown(page)).data)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """The connection goes back before a stream begins, not when it ends."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code == 200 and not connection.in_atomic_block:
            connection.close()
        return response

    def _stream(self, request: Request, after: int | None, types: frozenset[EventType]) -> Response:
        """The beginning; the application around Django goes on with it."""
        tenant_id = caller_of(request).tenant_id
        page = reading.read(after, types) if after is not None else _from_now_on()
        if request.method == "GET":
            _grant(request, stream.Grant(tenant_id, page.last, types, still_may_read(request)))
        answer = Response(_BEGINNING + stream.written(page.happenings))
        answer["Cache-Control"] = "no-store"
        answer["X-Accel-Buffering"] = "no"
        return answer


def _grant(request: Request, granted: stream.Grant) -> None:
    try:
        stream.grant(getattr(request._request, "scope", None), granted)
    except stream.TooManyStreams:
        raise TooManyRequests(_AGAIN_S) from None


def _from_now_on() -> Page:
    return Page((), reading.head(), more=False)


def _last_event_id(request: Request, after: int | None) -> int | None:
    """The header goes before the parameter: a browser that comes back sends both. Empty, it is of a
    client that has lost its place, and would miss what happened since.
    """
    text = request.headers.get("Last-Event-ID")
    if text is None:
        return after
    if not (text.isascii() and text.isdigit() and int(text) <= _LARGEST_SEQ):
        raise ValidationError({"Last-Event-ID": ["The id of an event."]})
    return int(text)


def _shown(page: Page) -> dict[str, Any]:
    shown = [{"id": one.id, **one.payload} for one in page.happenings if Way.STREAM in one.ways]
    return {"results": shown, "last_id": page.last, "more": page.more}
