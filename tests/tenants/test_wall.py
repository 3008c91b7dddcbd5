"""The wall between tenants, table by table as the database lists them: a table without a wall is a
red test.
"""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.apps import apps
from django.db import connection
from django.db.utils import ProgrammingError

from tenants.ids import new_id
from tenants.models import BmUnit, Tenant
from tenants.rows import TenantRow, WalledManager
from tenants.scope import ScopeError, current_tenant, tenant_scope
from tests.people import Cast, Person
from tests.roles import as_role
from tests.servers import TestServers

# What belongs to no tenant, and why.
UNWALLED = {
    "tenants_directoryentry": "digests and ids, for finding a tenant by what it shows",
    "tenants_peer": "the vendor's register of operators",
    "tenants_peercertificate": "the vendor's trust anchors",
    "tenants_certificatedue": "ids and times, for one look over all tenants",
    "tenants_peercertificatenotice": "what was told of the vendor's trust anchors",
    "tenants_idempotencydue": "ids and times, for one look over all tenants",
    "messaging_due": "ids and times, for one sweep over all tenants",
    "messaging_linkwatch": "ids and times, for one look over all links",
    "messaging_gatewayprocess": "numbers and times of our own processes",
    "messaging_gatewatch": "ids and times, for one look over all tenants",
    "messaging_fetchdue": "ids and times, for one look over all tenants",
    "messaging_smpdue": "ids and times, for one sweep over all tenants",
    "messaging_breakerdue": "ids and times, for one look over all tenants",
    "messaging_connectiondue": "ids and times, for one look over all tenants",
    "messaging_systemnotice": "the system operator's notices, as the vendor posts them for all",
    "messaging_eventwatch": "ids and times, for one look over all tenants",
    "messaging_webhookdue": "ids and times, for one look over all tenants",
    "messaging_maintenance": "the vendor's own switch",
    "tenants_change": "ids, counts and times, for one look over all tenants",
    "partitioned_table": "names of tables",
}
VENDOR = ("auth_", "django_")

_TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
       ARRAY(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid),
       has_table_privilege('hostsvc_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'),
       EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'm', 'v')
