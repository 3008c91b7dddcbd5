"""Redis (or Valkey) for a machine with nothing installed: a broker that keeps nothing on disk."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hostsvc.embedded.binaries import REDIS_PROGRAMS, Program, find_redis
from hostsvc.embedded.secrets import passwords, write_private
from hostsvc.embedded.server import EmbeddedServer

# The client's default waits and tries again for seconds; a question of readiness must not.
AT_ONCE = Retry(NoBackoff(), 0)

SETTINGS = {
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "daemonize": "no",
    "save": '""',
    "appendonly": "no",
    "maxmemory-policy": "noeviction",
    "logfile": '""',
    "databases": "16",
}


class EmbeddedRedis(EmbeddedServer):
    """A server in `directory` whose contents end with it: PostgreSQL is the truth."""

    name: ClassVar[str] = "redis"
    programs = REDIS_PROGRAMS
    steps = ((signal.SIGTERM, 5.0),)

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        super().__init__(directory, port=port)
        self.secret = ""
        self.program = Program(Path("redis-server"), 0)

    @property
    def home(self) -> Path:
        return self.directory

    def url(self, db: int = 0) -> str:
        return f"redis://:{self.secret}@127.0.0.1:{self.port}/{db}"

    def argv(self) -> list[str]:
        return [str(self.program.path), str(self.directory / "redis.conf")]

    def arrange(self) -> None:
        """Write the configuration: a file, so that the password shows in no list of programs."""
        self.secret = passwords(self.directory / "passwords.json", ["default"])["default"]
        self.program = find_redis()
        settings = SETTINGS | {"port": str(self.port), "requirepass": self.secret}
        settings["dir"] = quoted(str(self.directory))
        if self.program.version >= 7:
            # Otherwise it stays for as long as a client's script or a slow replica keeps it.
            settings["shutdown-on-sigterm"] = "force"
        lines = [f"{name} {value}\n" for name, value in settings.items()]
        write_private(self.directory / "redis.conf", "".join(lines))

    def ready(self) -> bool:
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=1, retry=AT_ONCE) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def quoted(text: str) -> str:
    """As the configuration file wants a value with blanks: bytes beyond ASCII as \\xHH."""
    safe = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}"
        for byte in text.encode()
    )
    return '"' + "".join(safe) + '"'
