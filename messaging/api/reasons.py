"""The reason that a person gives, as the API takes it."""

from __future__ import annotations

from rest_framework import serializers

from tenants.api.wanted import Wanted

LONGEST = 500


class ReasonSerializer(Wanted):
    reason = serializers.CharField(max_length=LONGEST, help_text="For the audit log.")
