"""What a request's body asks for: checked, and refused where it says something that is not known,
so that a misspelt limit is not the lack of one.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request

LONGEST_LABEL = 200
MOST_NETWORKS = 50


class Wanted(serializers.Serializer[Any]):
    """Base of the serializers of bodies, which are JSON: a number is no text there, and no text a
    number.
    """

    def to_internal_value(self, data: Any) -> Any:
        if wrong := _wrong_kinds(self, data):
            raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)

    @classmethod
    def of(cls, request: Request) -> dict[str, Any]:
        """Raises ValidationError for a body that is no object, or has a member that is bad or not
        known.
        """
        data: Any = request.data
        body = cls(data=data)
        if isinstance(data, dict) and (unknown := sorted(data.keys() - body.fields.keys())):
            raise serializers.ValidationError({name: ["This is not known."] for name in unknown})
        body.is_valid(raise_exception=True)
        checked: dict[str, Any] = body.validated_data
        return checked


def _wrong_kinds(field: Any, value: Any) -> Any:
    """What is of another kind than wanted, under its names, or nothing. All else is the fields' to
    find.
    """
    if isinstance(field, serializers.ListField | serializers.ListSerializer):
        parts = enumerate(value) if isinstance(value, list) else ()
        return {str(at): told for at, one in parts if (told := _wrong_kinds(field.child, one))}
    if isinstance(field, serializers.Serializer):
        if value is None and field.parent is not None:
            return ["An object is wanted."]
        shown = value if isinstance(value, dict) else {}
        named = ((name, one) for name, one in field.fields.items() if name in shown)
        return {name: told for name, one in named if (told := _wrong_kinds(one, shown[name]))}
    for kind, fits, text in _KINDS:
        if isinstance(field, kind) and value is not None and not fits(value):
            return [text]
    return too_long(field, value)


def too_long(field: Any, value: Any) -> list[str] | None:
    """Counted as it came, which is what the description of the API says: the field itself counts
    what is left without the white space around it.
    """
    limit = getattr(field, "max_length", None)
    if limit is None or not isinstance(value, str) or len(value) <= limit:
        return None
    return [f"Ensure this field has no more than {limit} characters."]


def _is_whole(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


_KINDS: Final = (
    (serializers.CharField, lambda value: isinstance(value, str), "A text is wanted."),
    (serializers.UUIDField, lambda value: isinstance(value, str), "A UUID is wanted, as text."),
    (serializers.BooleanField, lambda value: isinstance(value, bool), "true or false is wanted."),
    (serializers.IntegerField, _is_whole, "A whole number is wanted."),
)


class NetworkField(serializers.CharField):
    """A CIDR or one address, kept as CIDR. Bits beyond the prefix are refused: they are hardly what
    was meant.
    """

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return str(ipaddress.ip_network(text))
        except ValueError as error:
            raise serializers.ValidationError(f"{error}.") from None


def networks_field() -> serializers.ListField:
    return serializers.ListField(
        child=NetworkField(max_length=50),
        max_length=MOST_NETWORKS,
        required=False,
        help_text="Where it may be shown from; empty means anywhere.",
    )
