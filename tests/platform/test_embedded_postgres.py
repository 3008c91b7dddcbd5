"""The embedded PostgreSQL: its start from any state, its end, and who may do what in it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hostsvc.embedded import EmbeddedError, EmbeddedPostgres
from hostsvc.embedded.postgres import ROLES_SQL, Role, apply_roles
from hostsvc.supervisor import Supervisor
from hostsvc.supervisor.kin import exists, working_in
from tests.platform.waiting import BOUND_SECONDS, eventually

ROOT = Path(__file__).parent.parent.parent
ROLES: list[Role] = ["owner", "app", "staff"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that the tests start and stop one after the other."""
    made = tmp_path_factory.mktemp("stopped")
    with EmbeddedPostgres(made, durable=False):
        pass
    return made


@pytest.fixture(scope="module")
def postgres(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedPostgres]:
    """A copy of it that runs."""
    copied = shutil.copytree(directory, tmp_path_factory.mktemp("running") / "copy")
    (copied / "port").unlink()
    with EmbeddedPostgres(copied, durable=False) as started:
        yield started


def ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("by_socket", [False, True])
def test_each_role_signs_in_with_its_password(
    postgres: EmbeddedPostgres, role: Role, by_socket: bool
) -> None:
    url = postgres.url(role, socket=by_socket)
    assert ask(url, "SELECT current_user") == f"hostsvc_{role}"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(url.replace(postgres.secrets[role], "guess"), "SELECT 1")


@pytest.mark.parametrize("role", ROLES)
def test_no_role_can_look_past_a_row_policy(postgres: EmbeddedPostgres, role: Role) -> None:
    powers = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication"
    question = f"SELECT {powers} FROM pg_roles WHERE rolname = current_user"
    assert ask(postgres.url(role), question) is False


def test_only_the_owner_makes_tables(postgres: EmbeddedPostgres) -> None:
    allowed = "SELECT has_schema_privilege('public', 'CREATE')"
    assert [ask(postgres.url(role), allowed) for role in ROLES] == [True, False, False]
    assert ask(postgres.admin_url("hostsvc"), "SELECT datdba::regrole::text FROM pg_database"
               " WHERE datname = 'hostsvc'") == "hostsvc_owner"  # fmt: skip


def test_a_role_of_someone_else_may_not_connect(postgres: EmbeddedPostgres) -> None:
    stranger = "SELECT has_database_privilege('pg_monitor', 'hostsvc', 'CONNECT')"
    assert ask(postgres.admin_url(), stranger) is False


def test_roles_sql_takes_back_what_a_role_was_given(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.admin_url("hostsvc"), autocommit=True) as admin:
        admin.execute("ALTER ROLE hostsvc_app SUPERUSER BYPASSRLS INHERIT")
        admin.execute("GRANT CREATE ON SCHEMA public TO PUBLIC, hostsvc_app")
        admin.execute(ROLES_SQL.read_bytes())
        row = admin.execute(
            "SELECT rolsuper, rolbypassrls, rolinherit,"
            " has_schema_privilege(oid, 'public', 'CREATE')"
            " FROM pg_roles WHERE rolname = 'hostsvc_app'"
        ).fetchone()
    assert row == (False, False, False, False)


