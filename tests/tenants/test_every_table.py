"""The wall, proved for every table that the database's catalogue lists, partitions included, with a
row of alice's in each: whoever is not in her scope reaches none. A new table without a wall is a
red test here.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from django.apps import apps
from psycopg import sql

from tests.people import Person
from tests.servers import TestServers
from tests.tenants.planted import (
    TENANTS,
    Table,
    breaches,
    plant,
    tables,
    unique_indexes,
)
from tests.tenants.test_wall import UNWALLED

VENDOR = {
    "auth_group": "roles of the vendor's staff",
    "auth_group_permissions": "roles of the vendor's staff",
    "auth_permission": "what roles are made of",
    "auth_user": "the vendor's staff",
    "auth_user_groups": "the vendor's staff",
    "auth_user_user_permissions": "the vendor's staff",
    "django_admin_log": "what the vendor's staff did in the admin, for themselves",
    "django_content_type": "names of tables",
    "django_migrations": "names of migrations",
    "django_session": "the vendor's staff signed in",
}

# Unique indexes that do not begin with the tenant, and why they tell nothing.
SEEN_THROUGH: dict[str, str] = {}
ROLES = ("app", "owner", "staff")
BY_ID = (
    "the primary key is an id that the host itself makes, with 74 random bits: none can be tried"
)


@pytest.fixture
def superuser(servers: TestServers, database: str) -> Iterator[psycopg.Connection]:
    """Sees and may do everything; each test's doings are rolled back."""
    admin = servers.admin.rsplit("/", 1)[0] + f"/{database}"
    with psycopg.connect(admin) as session:
        yield session
        session.rollback()


@pytest.fixture
def planted(superuser: psycopg.Connection, alice: Person, bob: Person) -> list[Table]:
    """Every walled table, with a row of alice's in each."""
    found = walled(superuser)
    for table in found:
        if table.name != TENANTS:
            plant(superuser, table, alice.tenant_id)
    return found


def walled(session: psycopg.Connection) -> list[Table]:
    return [t for t in tables(session) if t.name not in UNWALLED and t.name not in VENDOR]


def proved(
    session: psycopg.Connection, table: Table, role: str, hers: UUID, his: UUID
) -> list[str]:
    """Within bob's scope and within none. Staff read across tenants where they are in none."""
    found = []
    with session.transaction(force_rollback=True):
        session.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(f"hostsvc_{role}")))
        for scope in (his, None):
            may_read = role == "staff" and scope is None
            told = breaches(session, table, hers, scope, may_read=may_read)
            place = "another's scope" if scope else "no scope"
            found += [f"{table.name} as {role} in {place}: {one}" for one in told]
    return found


def test_each_table_is_walled_by_force_or_named_with_a_reason(
    superuser: psycopg.Connection,
) -> None:
    found = tables(superuser)
    assert {*UNWALLED, *VENDOR} <= {table.name for table in found}
    for table in walled(superuser):
        assert table.has_tenant or table.name == TENANTS, table.name
        assert (table.is_secured, table.is_forced) == (True, True), table.name
        wanted = {"tenant_wall"} if table.is_partition else {"tenant_wall", "staff_reads"}
        assert table.policies == wanted, table.name


def test_each_model_that_has_a_tenant_is_among_them(superuser: psycopg.Connection) -> None:
    names = {table.name for table in walled(superuser)} | UNWALLED.keys()
    of_tenants = {
        model._meta.db_table
        for model in apps.get_models()
        if {"tenant", "tenant_id"} & {field.name for field in model._meta.get_fields()}
    }
    assert len(of_tenants) > 10
    assert of_tenants <= names


def test_there_are_partitions_among_them(superuser: psycopg.Connection) -> None:
    assert len([table for table in walled(superuser) if table.is_partition]) > 30


def test_a_partition_of_a_later_month_is_made_with_its_wall(
    superuser: psycopg.Connection,
) -> None:
    before = {table.name for table in tables(superuser)}
    with superuser.transaction(force_rollback=True):
        superuser.execute("SET LOCAL ROLE hostsvc_app")
        superuser.execute("SELECT ensure_partitions((current_date + interval '20 months')::date)")
        superuser.execute("RESET ROLE")
        made = [table for table in tables(superuser) if table.name not in before]
        assert len(made) > 20
        assert all(table.is_forced and table.policies == {"tenant_wall"} for table in made)


