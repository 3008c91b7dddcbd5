"""What rules find in what is submitted, as the API tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rest_framework import serializers

from messaging.domain.rules import Violation, problem_item
from tenants.api.problems import Unprocessable

REFUSED: Final = "message-refused"


class FindingSerializer(serializers.Serializer[Any]):
    """What a rule found. Of CSV it names line and field, else where in the JSON."""

    rule = serializers.CharField(help_text="As docs/rules.md names it.")
    code = serializers.CharField(help_text="R001 to R999; in CSV E001 to E031.")
    pointer = serializers.CharField(
        help_text="JSON Pointer into the message.", allow_blank=True, required=False
    )
    line = serializers.IntegerField(required=False)
    field = serializers.CharField(required=False, allow_blank=True)
    value = serializers.CharField(allow_blank=True)
    text = serializers.CharField()


def refused(found: Sequence[Violation], kind: type[Unprocessable]) -> Unprocessable:
    text = "The message breaks the rules: nothing of it is relayed."
    return kind(REFUSED, text, [problem_item(one) for one in found])


def refused_at(found: Sequence[tuple[int, Violation]], kind: type[Unprocessable]) -> Unprocessable:
    """Of messages by their index."""
    text = "A message breaks the rules: none is taken."
    return kind(REFUSED, text, [{"index": index, **problem_item(one)} for index, one in found])
