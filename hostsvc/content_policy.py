"""What the pages of the vendor's admin may load and run: files of this host, and nothing that
stands in the page itself.
"""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

# The theme's own library evaluates the attributes of its templates ('unsafe-eval'), and sets styles
# within pages; no script stands in one, so none that is smuggled in runs.
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_ADMIN: Final = "/admin/"


class ContentPolicy(MiddlewareMixin):
    """Sets the policy on every answer of the admin, and keeps its pages out of caches."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if request.path.startswith(_ADMIN):
            response["Content-Security-Policy"] = POLICY
            response.headers.setdefault("Cache-Control", "no-store, private")
        return response
