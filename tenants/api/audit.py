"""The tenant's audit chain as it is stored: entries in order, and the head to keep outside, where
nobody can rewind it.
"""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.fields import Base64Field, HexField
from tenants.api.pages import BySequence
from tenants.api.questions import Question
from tenants.audit.chain import Head, genesis
from tenants.audit.models import Chain, Entry

_LARGEST_SEQ = 2**63 - 1


class EntrySerializer(serializers.ModelSerializer[Entry]):
    """`record_base64` holds the very bytes that were hashed; `record` is the same for reading."""

    record = serializers.SerializerMethodField()
    record_base64 = Base64Field(source="record", read_only=True)
    hash = HexField(
        read_only=True,
        help_text="SHA-256 of the previous hash, seq as 8 bytes (big-endian) and the record.",
    )

    class Meta:
        model = Entry
        fields = (
            *("seq", "recorded_at", "event", "message_id", "delivery_id"),
            *("record", "record_base64", "hash"),
        )
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_record(self, row: Entry) -> Any:
        return json.loads(bytes(row.record))


class HeadSerializer(serializers.Serializer[Head]):
    seq = serializers.IntegerField(min_value=0)
    hash = HexField()


class EntryQuestion(Question):
    after = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=_LARGEST_SEQ,
        help_text="Only entries beyond this seq.",
    )
    message_id = serializers.UUIDField(required=False, help_text="Only a message's own hops.")

    lookups = {"after": "seq__gt"}


@described(
    "list_audit_entries",
    "Audit entries in the order of the chain",
    "audit",
    parameters=[EntryQuestion],
)
class EntryList(TenantList[Entry]):
    serializer_class = EntrySerializer
    pagination_class = BySequence
    question = EntryQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[Entry]:
        return Entry.objects.filter(**asked)


@described("get_audit_head", "Where the chain ends", "audit", responses=HeadSerializer)
class HeadDetail(TenantView):
    def get(self, request: Request) -> Response:
        chain = Chain.objects.first()
        if chain is None:
            head = Head(0, genesis(caller_of(request).tenant_id))
        else:
            head = Head(chain.head_seq, bytes(chain.head_hash))
        return Response(HeadSerializer(head).data)
