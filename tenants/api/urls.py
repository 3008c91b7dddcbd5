"""Addresses below /api/v1 that are about the tenant."""

from __future__ import annotations

from django.urls import path

from tenants.api import audit, certificates, register

urlpatterns = [
    path("tenant", register.TenantDetail.as_view()),
    path("bm-units", register.BmUnitList.as_view()),
    path("endpoints", register.EndpointList.as_view()),
    path("certificates", certificates.CertificateList.as_view()),
    path("certificates/requests", certificates.CertificateRequests.as_view()),
    path("certificates/uploads", certificates.CertificateUploads.as_view()),
    path("certificates/<uuid:certificate_id>", certificates.CertificateDetail.as_view()),
    path("certificates/<uuid:certificate_id>/answer", certificates.CertificateAnswer.as_view()),
    path(
        "certificates/<uuid:certificate_id>/switch-over",
        certificates.CertificateSwitchOver.as_view(),
    ),
    path("certificates/<uuid:certificate_id>/revoke", certificates.CertificateRevocation.as_view()),
    path("audit/entries", audit.EntryList.as_view()),
    path("audit/head", audit.HeadDetail.as_view()),
]
