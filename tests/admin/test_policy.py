"""What browsers are told that pages of the admin may load and run."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from tests.api.carried import Carried

PAGES = ["/admin/", "/admin/tenants/tenant/", "/admin/messaging/message/", "/admin/login/"]


@pytest.mark.parametrize("place", PAGES)
def test_no_script_but_files_of_this_host_and_none_in_the_page(
    staff: Client, carried: Carried, place: str
) -> None:
    answer = staff.get(place, follow=True)
    policy = dict(
        part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; ") if " " in part
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'unsafe-eval'"
    assert policy["frame-ancestors"] == "'none'"
    page = answer.content.decode()
    assert not re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(?!\s*</script>)", page)
    assert not re.findall(r"<[^>]+\son(?:click|load|error)=", page)


def test_pages_are_not_kept_by_browsers(staff: Client, carried: Carried) -> None:
    assert "no-store" in staff.get(reverse("admin:messaging_message_changelist"))["Cache-Control"]
