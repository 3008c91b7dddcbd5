"""Every page of the admin in a browser, as administrator, support and outsiders: each opens or does
not, runs no script but the theme's own, complains of nothing, and shows no secret.

Pages are taken from the addresses themselves: one that is added and not said here to be anybody's
makes a test fail.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from playwright.sync_api import Browser

from hostsvc.staff_groups import ADMINISTRATOR, SUPPORT, permissions
from messaging.models import Message
from tests.admin.everything import fill, fill_the_vendors
from tests.api.carried import Carried, carry
from tests.e2e.browsing import PASSWORD, Visitor, chromium, visitor_at
from tests.people import Person

BOTH = frozenset({ADMINISTRATOR, SUPPORT})
ONE = frozenset({ADMINISTRATOR})

NEWCOMER = "newcomer"
"""Of the staff, and in neither group: an outsider to all but the list of pages."""

OWN: Mapping[str, frozenset[str]] = {
    "audit_chain_deeds": BOTH,
    "messaging_agentsequence_next": ONE,
    "messaging_delivery_accept": ONE,
    "messaging_delivery_body": BOTH,
    "messaging_delivery_close": ONE,
    "messaging_delivery_reject": ONE,
    "messaging_delivery_replay": ONE,
    "messaging_delivery_stop": ONE,
    "messaging_message_body": BOTH,
    "messaging_smpbatch_body": BOTH,
    "messaging_smpbatch_resolve": ONE,
    "tenants_endpoint_test": ONE,
    "tenants_tenant_owner": ONE,
}
"""Pages that are not Django's, and who opens them."""

NO_PAGE = {
    "autocomplete",  # answers in JSON to a field of a form
    "jsi18n",  # a script
    "login",  # tried in every test here
    "logout",  # takes a POST
    "password_change_done",
    "search",  # a piece of a page: names of lists
    "tenants_endpoint_to_connection_test",  # leads to tenants_endpoint_test
    "view_on_site",  # no row has a page elsewhere
    # Attempts have no page each: they stand on their delivery's.
    *(f"messaging_attempt_{page}" for page in ("change", "delete", "history")),
    "auth_user_password_change",  # of the accounts, which are closed to both
}
UNLINKED = "_history"
"""What Django has and no page leads to: asked for, and not drawn."""
EVERYBODYS = {"index", "password_change"}
_USUAL = re.compile(r"(?P<app>[a-z]+)_(?P<model>[a-z]+)_(?P<page>[a-z]+)")
_VERBS = {"changelist": "view", "change": "view", "history": "view", "add": "add"}
_VERBS |= {"delete": "delete"}
_MISWRITTEN = re.compile(r"\b(?:Bm unit|Api key|Api certificate|Pem|Url)s?\b")
"""What Django makes of a field's name, where people write it otherwise."""
_IS_WIDER = "document.documentElement.scrollWidth > innerWidth"
ADDED_ELSEWHERE = {"apikey"}
"""That somebody may add one does not make it a page: it is done on another."""


def patterns(found: list[Any] | None = None) -> Iterator[URLPattern]:
    rows = get_resolver("hostsvc.urls_admin").url_patterns if found is None else found
    for one in rows:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        elif isinstance(one, URLPattern) and one.name:
            yield one


NAMES = sorted({str(one.name) for one in patterns()} - NO_PAGE - {"app_list"})


def who_opens(name: str) -> frozenset[str] | None:
    """None where nothing says so."""
    if name in EVERYBODYS:
        return BOTH | {NEWCOMER}
    if name in OWN:
        return OWN[name]
    usual = _USUAL.fullmatch(name)
    if usual is None or usual["page"] not in _VERBS:
        return None
    if usual["page"] == "add" and usual["model"] in ADDED_ELSEWHERE:
        return frozenset()
    wanted = f"{usual['app']}.{_VERBS[usual['page']]}_{usual['model']}"
    return frozenset(group for group, held in permissions().items() if wanted in held)


def test_of_every_address_it_is_said_whose_page_it_is() -> None:
    assert [name for name in NAMES if who_opens(name) is None] == []


def test_every_page_of_our_own_is_an_address() -> None:
    assert set(NAMES) >= set(OWN) | EVERYBODYS


@dataclass(slots=True)
class Seen:
    """What one visitor found: of each page its status, and what was amiss with it."""

    status: dict[str, int] = field(default_factory=dict)
    amiss: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def carried(alice: Person, bob: Person) -> Carried:
    carry(bob)
    found = carry(alice)
    fill(alice)
    return found


