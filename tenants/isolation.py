"""The SQL of the wall: row policies, grants and append-only guards, as migration operations. What
to wall is said in migrations.

Three roles (database/roles.sql): `hostsvc_owner` migrates, `hostsvc_app` runs, `hostsvc_staff` is
the vendor's admin process. None is a superuser or bypasses policies, and FORCE binds the owner too.
A policy reads `app.tenant_id`; outside a scope the setting is absent or '', which NULLIF turns into
"sees nothing".
"""

from __future__ import annotations

from django.db import migrations

CURRENT_TENANT = "NULLIF(current_setting('app.tenant_id', true), '')::uuid"

READ_WRITE = "SELECT, INSERT, UPDATE, DELETE"
READ_ADD = "SELECT, INSERT"
READ = "SELECT"


def walled(
    table: str, *, tenant: str = "tenant_id", app: str = READ_WRITE, staff: str = READ
) -> migrations.RunSQL:
    """Row policies with FORCE, and the grants of each role. Staff read every tenant's rows but
    write only within a scope.
    """
    own_rows = f"{tenant} = {CURRENT_TENANT}"
    return migrations.RunSQL(
        [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY tenant_wall ON {table} USING ({own_rows}) WITH CHECK ({own_rows})",
            f"CREATE POLICY staff_reads ON {table} FOR SELECT TO hostsvc_staff"
            f" USING ({CURRENT_TENANT} IS NULL)",
            *_grants(table, app, staff),
        ],
        migrations.RunSQL.noop,
    )


def unwalled(table: str, *, app: str = READ, staff: str = READ_WRITE) -> migrations.RunSQL:
    """Grants for a table that belongs to no tenant."""
    return migrations.RunSQL(_grants(table, app, staff), migrations.RunSQL.noop)


def noted(table: str, *, tenant: str = "tenant_id") -> migrations.RunSQL:
    """Counts each change of the table's rows for the tenant they belong to; an empty `tenant`
    stands for the vendor's own register. What the count is for: tenants.changes.
    """
    return migrations.RunSQL(
        f"CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION note_change('{tenant}')",
        f"DROP TRIGGER noted ON {table}",
    )


def append_only(table: str) -> migrations.RunSQL:
    """Triggers that refuse UPDATE, DELETE and TRUNCATE whoever asks, beside the grants that already
    do not allow it.
    """
    return migrations.RunSQL(
        [
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
            f"CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        ],
        migrations.RunSQL.noop,
    )


def partitioned_by_month(table: str) -> migrations.RunSQL:
    """Registers a table partitioned by its `month` and makes the partitions of the coming year."""
    return migrations.RunSQL(
        [
            # The name is a migration's own word.
            f"INSERT INTO partitioned_table (name) VALUES ('{table}')",  # noqa: S608
            "SELECT ensure_partitions((current_date + interval '12 months')::date)",
        ],
        migrations.RunSQL.noop,
    )


GROUNDWORK = migrations.RunSQL(
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END $$;

    CREATE TABLE partitioned_table (name text PRIMARY KEY);
    GRANT SELECT ON partitioned_table TO hostsvc_app, hostsvc_staff;

    -- Partitions get no grants of their own, so they are reached only through their parent, and
    -- its policies.
    CREATE FUNCTION ensure_partitions(p_until date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        parent text;
        month date;
        child text;
        made integer := 0;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'));
        FOR parent IN SELECT name FROM partitioned_table LOOP
            month := date_trunc('month', current_date - interval '1 month');
            WHILE month <= least(p_until, (current_date + interval '24 months')::date) LOOP
                child := parent || to_char(month, '_YYYY_MM');
                IF to_regclass(child) IS NULL THEN
                    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                                   child, parent, month, (month + interval '1 month')::date);
                    EXECUTE format('CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON %I'
                                   ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', child);
                    made := made + 1;
                END IF;
                month := (month + interval '1 month')::date;
            END LOOP;
        END LOOP;
        RETURN made;
    END $$;
    REVOKE ALL ON FUNCTION ensure_partitions(date) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION ensure_partitions(date) TO hostsvc_app, hostsvc_staff;
    """,
    migrations.RunSQL.noop,
)


NOTE_CHANGE = migrations.RunSQL(
    """
    -- As its owner, for nobody else writes the table of changes.
    CREATE FUNCTION note_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        whose uuid := '00000000-0000-0000-0000-000000000000';
    BEGIN
        IF TG_ARGV[0] <> '' THEN
            IF TG_OP = 'DELETE' THEN
                whose := (to_jsonb(OLD) ->> TG_ARGV[0])::uuid;
            ELSE
                whose := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
            END IF;
        END IF;
        INSERT INTO tenants_change AS c (tenant_id, version, changed_at)
        VALUES (whose, 1, clock_timestamp())
        ON CONFLICT (tenant_id)
        DO UPDATE SET version = c.version + 1, changed_at = EXCLUDED.changed_at;
        RETURN NULL;
    END $$;
    REVOKE ALL ON FUNCTION note_change() FROM PUBLIC;
    """,
    "DROP FUNCTION note_change()",
)


# The parent's policies hold for whoever comes through the parent. These hold for the owner, who
# alone can name a partition.
WALLED_PARTITIONS = migrations.RunSQL(
    """
    CREATE FUNCTION wall_partition(p_name text) RETURNS void
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        own_rows text :=
            $own$tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid$own$;
    BEGIN
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', p_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', p_name);
        EXECUTE format('CREATE POLICY tenant_wall ON %I USING (%s) WITH CHECK (%s)',
                       p_name, own_rows, own_rows);
    END $$;
    REVOKE ALL ON FUNCTION wall_partition(text) FROM PUBLIC;

    CREATE OR REPLACE FUNCTION ensure_partitions(p_until date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        parent text;
        month date;
        child text;
        made integer := 0;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'));
        FOR parent IN SELECT name FROM partitioned_table LOOP
            month := date_trunc('month', current_date - interval '1 month');
            WHILE month <= least(p_until, (current_date + interval '24 months')::date) LOOP
                child := parent || to_char(month, '_YYYY_MM');
                IF to_regclass(child) IS NULL THEN
                    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                                   child, parent, month, (month + interval '1 month')::date);
                    EXECUTE format('CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON %I'
                                   ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', child);
                    PERFORM wall_partition(child);
                    made := made + 1;
                END IF;
                month := (month + interval '1 month')::date;
            END LOOP;
        END LOOP;
        RETURN made;
    END $$;

    DO $$
    DECLARE
        child text;
    BEGIN
        FOR child IN
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            JOIN pg_class p ON p.oid = i.inhparent
            WHERE p.relname IN (SELECT name FROM partitioned_table) AND c.relkind = 'r'
        LOOP
            PERFORM wall_partition(child);
        END LOOP;
    END $$;
    """,
    migrations.RunSQL.noop,
)


def _grants(table: str, app: str, staff: str) -> tuple[str, ...]:
    return (
        f"GRANT {app} ON {table} TO hostsvc_app",
        f"GRANT {staff} ON {table} TO hostsvc_staff",
    )
