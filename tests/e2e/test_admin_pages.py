"""The admin of a running stack in a browser: what its two groups see of real traffic, that no
secret is shown, and that nobody else gets in. Every page there is, is opened in
tests/admin/test_browser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from django.db.models import Model
from django.urls import reverse
from playwright.sync_api import Browser

from hostsvc.staff_groups import ADMINISTRATOR, SUPPORT
from messaging.models import Delivery, Link, Message
from tenants.models import Certificate, Endpoint, Tenant
from tests.admin.test_wall import CLOSED, address
from tests.e2e import browsing
from tests.e2e.browsing import Visitor, accounts, chromium, visitor
from tests.e2e.rig import Rig, mel, run
from tests.e2e.test_main_job import POINT, UNIT, said

pytestmark = pytest.mark.usefixtures("carried")
REASON = "a look at every page, by a test"
PAGES: list[type[Model]] = [Tenant, Endpoint, Certificate, Message, Delivery, Link]
"""Those on which a demonstration's secrets could stand, or its traffic."""
FIRST_ROW = "#result_list a[href$='/change/'], #result_list a[href*='/change/?']"


@pytest.fixture(scope="module")
def carried(stack: Rig) -> None:
    """A redeclaration up and an acceptance down, so that there is something to see."""

    async def work() -> None:
        async with stack.control_point("alder") as point:
            await point.wait_ready()
            assert await said(point, mel(POINT, UNIT, 77)) == ("OK", "OK")
            assert stack.dispatch(UNIT, POINT)["answer"]["status"] == 200

    run(work)


@pytest.fixture(scope="module")
def browser(stack: Rig, carried: None, os_tool: Callable[[str], str]) -> Iterator[Browser]:
    with accounts(stack), chromium(os_tool("chromium")) as found:
        yield found


def place_of(model: type[Model], page: str = "changelist") -> str:
    return reverse(
        f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", "hostsvc.urls_admin"
    )


def secrets(stack: Rig) -> list[str]:
    keys = [tenant["apiKey"].split("_", 2)[2] for tenant in stack.service["tenants"]]
    return [*keys, "PRIVATE KEY-----", stack.service["admin"]["password"]]


def look(who: Visitor, place: str, hidden: list[str]) -> None:
    assert who.go(place) == 200, place
    content = who.page.content()
    assert not [secret for secret in hidden if secret in content], place
    assert who.page.locator("h1, h2").count() or "fieldset" in content, place
    assert not who.complaints, place


@pytest.mark.parametrize("group", [ADMINISTRATOR, SUPPORT])
def test_staff_see_the_traffic_and_support_is_offered_nothing_to_write(
    stack: Rig, browser: Browser, group: str
) -> None:
    hidden = secrets(stack)
    with visitor(stack, browser, group) as who:
        look(who, "/admin/", hidden)
        assert "Instructions unanswered" in who.text()
        look(who, "/admin/audit/chain/deeds/", hidden)
        for model in PAGES:
            look(who, place_of(model), hidden)
            if group == SUPPORT:
                assert not who.page.locator("select[name=action]").count(), model
                assert not who.page.locator(f"a[href='{place_of(model, 'add')}']").count(), model
            row = who.page.locator(FIRST_ROW)
            assert row.count(), model
            look(who, str(row.first.get_attribute("href")), hidden)
            saves = who.page.locator("button[name=_save], input[name=_save]").count()
            assert not saves or group == ADMINISTRATOR, model


def test_the_staffs_own_accounts_are_closed_to_both(stack: Rig, browser: Browser) -> None:
    for group in (ADMINISTRATOR, SUPPORT):
        with visitor(stack, browser, group) as who:
            assert who.go("/admin/auth/user/") == 403


def test_an_outsider_gets_the_login_and_nothing_else(stack: Rig, browser: Browser) -> None:
    with visitor(stack, browser) as who:
        ((tenant_id,),) = stack.query("SELECT id FROM tenants_tenant WHERE name = 'alder'")
        for route in CLOSED:
            place = address(route, tenant_id)
            answer = who.context.request.get(who.url + place, max_redirects=0)
            assert answer.status == 302, place
            assert answer.headers["location"].startswith("/admin/login/"), place
        assert who.go("/admin/messaging/message/") == 200
        assert who.page.locator("input[name=password]").count() == 1
        assert UNIT not in who.page.content()
        assert not who.complaints


def test_a_wrong_password_lets_nobody_in(stack: Rig, browser: Browser) -> None:
    with visitor(stack, browser) as who:
        who.go("/admin/login/")
        who.page.fill("input[name=username]", SUPPORT)
        who.page.fill("input[name=password]", browsing.PASSWORD[::-1])
        who.page.click("button[type=submit]")
        assert "/admin/login/" in who.page.url
        assert who.go("/admin/messaging/message/") == 200
        assert "/admin/login/" in who.page.url


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("MEL", ["field by field", "bm_unit", UNIT]),
        ("BOA", ["as JSON", "acceptanceNumber", "signature\tholds", "peer "]),
    ],
)
def test_a_message_is_read_for_a_reason(
    stack: Rig, browser: Browser, kind: str, words: list[str]
) -> None:
    with visitor(stack, browser, SUPPORT) as who:
        who.go(f"/admin/messaging/message/?q={UNIT}")
        who.page.locator("#result_list tr", has_text=re.compile(rf"\b{kind}\b")).first.locator(
            "a"
        ).first.click()
        who.page.wait_for_selector("svg.drawn")
        assert "received, until stored" in who.page.content()
        who.page.click("text=give a reason to see it")
        who.page.fill("input[name=reason]", REASON)
        who.page.click("text=Show the body")
        who.page.wait_for_selector(".shown")
        told = who.text()
        assert not [word for word in words if word not in told]
        assert not who.complaints
        who.go("/admin/audit/chain/deeds/?by=support")
        assert REASON in who.text()