@pytest.fixture(scope="module")
def places(alice: Person, carried: Carried, admin_process: None) -> Mapping[str, str]:
    """Each page's address, of a row of alice's where it is a row's."""
    fill_the_vendors()
    for group in (*sorted(BOTH), NEWCOMER):
        user = User.objects.create_user(group, password=PASSWORD, is_staff=True)
        user.groups.set(Group.objects.filter(name=group))
    return {name: _place(name, alice, carried) for name in NAMES}


def _place(name: str, alice: Person, carried: Carried) -> str:
    usual = _USUAL.match(name)
    if usual is None or usual["page"] in {"changelist", "add"} or name == "audit_chain_deeds":
        return reverse(f"admin:{name}")
    model = next(
        m
        for m in admin.site._registry
        if (m._meta.app_label, m._meta.model_name) == (usual["app"], usual["model"])
    )
    rows = model._default_manager.all()
    if any(one.name == "tenant" for one in model._meta.fields):
        rows = rows.filter(tenant_id=alice.tenant_id)
    if model is Message:
        rows = rows.filter(id=carried.acceptance)
    row = rows.order_by("pk").first()
    assert row is not None, f"no row of {model.__name__} to open a page of"
    return reverse(f"admin:{name}", args=(row.pk,))


@pytest.fixture(scope="module")
def secrets(alice: Person, admin_process: None) -> list[str]:
    return [alice.api_key.split("_", 2)[2], "PRIVATE KEY-----", PASSWORD]


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Tests say what is wrong."""


@contextmanager
def served() -> Iterator[str]:
    """The admin process's application on a socket, each request on a thread of its own."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), _Silent, connections_override={})
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


@pytest.fixture(scope="module")
def seen(
    places: Mapping[str, str], secrets: list[str], os_tool: Callable[[str], str]
) -> Mapping[str, Seen]:
    """Everything is looked at once, by one browser, with one login each; nothing but the pages asks
    the database meanwhile, as the browser's loop is this thread's.
    """
    connections.close_all()
    with served() as url, chromium(os_tool("chromium")) as browser:
        return {name: _look(url, browser, name, places, secrets) for name in (*BOTH, NEWCOMER, "")}


def _look(
    url: str, browser: Browser, name: str, places: Mapping[str, str], secrets: list[str]
) -> Seen:
    seen = Seen()
    with visitor_at(url, browser, name) as who:
        for page, place in places.items():
            if name in (who_opens(page) or ()) and not page.endswith(UNLINKED):
                _open(who, page, place, secrets, seen)
            else:
                answer = who.context.request.get(url + place, max_redirects=0)
                seen.status[page] = answer.status
                if name == "" and not answer.headers.get("location", "").startswith(
                    "/admin/login/"
                ):
                    seen.amiss[page] = "not sent to the login"
    return seen


def _open(who: Visitor, page: str, place: str, secrets: list[str], seen: Seen) -> None:
    who.complaints.clear()
    seen.status[page] = who.go(place)
    content = who.page.content()
    shown = who.page.locator("#header, h1, h2, fieldset, table").count()
    faults = [
        *who.complaints,
        *(f"it shows {secret[:4]}..." for secret in secrets if secret in content),
        *(["it shows nothing"] if not shown else []),
        *(f"it says {text}" for text in _MISWRITTEN.findall(who.text())),
        *(["it is wider than the window"] if who.page.evaluate(_IS_WIDER) else []),
        *(
            ["it is the login"]
            if who.page.locator("input[name=username]#id_username").count()
            else []
        ),
    ]
    if faults:
        seen.amiss[page] = "; ".join(faults)


@pytest.mark.parametrize("name", [ADMINISTRATOR, SUPPORT, NEWCOMER])
def test_each_opens_what_is_theirs_and_nothing_else(seen: Mapping[str, Seen], name: str) -> None:
    wanted = {page: 200 if name in (who_opens(page) or ()) else 403 for page in NAMES}
    assert seen[name].status == wanted
    assert seen[name].amiss == {}


def test_who_is_not_signed_in_is_sent_to_the_login_from_everywhere(
    seen: Mapping[str, Seen],
) -> None:
    assert set(seen[""].status.values()) == {302}
    assert seen[""].amiss == {}


def test_support_opens_as_many_pages_as_there_are_tables(seen: Mapping[str, Seen]) -> None:
    """Negative control: a visitor who was turned away everywhere would have complained of
    nothing.
    """
    opened = [page for page, status in seen[SUPPORT].status.items() if status == 200]
    lists = [page for page in opened if page.endswith("_changelist")]
    assert len(lists) == len(admin.site._registry) - 2
