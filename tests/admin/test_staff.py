"""The vendor's two roles, how they come to see a body, and how a tenant gets its first owner."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from hostsvc.staff_groups import ADMINISTRATOR, SUPPORT, make_groups, permissions
from messaging.models import Message
from tenants import api_keys
from tenants.audit import ledger, viewing
from tenants.audit.models import Entry
from tenants.audit.verify import verify
from tenants.credentials import Shown
from tenants.models import ApiKey, Endpoint, Member
from tenants.permissions import Permission, Role
from tenants.scope import tenant_scope
from tests.api.carried import Carried
from tests.api.clients import HOST
from tests.people import Person

REASON = "ticket 4711: the tenant asks what was sent"


def browser_of(group: str) -> Client:
    browser = Client(SERVER_NAME=HOST)
    user, _ = User.objects.get_or_create(username=f"one of {group}", defaults={"is_staff": True})
    user.groups.set([Group.objects.get(name=group)])
    browser.force_login(user)
    return browser


@pytest.fixture
def administrator(admin_process: None) -> Client:
    return browser_of(ADMINISTRATOR)


@pytest.fixture
def support(admin_process: None) -> Client:
    return browser_of(SUPPORT)


@pytest.fixture(params=[ADMINISTRATOR, SUPPORT, "superuser"])
def anyone(request: pytest.FixtureRequest, admin_process: None, staff: Client) -> Client:
    return staff if request.param == "superuser" else browser_of(request.param)


def held_by(group: str) -> set[str]:
    rows = Group.objects.get(name=group).permissions.select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def test_migrations_leave_the_groups_with_exactly_these_permissions(admin_process: None) -> None:
    assert {group: held_by(group) for group in permissions()} == permissions()
    assert {group.name for group in Group.objects.all()} == {ADMINISTRATOR, SUPPORT}


def test_support_only_looks(admin_process: None) -> None:
    assert all(".view_" in one for one in held_by(SUPPORT))


def test_nobody_in_a_group_can_touch_the_staffs_own_accounts(admin_process: None) -> None:
    assert not [one for one in held_by(ADMINISTRATOR) if one.startswith(("auth.", "admin."))]


def test_what_was_added_by_hand_is_gone_after_the_next_migration(
    admin_process: None, servers: Any
) -> None:
    group = Group.objects.get(name=SUPPORT)
    group.permissions.set(Group.objects.get(name=ADMINISTRATOR).permissions.all())
    make_groups()
    assert held_by(SUPPORT) == permissions()[SUPPORT]


PAGES = [model for model in admin.site._registry if model._meta.app_label != "auth"]


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model.__name__)
def test_support_opens_every_page_and_writes_on_none(
    carried: Carried, support: Client, model: Any
) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert support.get(reverse(f"{name}_changelist")).status_code == 200
    assert support.get(reverse(f"{name}_add")).status_code == 403
    row = model._default_manager.first()
    if row is not None and model._meta.model_name != "attempt":
        assert support.get(reverse(f"{name}_change", args=(row.pk,))).status_code == 200
        for page in ("change", "delete"):
            place = reverse(f"{name}_{page}", args=(row.pk,))
            assert support.post(place, {"state": "SUSPENDED", "post": "yes"}).status_code == 403


@pytest.mark.parametrize("page", ["auth_user_changelist", "auth_group_changelist"])
def test_the_staffs_own_accounts_are_closed_to_both_groups(
    administrator: Client, support: Client, page: str
) -> None:
    for browser in (administrator, support):
        assert browser.get(reverse(f"admin:{page}")).status_code == 403


def test_an_administrator_suspends_a_tenant(bob: Person, administrator: Client) -> None:
    place = reverse("admin:tenants_tenant_change", args=(bob.tenant_id,))
    assert administrator.post(place, {"state": "SUSPENDED"}).status_code == 302
    assert administrator.post(place, {"state": "ACTIVE"}).status_code == 302


def test_support_does_not_see_an_endpoints_settings(
    alice: Person, support: Client, administrator: Client
) -> None:
    row = Endpoint.objects.get(tenant_id=alice.tenant_id, name=alice.control_points[0])
    with tenant_scope(alice.tenant_id):
        Endpoint.objects.filter(id=row.id).update(settings={"password": "veiled"})
    place = reverse("admin:tenants_endpoint_change", args=(row.id,))
    assert "veiled" not in support.get(place).content.decode()
    assert "veiled" in administrator.get(place).content.decode()


def body_page(message_id: UUID) -> str:
    return reverse("admin:messaging_message_body", args=(message_id,))


def views_told(tenant_id: UUID) -> list[dict[str, Any]]:
    with tenant_scope(tenant_id):
        rows = Entry.objects.filter(event="body viewed").order_by("seq")
        return [json.loads(bytes(row.record)) for row in rows]


def test_a_body_is_masked_until_a_reason_is_given(carried: Carried, anyone: Client) -> None:
    row = Message.objects.get(id=carried.text)
    with CaptureQueriesContext(connection) as asked:
        page = anyone.get(body_page(carried.text))
    assert page.status_code == 200
    text = page.content.decode()
    assert bytes(row.body_digest).hex() in text
    assert "hello" not in text
    assert not [q for q in asked if re.search(r"SELECT content|\"content\"", q["sql"])]


@pytest.mark.parametrize("reason", ["", "   ", "short", "x" * 501])
def test_what_is_no_reason_shows_nothing_and_tells_nothing(
    alice: Person, carried: Carried, anyone: Client, reason: str
) -> None:
    before = views_told(alice.tenant_id)
    page = anyone.post(body_page(carried.text), {"reason": reason})
    assert "hello" not in page.content.decode()
    assert views_told(alice.tenant_id) == before


def test_with_a_reason_it_is_shown_and_the_tenants_chain_says_to_whom_and_why(
    alice: Person, bob: Person, carried: Carried, anyone: Client
) -> None:
    before, bobs = len(views_told(alice.tenant_id)), views_told(bob.tenant_id)
    page: Any = anyone.post(body_page(carried.text), {"reason": REASON})
    assert "hello" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    told = views_told(alice.tenant_id)
    assert len(told) == before + 1
    row = Message.objects.get(id=carried.text)
    by = User.objects.get(pk=anyone.session["_auth_user_id"]).username
    assert told[-1]["detail"] == {"by": by, "reason": REASON}
    assert told[-1]["message_id"] == str(row.id)
    assert told[-1]["digest"] == bytes(row.body_digest).hex()
    assert views_told(bob.tenant_id) == bobs
    assert verify(alice.tenant_id).broken is None


def test_broken_bytes_are_shown_escaped_and_in_hexadecimal(
    carried: Carried, support: Client
) -> None:
    page = support.post(body_page(carried.broken), {"reason": REASON}).content.decode()
    assert "00 20 6e 6f 74 20 45 44 4c" in page
    assert "\0" not in page
    assert "\u2400 not EDL" in page


def test_the_entry_is_committed_before_the_body_is_shown(
    alice: Person, carried: Carried, support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the entry can't be written, nothing is shown."""

    def failing(*_: object) -> None:
        raise RuntimeError("the log is full")

    monkeypatch.setattr(ledger, "_append", failing)
    with pytest.raises(RuntimeError):
        support.post(body_page(carried.text), {"reason": REASON})


