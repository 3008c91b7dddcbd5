"""PostgreSQL for a machine with nothing installed: its cluster, its start, its roles."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar, Literal, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from hostsvc.embedded.binaries import Program, find_postgres
from hostsvc.embedded.errors import EmbeddedError
from hostsvc.embedded.identity import Identity, choose
from hostsvc.embedded.secrets import passwords, write_private
from hostsvc.embedded.server import EmbeddedServer
from hostsvc.supervisor.spawn import launched

Role = Literal["owner", "app", "staff"]
ROLES: tuple[Role, ...] = ("owner", "app", "staff")
ADMIN = "hostsvc_admin"
DATABASE = "hostsvc"
ROLES_SQL = Path(__file__).parent.parent / "database" / "roles.sql"
# sockaddr_un has 108 bytes on Linux, 104 on macOS.
LONGEST_SOCKET_PATH = 103

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "max_wal_size": "512MB",
    "max_parallel_workers_per_gather": "0",
    "max_locks_per_transaction": "256",  # month partitions: one lock each
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """A cluster in `directory`, with the service's roles and its database `hostsvc`.

    `durable=False` gives up every promise about a power cut, for tests.
    """

    name: ClassVar[str] = "postgres"
    programs = ("postgres",)
    # Fast shutdown, then immediate.
    steps = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0))

    def __init__(self, directory: Path, *, port: int | None = None, durable: bool = True) -> None:
        super().__init__(directory, port=port)
        self.durable = durable
        self.data = self.directory / "data"
        self.sockets = self.directory / "sockets"
        self.secrets: dict[str, str] = {}
        self.program = Program(Path("postgres"), 0)
        self.identity = Identity()
        self.set_up = False

    @property
    def home(self) -> Path:
        return self.data

    def identity_word(self) -> str:
        return self.identity.word

    def url(self, role: Role, database: str = DATABASE, *, socket: bool = False) -> str:
        """Where to connect as hostsvc_<role>; by the unix socket if asked for and there is one."""
        return self._url(f"hostsvc_{role}", self.secrets[role], database, socket=socket)

    def admin_url(self, database: str = "postgres") -> str:
        """As the superuser, who sees past every row policy: for templates and roles only."""
        return self._url(ADMIN, self.secrets["admin"], database, socket=False)

    def _url(self, user: str, password: str, database: str, *, socket: bool) -> str:
        place = f"{user}:{quote(password)}@"
        if socket and self.has_socket:
            return (
                f"postgresql://{place}/{database}?host={quote(str(self.sockets))}&port={self.port}"
            )
        return f"postgresql://{place}127.0.0.1:{self.port}/{database}"

    @property
    def has_socket(self) -> bool:
        return len(os.fsencode(self.sockets / ".s.PGSQL.65535")) <= LONGEST_SOCKET_PATH

    def argv(self) -> list[str]:
        settings = SETTINGS | ({} if self.durable else NOT_DURABLE)
        settings["unix_socket_directories"] = str(self.sockets) if self.has_socket else ""
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        return [str(self.program.path), "-D", str(self.data), "-p", str(self.port), *options]

    def arrange(self) -> None:
        """Make the cluster if there is none, and clear what a killed server left."""
        made = self.data.exists()
        secrets = self.directory / "passwords.json"
        if made and not secrets.exists():
            raise EmbeddedError(
                f"{secrets} is missing, and without it nobody can sign in: put it back, or remove"
                f" {self.directory} to start afresh"
            )
        self.secrets = passwords(secrets, ("admin", *ROLES))
        self.program = find_postgres(self._data_version() if made else None)
        self.identity = choose(self.data, self.program.path)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        self.identity.own(self.sockets)
        if not made:
            self._make_cluster()
        self.identity.own(self.data)
        # Nothing runs here: we hold the lock and have ended the orphans. The pid in these files
        # may by now be someone else's, and then the server would refuse to start.
        for left in (self.data / "postmaster.pid", *self.sockets.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)

    def _data_version(self) -> int:
        return int((self.data / "PG_VERSION").read_text(encoding="ascii").strip())

    def _make_cluster(self) -> None:
        """initdb under a temporary name, so that a half-made cluster is never taken for one."""
        draft = self.directory / "data.new"
        secret = self.directory / "initdb.password"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self.identity.own(draft)
        write_private(secret, self.secrets["admin"])
        self.identity.own(secret)
        command = launched(
            self._initdb(draft, secret), death_signal=signal.SIGKILL, identity=self.identity.word
        )
        result = subprocess.run(
            command, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        secret.unlink()
        if result.returncode != 0:
            raise EmbeddedError(f"initdb failed: {(result.stderr or result.stdout).strip()}")
        draft.rename(self.data)

    def _initdb(self, draft: Path, secret: Path) -> list[str]:
        argv = [str(self.program.beside("initdb")), "-D", str(draft), "-U", ADMIN]
        argv += ["--pwfile", str(secret), "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        if self.program.version >= 17:
            # Code-point order as with C, and letters beyond ASCII have upper and lower case.
            argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return argv if self.durable else [*argv, "--no-sync"]

    def ready(self) -> bool:
        """Whether it takes connections; the first time it does, roles and database are set up."""
        try:
            with self._connect("postgres") as connection:
                if not self.set_up:
                    self._make_database(connection)
        except psycopg.OperationalError:
            return False
        if not self.set_up:
            with self._connect(DATABASE) as connection:
                apply_roles(connection, {role: self.secrets[role] for role in ROLES})
            self.set_up = True
        return True

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.admin_url(database), autocommit=True, connect_timeout=5)

    def _make_database(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        there = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
        if there.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def start(self) -> None:
        self.set_up = False
        super().start()

    def __enter__(self) -> Self:
        self.start()
        return self


def apply_roles(
    connection: psycopg.Connection[tuple[object, ...]], secrets: dict[Role, str]
) -> None:
    """Run roles.sql; the passwords travel as SCRAM verifiers, so that no log can show them."""
    for role, secret in secrets.items():
        verifier = connection.pgconn.encrypt_password(
            secret.encode(), f"hostsvc_{role}".encode(), b"scram-sha-256"
        )
        connection.execute(
            "SELECT set_config(%s, %s, false)", [f"hostsvc.{role}_password", verifier.decode()]
        )
    connection.execute(ROLES_SQL.read_bytes())
