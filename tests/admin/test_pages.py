"""Every page of the admin: for staff and for nobody else, without secrets, and without counting."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from messaging.models import Attempt, Delivery, Message
from tenants.models import ApiKey, Certificate, DataKey, DirectoryEntry, Pepper, Tenant
from tests.api.carried import Carried
from tests.people import Person

PAGES = sorted(admin.site._registry, key=lambda model: model.__name__)
CARRIED = [Message, Delivery, Attempt]
SECRET = [DataKey, DirectoryEntry, Pepper]


def address(model: type[Model], page: str, *args: object) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)


def test_tables_that_hold_secrets_and_nothing_else_have_no_page() -> None:
    assert not set(SECRET) & set(PAGES)


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model.__name__)
def test_a_stranger_is_sent_to_the_login(stranger: Client, model: type[Model]) -> None:
    answer = stranger.get(address(model, "changelist"))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model.__name__)
def test_every_list_and_form_opens(carried: Carried, staff: Client, model: type[Model]) -> None:
    assert staff.get(address(model, "changelist")).status_code == 200
    writable = admin.site._registry[model].has_add_permission(staff.get("/admin/").wsgi_request)
    assert staff.get(address(model, "add")).status_code == (200 if writable else 403)
    if model is not Attempt:
        row = model._default_manager.first()
        if row is not None:
            assert staff.get(address(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", [*CARRIED, Certificate], ids=lambda model: model.__name__)
def test_what_was_carried_is_only_looked_at(
    carried: Carried, staff: Client, model: type[Model]
) -> None:
    row = model._default_manager.latest("id")
    for page in ("change", "delete"):
        assert staff.post(address(model, page, row.pk), {"x": "y"}).status_code in {302, 403}
    assert staff.post(address(model, "add"), {"x": "y"}).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", CARRIED, ids=lambda model: model.__name__)
@pytest.mark.parametrize("query", ["", "?within=day", "?p=3", "?tenant__id__exact={tenant}"])
def test_a_list_of_what_was_carried_counts_nothing(
    alice: Person, carried: Carried, staff: Client, model: type[Model], query: str
) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        answer = staff.get(address(model, "changelist") + query.format(tenant=alice.tenant_id))
    assert answer.status_code == 200
    table = model._meta.db_table
    of_table = [q["sql"] for q in asked if f'FROM "{table}"' in q["sql"]]
    assert not [sql for sql in of_table if "COUNT(" in sql]
    assert all("LIMIT" in sql for sql in of_table)


def listed(staff: Client, model: type[Model], **query: Any) -> list[Any]:
    answer: Any = staff.get(address(model, "changelist"), query)
    return [row.pk for row in answer.context_data["cl"].result_list]


def shown(staff: Client, model: type[Model], **query: Any) -> set[Any]:
    return set(listed(staff, model, **query))


def test_messages_come_newest_first_and_by_tenant(
    alice: Person, carried: Carried, staff: Client
) -> None:
    everyones = listed(staff, Message)
    assert len(everyones) == 2 * len(carried.messages)
    assert everyones == sorted(everyones, reverse=True)
    assert shown(staff, Message, tenant__id__exact=alice.tenant_id) == set(carried.messages)


def test_messages_are_found_by_id_and_by_bm_unit(
    alice: Person, carried: Carried, staff: Client
) -> None:
    unit = alice.bm_units[alice.control_points[0]][0]
    assert shown(staff, Message, q=carried.text) == {carried.text}
    assert shown(staff, Message, q=unit.lower()) == {carried.redeclaration, carried.acceptance}
    assert shown(staff, Message, q="nothing") == set()


def test_deliveries_that_want_something_done_are_found(carried: Carried, staff: Client) -> None:
    assert shown(staff, Delivery, open="yes")
    delivery = Delivery.objects.get(message_id=carried.acceptance)
    assert shown(staff, Delivery, q=carried.acceptance) == {delivery.pk}


def test_attempts_are_listed_of_one_tenant_at_a_time(
    alice: Person, carried: Carried, staff: Client
) -> None:
    assert shown(staff, Attempt) == set()
    assert len(shown(staff, Attempt, tenant__id__exact=alice.tenant_id)) == 3


def test_a_messages_page_tells_its_hops_and_not_its_body(carried: Carried, staff: Client) -> None:
    page = staff.get(address(Message, "change", carried.text)).content.decode()
    assert "received" in page
    assert "hello" not in page


def test_no_page_reads_or_shows_a_private_key(
    carried: Carried, alice: Person, staff: Client
) -> None:
    rows = Certificate.objects.filter(tenant_id=alice.tenant_id, private_key__isnull=False)
    assert rows
    for row in rows:
        assert row.private_key is not None
        with CaptureQueriesContext(connection) as asked:
            page = staff.get(address(Certificate, "change", row.pk)).content.decode()
        assert "PRIVATE KEY" not in page
        assert bytes(row.private_key).hex() not in page
        assert not [q for q in asked if re.search(r'"private_key"(?! IS NOT NULL)', q["sql"])]


def test_no_page_reads_or_shows_the_hash_of_an_api_key(
    carried: Carried, alice: Person, staff: Client
) -> None:
    row = ApiKey.objects.filter(tenant_id=alice.tenant_id).latest("id")
    for place in (address(ApiKey, "changelist"), address(ApiKey, "change", row.pk)):
        with CaptureQueriesContext(connection) as asked:
            page = staff.get(place).content.decode()
        assert row.prefix in page
        assert bytes(row.hash).hex() not in page
        assert alice.api_key.split("_", 2)[2] not in page
        assert not [q for q in asked if '"hash"' in q["sql"]]


def test_pages_take_every_file_from_this_host_and_get_it(staff: Client) -> None:
    page = staff.get(address(Tenant, "changelist")).content.decode()
    files = re.findall(r'<(?:link[^>]+href|script[^>]+src)="([^"]+)"', page)
    assert any(file.endswith(".css") for file in files)
    for file in files:
        if file == "/admin/jsi18n/":
            continue
        assert file.startswith("/static/"), file
        answer = staff.get(file)
        assert answer.status_code == 200, file
        assert b"".join(answer.streaming_content)  # type: ignore[attr-defined]