def test_roles_sql_runs_through_psql_and_leaves_passwords_that_are_not_given(
    postgres: EmbeddedPostgres,
) -> None:
    psql = str(postgres.program.beside("psql"))
    command = [psql, "-X", "-v", "ON_ERROR_STOP=1", "-q"]
    command += ["-c", "SET hostsvc.staff_password = 'it''s new'", "-f", str(ROLES_SQL)]
    result = subprocess.run(
        [*command, postgres.admin_url("hostsvc")], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert ask(postgres.url("app"), "SELECT 1") == 1
    changed = postgres.url("staff").replace(postgres.secrets["staff"], "it%27s%20new")
    assert ask(changed, "SELECT 1") == 1
    with psycopg.connect(postgres.admin_url("hostsvc"), autocommit=True) as admin:
        apply_roles(admin, {"staff": postgres.secrets["staff"]})
    assert ask(postgres.url("staff"), "SELECT 1") == 1


def test_an_administrator_who_is_no_superuser_can_run_roles_sql(
    postgres: EmbeddedPostgres,
) -> None:
    with psycopg.connect(postgres.admin_url(), autocommit=True) as admin:
        for name in ("hostsvc_owner", "hostsvc_app", "hostsvc_staff"):
            admin.execute(f"ALTER ROLE {name} RENAME TO {name}_aside".encode())
        admin.execute("CREATE ROLE landlord LOGIN CREATEROLE CREATEDB PASSWORD 'landlord'")
        admin.execute("ALTER ROLE landlord SET createrole_self_grant = 'set'")
        admin.execute("CREATE DATABASE rented OWNER landlord")
    url = f"postgresql://landlord:landlord@127.0.0.1:{postgres.port}/rented"
    with psycopg.connect(url, autocommit=True) as landlord:
        landlord.execute(ROLES_SQL.read_bytes())
        landlord.execute(ROLES_SQL.read_bytes())
    with psycopg.connect(postgres.admin_url(), autocommit=True) as admin:
        admin.execute("DROP DATABASE rented")
        for name in ("hostsvc_owner", "hostsvc_app", "hostsvc_staff"):
            admin.execute(f"DROP ROLE {name}".encode())
            admin.execute(f"ALTER ROLE {name}_aside RENAME TO {name}".encode())
        admin.execute("DROP ROLE landlord")


def test_data_and_port_outlive_a_restart(directory: Path) -> None:
    with (
        EmbeddedPostgres(directory, durable=False) as first,
        psycopg.connect(first.url("owner")) as owner,
    ):
        owner.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        owner.commit()
    with EmbeddedPostgres(directory, durable=False) as second:
        assert ask(second.url("owner"), "SELECT answer FROM kept") == 42
        assert second.port == first.port


def test_durable_means_fsync(directory: Path) -> None:
    with EmbeddedPostgres(directory) as durable:
        assert ask(durable.url("app"), "SHOW fsync") == "on"
    with EmbeddedPostgres(directory, durable=False) as fast:
        assert ask(fast.url("app"), "SHOW fsync") == "off"


def test_a_template_can_be_cloned(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.admin_url(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE clone TEMPLATE hostsvc OWNER hostsvc_owner")
    assert ask(postgres.url("app", "clone"), "SELECT current_database()") == "clone"
    with psycopg.connect(postgres.admin_url(), autocommit=True) as admin:
        admin.execute("DROP DATABASE clone")


def test_passwords_are_for_their_owner_alone(postgres: EmbeddedPostgres) -> None:
    for name in ("passwords.json", "postgres.log", "lock"):
        assert stat.S_IMODE((postgres.directory / name).stat().st_mode) == 0o600
    log = postgres.log.read_text(encoding="utf-8")
    assert not any(secret in log for secret in postgres.secrets.values())


def test_a_second_start_on_the_same_data_is_refused_and_names_the_first(
    postgres: EmbeddedPostgres,
) -> None:
    with pytest.raises(EmbeddedError, match=f"in use by pid {os.getpid()}"):
        EmbeddedPostgres(postgres.directory).start()
    assert ask(postgres.url("app"), "SELECT 1") == 1


def test_an_orphan_on_the_same_data_is_stopped_first(directory: Path) -> None:
    orphaned = EmbeddedPostgres(directory, durable=False)
    orphaned.start()
    assert orphaned.running is not None
    orphaned.lock.release()
    with EmbeddedPostgres(directory, durable=False) as postgres:
        assert orphaned.running.wait(BOUND_SECONDS) == 0
        assert ask(postgres.url("app"), "SELECT 1") == 1


def test_backends_left_by_a_killed_server_are_ended_before_the_next_start(
    directory: Path,
) -> None:
    killed = EmbeddedPostgres(directory, durable=False)
    killed.start()
    assert killed.running is not None
    # Busy, it does not notice that its server is gone.
    busy = psycopg.connect(killed.url("app"))
    backend = busy.info.backend_pid
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 100000000000)")
    killed.running.kill()
    killed.running.wait()
    assert exists(backend)
    killed.lock.release()
    with EmbeddedPostgres(directory, durable=False) as postgres:
        assert not exists(backend)
        assert ask(postgres.url("app"), "SELECT 1") == 1
    busy.close()


def test_a_stale_pid_file_that_names_a_stranger_is_no_obstacle(directory: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            lines = [str(stranger.pid), str(directory / "data"), "1", "5432", "", "127.0.0.1", ""]
            (directory / "data" / "postmaster.pid").write_text("\n".join(lines), encoding="ascii")
            with EmbeddedPostgres(directory, durable=False) as postgres:
                assert ask(postgres.url("app"), "SELECT 1") == 1
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_cluster_half_made_by_a_killed_start_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "data.new" / "base").mkdir(parents=True)
    (tmp_path / "data.new" / "PG_VERSION").write_text("18\n", encoding="ascii")
    with EmbeddedPostgres(tmp_path, durable=False) as postgres:
        assert ask(postgres.url("app"), "SELECT 1") == 1
    assert not (tmp_path / "data.new").exists()


def test_data_without_its_passwords_is_explained(directory: Path, tmp_path: Path) -> None:
    kept = shutil.copy(directory / "passwords.json", tmp_path)
    (directory / "passwords.json").unlink()
    try:
        with pytest.raises(EmbeddedError, match=r"passwords\.json is missing"):
            EmbeddedPostgres(directory).start()
    finally:
        shutil.copy(kept, directory)


def test_a_wanted_port_that_is_taken_is_explained(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedError, match=f"port {port}, wanted for postgres, is taken"):
            EmbeddedPostgres(directory, port=port).start()


def test_nothing_is_left_when_its_program_is_killed(directory: Path) -> None:
    code = (
        "import pathlib, sys, time; from hostsvc.embedded import EmbeddedPostgres;"
        "EmbeddedPostgres(pathlib.Path(sys.argv[1]), durable=False).start();"
        "print('started', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(directory)], cwd=ROOT, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"started\n"
        assert working_in(directory / "data", ["postgres"])
        program.kill()
    assert eventually(lambda: not working_in(directory / "data", ["postgres"]))


def test_a_supervisor_starts_it_again_when_it_is_killed(directory: Path) -> None:
    postgres = EmbeddedPostgres(directory, durable=False)
    story: list[str] = []

    def tick() -> None:
        (state,) = supervisor.states()
        if state.status == "ready" and state.restarts == 0 and state.pid:
            os.kill(state.pid, signal.SIGKILL)
        elif state.status == "ready":
            story.append(str(ask(postgres.url("app"), "SELECT 'back'")))
            supervisor.stop()

    postgres.prepare()
    supervisor = Supervisor(
        [postgres.child()],
        directory / "supervisor",
        on_event=lambda event: story.append(event.kind),
        tick=tick,
    )
    assert supervisor.run() == 0
    postgres.stop()
    assert story[:3] == ["started", "ready", "ended"]
    assert story[-3:] == ["back", "stopping", "stopped"]
    assert not working_in(directory / "data", ["postgres"])
