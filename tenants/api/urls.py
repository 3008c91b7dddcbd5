"""Addresses below /api/v1 that are about the tenant."""

from __future__ import annotations

from django.urls import path

from tenants.api import audit, endpoints, register

urlpatterns = [
    path("tenant", register.TenantDetail.as_view()),
    path("bm-units", register.BmUnitList.as_view()),
    path("endpoints", endpoints.EndpointList.as_view()),
    path("endpoints/<uuid:endpoint_id>", endpoints.EndpointDetail.as_view()),
    path("audit/entries", audit.EntryList.as_view()),
    path("audit/head", audit.HeadDetail.as_view()),
]
