"""The order of what was carried: newest first, by the times that are indexed for each tenant."""

from __future__ import annotations

from tenants.api.pages import OldestFirst


class ByReceipt(OldestFirst):
    ordering = ("-received_at", "-id")


class ByCreation(OldestFirst):
    ordering = ("-created_at", "-id")


class BySettlement(OldestFirst):
    ordering = ("-settled_at", "-id")
