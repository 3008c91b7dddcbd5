-- The three database roles and who may do what in this database; tables, policies and grants on
-- them are made by the migrations. Run it as an administrator, connected to the service's own
-- database (psql -f, psycopg, a container's init folder), as often as you like.
--
--   hostsvc_owner  owns the tables; migrations only
--   hostsvc_app    the running service, behind row-level security
--   hostsvc_staff  the vendor's admin, with read policies of its own
--
-- None may bypass a row policy. Passwords come from session settings (plain, or better a
-- SCRAM-SHA-256 verifier); one that is not given stays as it is:
--
--   SET hostsvc.owner_password = '...';   SET hostsvc.app_password = '...';
--   SET hostsvc.staff_password = '...';
DO $roles$
DECLARE
    role record;
    secret text;
BEGIN
    -- Two runs at once would fail on "tuple concurrently updated".
    PERFORM pg_advisory_xact_lock(hashtext('hostsvc.roles'));

    FOR role IN
        SELECT wanted.name, wanted.setting, pg_roles.oid AS oid,
               rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls OR rolreplication AS too_strong,
               rolinherit OR NOT rolcanlogin AS off
        FROM (VALUES ('hostsvc_owner', 'hostsvc.owner_password'),
                     ('hostsvc_app', 'hostsvc.app_password'),
                     ('hostsvc_staff', 'hostsvc.staff_password')) AS wanted(name, setting)
        LEFT JOIN pg_roles ON rolname = wanted.name
    LOOP
        IF role.oid IS NULL THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', role.name);
        ELSIF role.too_strong THEN
            EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION', role.name);
        END IF;
        IF role.off THEN
            EXECUTE format('ALTER ROLE %I LOGIN NOINHERIT', role.name);
        END IF;
        secret := nullif(current_setting(role.setting, true), '');
        IF secret IS NOT NULL THEN
            EXECUTE format('ALTER ROLE %I PASSWORD %L', role.name, secret);
        END IF;
    END LOOP;

    -- An administrator who is no superuser must belong to a role to hand a database over to it.
    IF NOT pg_has_role(current_user, 'hostsvc_owner', 'MEMBER') THEN
        EXECUTE format('GRANT hostsvc_owner TO %I', current_user);
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO hostsvc_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO hostsvc_owner', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO hostsvc_app, hostsvc_staff', current_database());

    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT USAGE, CREATE ON SCHEMA public TO hostsvc_owner;
    GRANT USAGE ON SCHEMA public TO hostsvc_app, hostsvc_staff;
    REVOKE CREATE ON SCHEMA public FROM hostsvc_app, hostsvc_staff;
END
$roles$;
