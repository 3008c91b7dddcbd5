"""Jobs, batches, findings and what is registered, as the API shows them. No login is among it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from messaging.smp_models import (
    RegisteredAsset,
    RegisteredUnit,
    SmpBatch,
    SmpFinding,
    SmpJob,
    SmpLogin,
    SmpRow,
)
from tenants.api.fields import HexField
from tenants.api.wanted import Wanted
from tenants.models import Environment

OUTCOMES = ("WRONG", "CHECKED", "NOT_SENT", *SmpBatch.State.values)
_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": {}}


class SmpJobSerializer(serializers.ModelSerializer[SmpJob]):
    endpoint_id = serializers.UUIDField(read_only=True)
    digest = HexField(read_only=True, allow_null=True, help_text="SHA-256 of the file.")

    class Meta:
        model = SmpJob
        fields = (
            *("id", "endpoint_id", "kind", "format", "state", "file_name", "digest", "size"),
            *("check_only", "send_good", "created_by", "created_at", "finished_at", "rows_read"),
            *("rows_wrong", "rows_registered", "rows_failed", "findings"),
            *("findings_left_out", "reason"),
        )
        read_only_fields = fields


class SmpBatchSerializer(serializers.ModelSerializer[SmpBatch]):
    """Its id is the messageId of the request."""

    job_id = serializers.UUIDField(read_only=True)
    payload_digest = HexField(read_only=True, allow_null=True)
    settled_by = serializers.CharField(
        read_only=True, help_text="ANSWER, STATUS, RETURN or PERSON; empty while it is not settled."
    )

    class Meta:
        model = SmpBatch
        fields = (
            *("id", "job_id", "position", "first_row", "last_row", "rows", "state", "attempts"),
            *("payload_digest", "sent_at", "transaction_id", "polls", "person_called_at"),
            *("settled_at", "settled_by", "text"),
        )
        read_only_fields = fields


class SmpFindingSerializer(serializers.ModelSerializer[SmpFinding]):
    class Meta:
        model = SmpFinding
        fields = ("row", "column", "field", "value", "source", "rule", "code", "text")
        read_only_fields = fields


class SmpRowSerializer(serializers.ModelSerializer[SmpRow]):
    outcome = serializers.SerializerMethodField(
        help_text="WRONG, else what became of its batch; CHECKED or NOT_SENT where it has none."
    )

    class Meta:
        model = SmpRow
        fields = ("row", "name", "import_mpan", "export_mpan", "outcome")
        read_only_fields = fields

    @extend_schema_field({"type": "string", "enum": sorted(set(OUTCOMES))})
    def get_outcome(self, row: SmpRow) -> str:
        if row.wrong:
            return "WRONG"
        batches: list[SmpBatch] = self.context["batches"]
        found = (one.state for one in batches if one.first_row <= row.row <= one.last_row)
        return next(found, self.context["without"])


class RegisteredUnitSerializer(serializers.ModelSerializer[RegisteredUnit]):
    job_id = serializers.UUIDField(read_only=True, allow_null=True)
    unit = extend_schema_field(_OBJECT)(serializers.JSONField)(read_only=True)

    class Meta:
        model = RegisteredUnit
        fields = (
            *("id", "environment", "name", "unit", "valid_from", "valid_to", "job_id"),
            *("ended_by", "end_reason"),
        )
        read_only_fields = fields


class RegisteredAssetSerializer(serializers.ModelSerializer[RegisteredAsset]):
    job_id = serializers.UUIDField(read_only=True, allow_null=True)
    unit_id = serializers.UUIDField(read_only=True, allow_null=True)
    asset = extend_schema_field(_OBJECT)(serializers.JSONField)(read_only=True)

    class Meta:
        model = RegisteredAsset
        fields = (
            *("id", "environment", "name", "asset", "site", "capacity_mw", "unit_id"),
            *("valid_from", "valid_to", "job_id", "row", "ended_by", "end_reason"),
        )
        read_only_fields = fields


class AssetHistorySerializer(serializers.Serializer[Any]):
    asset = RegisteredAssetSerializer()
    history = RegisteredAssetSerializer(many=True, help_text="Of the name, oldest first.")


class SmpLoginSerializer(serializers.ModelSerializer[SmpLogin]):
    endpoint_id = serializers.UUIDField(read_only=True)
    environment = serializers.CharField(source="endpoint.environment", read_only=True)

    class Meta:
        model = SmpLogin
        fields = (
            *("endpoint_id", "environment", "username", "set_at", "set_by", "token_until"),
            "refused_at",
        )
        read_only_fields = fields


class SmpLoginsSerializer(serializers.Serializer[Any]):
    logins = SmpLoginSerializer(many=True)


class LoginWanted(Wanted):
    """A login; the password is never shown again."""

    environment = serializers.ChoiceField(Environment.choices)
    username = serializers.CharField(max_length=200)
    password = serializers.CharField(max_length=1000, trim_whitespace=False, write_only=True)


class ReasonWanted(Wanted):
    reason = serializers.CharField(max_length=500)


class ResolveWanted(ReasonWanted):
    """What was found out of a batch that was sent and not answered."""

    taken = serializers.BooleanField(help_text="Whether the platform has taken it.")
    transaction_id = serializers.CharField(
        max_length=200, default="", allow_blank=True, help_text="Under which, where it is known."
    )


class LoadSerializer(serializers.Serializer[Any]):
    site = serializers.CharField(allow_blank=True, help_text="Empty: all sites.")
    capacity_mw = serializers.DecimalField(16, 6, source="capacity")
    limit_mw = serializers.IntegerField(source="limit")
    percent = serializers.DecimalField(12, 2)
    mark = serializers.IntegerField(help_text="The highest of 0, 80, 90, 100 % reached.")


class CapacitySerializer(serializers.Serializer[Any]):
    environment = serializers.CharField()
    portfolio = LoadSerializer()
    sites = LoadSerializer(many=True, help_text="The 100 with most, largest first.")


class CapacitiesSerializer(serializers.Serializer[Any]):
    environments = CapacitySerializer(many=True)