@pytest.mark.parametrize("role", ROLES)
def test_nobody_reaches_alices_row_in_any_table_from_without_her_scope(
    superuser: psycopg.Connection, planted: list[Table], alice: Person, bob: Person, role: str
) -> None:
    told = [proved(superuser, table, role, alice.tenant_id, bob.tenant_id) for table in planted]
    assert [one for some in told for one in some] == []


def test_the_planted_rows_are_there_to_be_reached(
    superuser: psycopg.Connection, planted: list[Table], alice: Person
) -> None:
    for table in planted:
        statement = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(
            sql.Identifier(table.name), sql.Identifier(table.tenant_column)
        )
        row = superuser.execute(statement, [alice.tenant_id]).fetchone()
        assert row is not None, table.name
        assert row[0] > 0, table.name


# The guards, switched off one by one, and the role that must then be seen to get through.
SWITCHED_OFF = {
    "row security": ("ALTER TABLE {} DISABLE ROW LEVEL SECURITY", "owner"),
    "force": ("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", "owner"),
    "the policy": ("ALTER POLICY tenant_wall ON {} USING (true) WITH CHECK (true)", "owner"),
}


@pytest.mark.parametrize("guard", SWITCHED_OFF)
def test_negative_control_without_a_guard_every_table_is_found_open(
    superuser: psycopg.Connection, planted: list[Table], alice: Person, bob: Person, guard: str
) -> None:
    """The guard switched off, in a transaction that is rolled back: the prover is seen to fail for
    every table there is.
    """
    statement, role = SWITCHED_OFF[guard]
    for table in planted:
        with superuser.transaction(force_rollback=True):
            superuser.execute(sql.SQL(statement).format(sql.Identifier(table.name)))
            assert proved(superuser, table, role, alice.tenant_id, bob.tenant_id), table.name


def test_negative_control_without_row_security_the_application_gets_through(
    superuser: psycopg.Connection, planted: list[Table], alice: Person, bob: Person
) -> None:
    """The same for the role that the service runs under; a partition it can't even name."""
    for table in planted:
        with superuser.transaction(force_rollback=True):
            off = SWITCHED_OFF["row security"][0]
            superuser.execute(sql.SQL(off).format(sql.Identifier(table.name)))
            told = proved(superuser, table, "app", alice.tenant_id, bob.tenant_id)
            assert bool(told) != table.is_partition, table.name


def test_negative_control_a_table_without_a_wall_is_found(
    superuser: psycopg.Connection, alice: Person, bob: Person
) -> None:
    with superuser.transaction(force_rollback=True):
        superuser.execute("SET LOCAL ROLE hostsvc_owner")
        superuser.execute("CREATE TABLE forgotten (id uuid PRIMARY KEY, tenant_id uuid NOT NULL)")
        superuser.execute("GRANT SELECT ON forgotten TO hostsvc_app")
        superuser.execute("RESET ROLE")
        (table,) = (table for table in walled(superuser) if table.name == "forgotten")
        assert not table.is_forced
        plant(superuser, table, alice.tenant_id)
        assert proved(superuser, table, "app", alice.tenant_id, bob.tenant_id)


def telling(session: psycopg.Connection) -> list[str]:
    """Unique indexes through which one tenant could learn of another's rows."""
    names = [table.name for table in walled(session)]
    return [
        f"{index} of {table} {columns}"
        for index, table, is_primary, columns in unique_indexes(session, names)
        if columns[0] != "tenant_id"
        and not (is_primary and columns[0] == "id")
        and index not in SEEN_THROUGH
    ]


def test_each_unique_index_begins_with_the_tenant_or_is_named_with_a_reason(
    superuser: psycopg.Connection,
) -> None:
    """Indexes see through policies, and so do the messages of those that are unique. Primary keys
    are ids: see BY_ID.
    """
    assert telling(superuser) == []


def test_negative_control_a_unique_index_without_the_tenant_is_found(
    superuser: psycopg.Connection,
) -> None:
    with superuser.transaction(force_rollback=True):
        superuser.execute("CREATE UNIQUE INDEX telling ON tenants_bmunit (name)")
        superuser.execute("CREATE UNIQUE INDEX telling_too ON tenants_bmunit (lower(name))")
        assert [text.split()[0] for text in telling(superuser)] == ["telling", "telling_too"]
