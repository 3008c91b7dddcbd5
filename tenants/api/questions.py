"""What can be asked of a list: query parameters as serializers, so that they are checked and
described in one place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from tenants.api.pages import PAGE_PARAMETERS
from tenants.api.wanted import too_long


class Question(serializers.Serializer[Any]):
    """A list without filters of its own. `lookups` maps a parameter to what it asks of the rows."""

    lookups: dict[str, str] = {}

    def to_internal_value(self, data: Any) -> Any:
        named = ((name, too_long(field, data.get(name))) for name, field in self.fields.items())
        if wrong := {name: told for name, told in named if told}:
            raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)

    @classmethod
    def of(cls, request: Request) -> dict[str, Any]:
        """The lookups asked for. Raises ValidationError for a parameter that is bad, unknown or
        there twice.
        """
        shown = request.query_params
        question = cls(data={name: shown[name] for name in shown})
        known = question.fields.keys() | PAGE_PARAMETERS
        text = f"not known; known are {', '.join(sorted(known))}"
        _refuse(question, shown.keys() - known, text)
        _refuse(question, {n for n in shown if len(shown.getlist(n)) > 1}, "given more than once")
        question.is_valid(raise_exception=True)
        return {cls.lookups.get(n, n): value for n, value in question.validated_data.items()}


def _refuse(question: Question, names: Iterable[str], text: str) -> None:
    wrong = {name: [f"The parameter is {text}."] for name in sorted(names)}
    if wrong:
        raise serializers.ValidationError(wrong)