"""


def rows(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def walled_models() -> list[type[TenantRow]]:
    return [model for model in apps.get_models() if issubclass(model, TenantRow)]


def test_every_table_is_walled_by_force_or_named_as_belonging_to_no_tenant(database: str) -> None:
    for name, secured, forced, partition, policies, reachable, _ in rows(_TABLES):
        if partition:
            assert not reachable, f"{name} can be reached past its parent's policies"
        elif name not in UNWALLED and not name.startswith(VENDOR):
            assert secured, f"{name} has no row security"
            assert forced, f"{name} does not bind its owner"
            assert set(policies) == {"tenant_wall", "staff_reads"}, name


def test_the_tables_of_no_tenant_hold_no_more_than_ids(database: str) -> None:
    columns = rows(
        "SELECT table_name, array_agg(column_name::text ORDER BY column_name)"
        " FROM information_schema.columns WHERE table_name = ANY(%s) GROUP BY 1",
        [
            *("tenants_certificatedue", "tenants_change", "tenants_directoryentry"),
            *("messaging_due", "messaging_linkwatch", "messaging_gatewayprocess"),
            *("messaging_gatewatch", "messaging_fetchdue", "messaging_smpdue"),
            *("messaging_connectiondue", "tenants_idempotencydue"),
            *("messaging_eventwatch", "messaging_webhookdue", "messaging_breakerdue"),
        ],
    )
    assert dict(columns) == {
        "tenants_certificatedue": ["certificate_id", "due_at", "tenant_id"],
        "tenants_change": ["changed_at", "tenant_id", "version"],
        "tenants_directoryentry": ["digest", "tenant_id"],
        "messaging_connectiondue": ["broken_at", "due_at", "endpoint_id", "owner", "tenant_id"],
        "tenants_idempotencydue": ["due_at", "tenant_id"],
        "messaging_due": [
            "delivery_id",
            "due_at",
            "lane",
            "owner",
            "parked_by",
            "tenant_id",
            "urgency",
        ],
        "messaging_linkwatch": ["due_at", "endpoint_id", "owner", "tenant_id"],
        "messaging_gatewayprocess": ["lapsed_at", "number", "seen_at", "suspected_at"],
        "messaging_gatewatch": ["due_at", "tenant_id"],
        "messaging_fetchdue": ["due_at", "endpoint_id", "failing_since", "owner", "tenant_id"],
        "messaging_breakerdue": ["due_at", "endpoint_id", "tenant_id"],
        "messaging_eventwatch": ["due_at", "tenant_id"],
        "messaging_webhookdue": ["due_at", "owner", "tenant_id", "webhook_id"],
        "messaging_smpdue": ["due_at", "item_id", "owner", "tenant_id"],
    }


def test_the_vendors_tables_are_out_of_the_applications_reach(database: str) -> None:
    for name, _, _, _, _, reachable, has_tenant in rows(_TABLES):
        if name.startswith("auth_") or name == "django_session":
            assert not reachable, name
            assert not has_tenant, name


@pytest.mark.parametrize("role", ["app", "owner", "staff"])
def test_no_role_of_ours_is_a_superuser_or_passes_by_policies(
    servers: TestServers, database: str, role: str
) -> None:
    with psycopg.connect(servers.url(role, database)) as session:
        assert session.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone() == (False, False, False, False)


@pytest.mark.parametrize("model", walled_models(), ids=lambda model: model.__name__)
def test_without_a_scope_the_manager_is_loud_and_the_database_silent(
    cast: Cast, model: type[TenantRow]
) -> None:
    with pytest.raises(ScopeError):
        model._default_manager.all()
    assert rows(f"SELECT count(*) FROM {model._meta.db_table}") == [(0,)]


@pytest.mark.parametrize("model", walled_models(), ids=lambda model: model.__name__)
def test_one_tenant_sees_none_of_anothers_rows_even_in_raw_sql(
    alice: Person, bob: Person, model: type[TenantRow]
) -> None:
    table = model._meta.db_table
    with tenant_scope(bob.tenant_id):
        seen = {row[0] for row in rows(f"SELECT tenant_id FROM {table}")}
    assert seen <= {bob.tenant_id}


def test_a_tenant_sees_its_own_rows(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        assert {unit.name for unit in BmUnit.objects.all()} == {
            unit for units in alice.bm_units.values() for unit in units
        }


def test_a_row_cannot_be_written_for_another_tenant(alice: Person, bob: Person) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), tenant_scope(alice.tenant_id):
        rows(
            "INSERT INTO tenants_apikey (id, tenant_id, prefix, hash, label, created_at)"
            " VALUES (%s, %s, 'x', ''::bytea, '', now()) RETURNING id",
            new_id(),
            bob.tenant_id,
        )


def test_a_row_cannot_be_moved_to_another_tenant(alice: Person, bob: Person) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), tenant_scope(alice.tenant_id):
        BmUnit.objects.update(tenant_id=bob.tenant_id)


def test_a_scope_within_another_tenants_is_refused_and_the_outer_one_stays(
    alice: Person, bob: Person
) -> None:
    with tenant_scope(alice.tenant_id):
        with pytest.raises(ScopeError), tenant_scope(bob.tenant_id):
            pass
        assert current_tenant() == alice.tenant_id
        assert Tenant.objects.get().name == "alice"


def test_a_scope_within_the_same_tenants_joins_it(alice: Person) -> None:
    with tenant_scope(alice.tenant_id), tenant_scope(alice.tenant_id):
        assert Tenant.objects.get().name == "alice"
    assert current_tenant() is None


def test_after_a_scope_closes_the_setting_is_empty_and_nothing_is_seen(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        pass
    assert rows("SELECT current_setting('app.tenant_id', true)") in ([("",)], [(None,)])
    assert rows("SELECT count(*) FROM tenants_bmunit") == [(0,)]


def test_a_scope_of_one_thread_is_not_another_threads(alice: Person) -> None:
    seen: list[UUID | None] = []
    with tenant_scope(alice.tenant_id):
        thread = threading.Thread(target=lambda: seen.append(current_tenant()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_every_walled_model_has_the_loud_manager() -> None:
    walled = [
        m
        for m in apps.get_models()
        if m._meta.db_table.startswith(("tenants_", "audit_", "messaging_"))
    ]
    for model in walled:
        if model._meta.db_table not in UNWALLED:
            assert isinstance(model._default_manager, WalledManager), model


def test_staff_read_across_tenants_outside_a_scope_and_one_tenants_rows_within(
    servers: TestServers, database: str, alice: Person, bob: Person
) -> None:
    with as_role("staff", servers, database):
        assert BmUnit.objects.values("tenant_id").distinct().count() == 3
        with tenant_scope(bob.tenant_id):
            assert set(BmUnit.objects.values_list("tenant_id", flat=True)) == {bob.tenant_id}


def test_negative_control_without_forced_policies_the_owner_would_see_everything(
    servers: TestServers, database: str, alice: Person, bob: Person
) -> None:
    """The guard switched off, in a transaction that is rolled back: then the wall is seen to
    fail.
    """
    with psycopg.connect(servers.url("owner", database)) as owner:
        count = "SELECT count(DISTINCT tenant_id) FROM tenants_bmunit"
        assert owner.execute(count).fetchone() == (0,)
        owner.execute("ALTER TABLE tenants_bmunit NO FORCE ROW LEVEL SECURITY")
        assert owner.execute(count).fetchone() == (3,)
        owner.rollback()


def test_negative_control_without_the_policy_the_application_would_see_another_tenants_rows(
    servers: TestServers, database: str, alice: Person, bob: Person
) -> None:
    admin = servers.admin.rsplit("/", 1)[0] + f"/{database}"
    with psycopg.connect(admin) as superuser:
        superuser.execute("ALTER TABLE tenants_bmunit DISABLE ROW LEVEL SECURITY")
        superuser.execute("SET ROLE hostsvc_app")
        found = superuser.execute("SELECT count(DISTINCT tenant_id) FROM tenants_bmunit").fetchone()
        superuser.rollback()
    assert found == (3,)


def test_every_unique_index_of_a_walled_table_starts_with_the_tenant(database: str) -> None:
    """Indexes see through policies: a unique one that did not start with the tenant would tell of
    others' rows.
    """
    found = rows(
        "SELECT c.relname, i.indrelid::regclass::text, a.attname FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        " WHERE i.indisunique AND NOT i.indisprimary AND i.indrelid::regclass::text = ANY(%s)",
        [model._meta.db_table for model in walled_models()],
    )
    assert found
    for index, table, first in found:
        assert first == "tenant_id", (index, table, first)
