"""What a request's body asks for: checked, and refused where it says something that is not known,
so that a misspelt limit is not the lack of one.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

LONGEST_LABEL = 200
MOST_NETWORKS = 50


class Wanted(serializers.Serializer[Any]):
    """Base of the serializers of bodies."""

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
