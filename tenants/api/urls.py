"""Addresses below /api/v1 that are about the tenant."""

from __future__ import annotations

from django.urls import path

from tenants.api import audit, certificates, endpoints, file_logins, keys, people, register

urlpatterns = [
    path("me", people.Me.as_view()),
    path("members", people.MemberList.as_view()),
    path("members/<uuid:member_id>", people.MemberDetail.as_view()),
    path("api-keys", keys.ApiKeyList.as_view()),
    path("api-keys/<uuid:api_key_id>", keys.ApiKeyDetail.as_view()),
    path("api-keys/<uuid:api_key_id>/rotate", keys.ApiKeyRotation.as_view()),
    path("api-certificates", keys.ApiCertificateList.as_view()),
    path("api-certificates/<uuid:api_certificate_id>", keys.ApiCertificateDetail.as_view()),
    path("tenant", register.TenantDetail.as_view()),
    path("bm-units", register.BmUnitList.as_view()),
    path("endpoints", endpoints.EndpointList.as_view()),
    path("endpoints/<uuid:endpoint_id>", endpoints.EndpointDetail.as_view()),
    path("endpoints/<uuid:endpoint_id>/file-logins", file_logins.FileLoginList.as_view()),
    path("file-logins/<uuid:file_login_id>", file_logins.FileLoginDetail.as_view()),
    path("endpoints/<uuid:endpoint_id>/remote-secret", file_logins.RemoteSecretDetail.as_view()),
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
