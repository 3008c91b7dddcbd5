"""Submits a trading agent's records: as JSON, or as CSV with the columns of a file of its own."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.api.finding import refused
from messaging.api.problems import told
from messaging.domain.rules import Violation, problem_item
from messaging.domain.submissions import Submission
from messaging.protocols.rest.reading import Unreadable, read
from messaging.relay import filed_by_api, from_api
from messaging.relay.filed_by_api import Filing, NoOnePoint
from messaging.relay.trading_points import NoTradingPoint, TradingPoint
from messaging.relay.wake import wake
from tenants.api.authentication import caller_of
from tenants.api.problems import Recorded, Unprocessable
from tenants.clock import now


def post_records(
    request: Request, value: dict[str, Any], content: bytes, asked: dict[str, Any]
) -> Response:
    """A Submission. Without a `sequence` it gets the number that is next."""
    numbered = value.get("sequence") is not None
    at, by = now(), caller_of(request).name
    point = _point(asked)
    value = value if numbered else {**value, "sequence": point.profile.names.first}
    try:
        submission: Submission = read(value, Submission)
        with told():
            filing = filed_by_api.examine_records(point, submission, at, by, numbered=numbered)
    except (Unreadable, from_api.Refused) as error:
        raise _refused(request, content, error.found, asked) from None
    return _taken(request, filing, asked)


def post_file(request: Request, content: bytes, asked: dict[str, Any]) -> Response:
    """The lines of a file, of the tenant's own agent where none is named."""
    at, by = now(), caller_of(request).name
    point = _point(asked)
    agent = asked.get("trading_agent", point.agent)
    try:
        with told():
            filing = filed_by_api.examine_file(point, content, agent, asked.get("sequence"), at, by)
    except from_api.Refused as error:
        raise _refused(request, content, error.found, asked) from None
    return _taken(request, filing, asked)


def _point(asked: dict[str, Any]) -> TradingPoint:
    try:
        return filed_by_api.the_point(asked.get("endpoint_id"))
    except (NoOnePoint, NoTradingPoint):
        text = (
            "Name the endpoint for files that this is for: there is not just one, or no such one."
        )
        raise serializers.ValidationError({"endpoint_id": [text]}) from None


def _refused(
    request: Request, content: bytes, found: tuple[Violation, ...], asked: dict[str, Any]
) -> Unprocessable:
    if asked.get("validate_only"):
        return refused(found, Unprocessable)
    from_api.note_refused(content, found, now(), dict(caller_of(request).shown.told))
    return refused(found, Recorded)


def _taken(request: Request, filing: Filing, asked: dict[str, Any]) -> Response:
    body: dict[str, Any] = {
        "id": None,
        "sequence": filing.offer.sequence,
        "warnings": [problem_item(one) for one in filing.warnings],
    }
    if asked.get("validate_only"):
        return Response(body)
    try:
        filed = filed_by_api.take(filing)
    except from_api.Refused as error:
        raise refused(error.found, Recorded) from None
    transaction.on_commit(lambda: wake(filed.deliveries))
    body |= {"id": str(filed.message_id), "sequence": filed.sequence}
    location = request.build_absolute_uri(f"/api/v1/messages/{filed.message_id}")
    return Response(body, status=202, headers={"Location": location})
