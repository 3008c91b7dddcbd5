"""A browser as the vendor's staff use it, headless, and accounts for them in a running stack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    StorageState,
    ViewportSize,
    sync_playwright,
)

from hostsvc.staff_groups import ADMINISTRATOR, SUPPORT
from tests.e2e.rig import Rig, clean_environment
from tests.servers import ROOT

PASSWORD = "only for these tests"
_signed_in: dict[str, StorageState] = {}
"""The cookies of each account by address and name, for a log-in takes its time."""
GROUPS = (ADMINISTRATOR, SUPPORT)
_ACCOUNTS = """
from django.contrib.auth.models import Group, User
for name in {groups!r}:
    User.objects.filter(username=name).delete()
    if {wanted}:
        user = User.objects.create_user(name, password={password!r}, is_staff=True)
        user.groups.set([Group.objects.get(name=name)])
"""


@contextmanager
def accounts(rig: Rig) -> Iterator[None]:
    """One for each group, by its name."""
    _write_accounts(rig, wanted=True)
    try:
        yield
    finally:
        _write_accounts(rig, wanted=False)
        _signed_in.clear()


def _write_accounts(rig: Rig, *, wanted: bool) -> None:
    code = _ACCOUNTS.format(groups=GROUPS, wanted=wanted, password=PASSWORD)
    environment = {**clean_environment(), **rig.environment, "HOSTSVC_DATABASE_ROLE": "staff"}
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """The system's own browser: none is downloaded."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=sandbox)
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Visitor:
    """Somebody at the admin, and what their browser complained of meanwhile."""

    url: str
    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def go(self, place: str) -> int:
        """The status that the page came with."""
        response = self.page.goto(self.url + place, wait_until="domcontentloaded")
        assert response is not None, place
        return response.status

    def text(self) -> str:
        return self.page.inner_text("body")


@contextmanager
def visitor(
    rig: Rig, browser: Browser, name: str = "", *, width: int = 1280, height: int = 900
) -> Iterator[Visitor]:
    """At the stack's admin, signed in under this name; nobody without one."""
    url: str = rig.service["admin"]["url"].split("/admin")[0]
    with visitor_at(url, browser, name, width=width, height=height) as found:
        yield found


@contextmanager
def visitor_at(
    url: str, browser: Browser, name: str = "", *, width: int = 1280, height: int = 900
) -> Iterator[Visitor]:
    viewport: ViewportSize = {"width": width, "height": height}
    place = f"{url} {name}"
    context = browser.new_context(viewport=viewport, storage_state=_signed_in.get(place))
    page = context.new_page()
    found = Visitor(url, page, context)
    page.on("pageerror", lambda error: found.complaints.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda said: (
            found.complaints.append(f"{page.url}: {said.text}") if said.type == "error" else None
        ),
    )
    try:
        if name and place not in _signed_in:
            found.go("/admin/login/")
            page.fill("input[name=username]", name)
            page.fill("input[name=password]", PASSWORD)
            page.click("button[type=submit]")
            page.wait_for_url(f"{url}/admin/")
            _signed_in[place] = context.storage_state()
        yield found
    finally:
        context.close()