def test_negative_control_within_a_transaction_that_could_be_undone_nothing_is_shown(
    alice: Person, carried: Carried, support: Client
) -> None:
    """Otherwise a view could be seen and its entry rolled back."""
    row = Message.objects.get(id=carried.text)
    kept = viewing.Kept(row.tenant_id, row.id, bytes(row.body_digest), row.received_at)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        viewing.view(kept, by="x", reason=REASON)


def test_without_the_permission_a_body_is_not_even_asked_for(
    carried: Carried, support: Client
) -> None:
    """The guard of the group taken away."""
    group = Group.objects.get(name=SUPPORT)
    group.permissions.remove(group.permissions.get(codename="view_body"))
    try:
        assert browser_of(SUPPORT).get(body_page(carried.text)).status_code == 403
    finally:
        make_groups()


def owner_page(tenant_id: UUID) -> str:
    return reverse("admin:tenants_tenant_owner", args=(tenant_id,))


def test_the_first_owners_key_is_shown_once_and_opens_the_api(
    mallory: Person, administrator: Client
) -> None:
    with tenant_scope(mallory.tenant_id):
        ApiKey.objects.update(revoked_at="2020-01-01T00:00Z")
    values = {"name": "Grace", "email": "Grace@mallory.example"}
    page = administrator.post(owner_page(mallory.tenant_id), values)
    (key,) = re.findall(r"hsk_[0-9a-f]{8}_[\w-]{43}", page.content.decode())
    assert "no-store" in page["Cache-Control"]
    shown = api_keys.find(key, None)
    assert isinstance(shown, Shown)
    assert (shown.tenant_id, shown.role) == (mallory.tenant_id, Role.OWNER)
    assert (shown.name, shown.permissions) == ("Grace", frozenset(Permission))
    with tenant_scope(mallory.tenant_id):
        entry = Entry.objects.filter(event="API key minted").latest("seq")
        assert json.loads(bytes(entry.record))["detail"]["by"] == f"one of {ADMINISTRATOR}"
        assert key.encode() not in bytes(entry.record)


def test_a_tenant_that_has_an_owner_gets_no_key_from_the_vendor(
    alice: Person, administrator: Client
) -> None:
    """Or the vendor could read as the tenant does, with no reason given."""
    with tenant_scope(alice.tenant_id):
        before = Member.objects.count(), ApiKey.objects.count()
    page = administrator.post(owner_page(alice.tenant_id), {"name": "Eve", "email": "e@x.example"})
    assert "hsk_" not in page.content.decode()
    with tenant_scope(alice.tenant_id):
        assert (Member.objects.count(), ApiKey.objects.count()) == before


def test_support_mints_nothing(alice: Person, support: Client) -> None:
    for ask in (support.get, support.post):
        assert ask(owner_page(alice.tenant_id)).status_code == 403
