"""The page on the control port: one HTML document with its style and script inside it, and a policy
that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).resolve().parent / "static"


@dataclass(frozen=True, slots=True)
class Page:
    html: bytes
    policy: str

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/", self.show)

    async def show(self, request: web.Request) -> web.Response:
        headers = {
            "Content-Security-Policy": self.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        return web.Response(
            body=self.html, content_type="text/html", charset="utf-8", headers=headers
        )


def load_page() -> Page:
    document, style, script = (
        (_FOLDER / name).read_text("utf-8") for name in ("page.html", "page.css", "page.js")
    )
    html = document.replace("/*style*/", style).replace("/*script*/", script)
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return Page(html.encode("utf-8"), policy)


def _hash(text: str) -> str:
    """As the element's text: what stands between its tags, to the byte."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
