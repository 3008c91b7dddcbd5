"""The addresses of the web process."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer2
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from hostsvc import (
    health,
    openapi,  # noqa: F401  (registers how keys are described)
)

_description = SpectacularAPIView.as_view(
    renderer_classes=[OpenApiJsonRenderer2, OpenApiYamlRenderer2]
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("api/v1/", include("tenants.api.urls")),
    path("api/v1/", include("messaging.api.urls")),
    path("api/v1/openapi", _description, name="openapi"),
    path("api/v1/docs", SpectacularSwaggerView.as_view(url_name="openapi")),
]

handler400 = "hostsvc.problems.bad_request"
handler404 = "hostsvc.problems.not_found"
handler500 = "hostsvc.problems.internal"
