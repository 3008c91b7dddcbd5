"""Bytes as the API writes them: digests in hexadecimal, content in base64."""

from __future__ import annotations

import base64
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


@extend_schema_field({"type": "string", "pattern": "^[0-9a-f]*$"})
class HexField(serializers.Field[bytes, bytes, str, Any]):
    """Lower-case hexadecimal."""

    def to_representation(self, value: bytes) -> str:
        return bytes(value).hex()


@extend_schema_field(OpenApiTypes.BYTE)
class Base64Field(serializers.Field[bytes, bytes, str, Any]):
    """Standard base64 with padding."""

    def to_representation(self, value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")
