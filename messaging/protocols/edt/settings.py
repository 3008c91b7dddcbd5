"""What an endpoint of EDT, which is a trading point's directory, can be set to."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Self

from messaging.protocols.settings import LENIENT_RULES, Network, Reading

SERVER, CLIENT = "server", "client"
_LAST_SEQUENCE = 999_999
_USER: Final = re.compile(r"[!-~]{1,64}")
_HOST_KEY: Final = re.compile(r"(ssh-|ecdsa-sha2-)[a-z0-9-]{1,30} [A-Za-z0-9+/]{40,4000}={0,2}")
_CA: Final = re.compile(
    r"(-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]{100,8000}-----END CERTIFICATE-----\s*){1,4}"
)


@dataclass(frozen=True, slots=True)
class EdtSettings:
    """`first_sequence` is the number that a trading agent's first file bears. `warn_only` names
    rules whose breach is told and not refused.

    As `server` the host is logged in at, from `networks` alone where there are any (CIDR). As
    `client` it logs in at the tenant's own server as `user` every `poll_seconds`; that server is
    known by `host_key` (SFTP: a public key in OpenSSH's form) or `ca` (FTPS: PEM). A file there is
    taken once its size and time were the same for `still_seconds`; with 0 at once, where the tenant
    renames what is complete.
    """

    profile: str = "host-1"
    first_sequence: int = 1
    warn_only: tuple[str, ...] = ()
    mode: str = SERVER
    networks: tuple[Network, ...] = ()
    user: str = ""
    host_key: str = ""
    ca: str = ""
    poll_seconds: int = 30
    still_seconds: int = 10

    @classmethod
    def parse(cls, given: Mapping[str, object], *, profiles: Collection[str]) -> Self:
        """Raises BadSettings; `profiles` are those that are installed."""
        reading, default = Reading(given), cls()
        settings = cls(
            reading.one_of("profile", default.profile, profiles),
            reading.whole("first_sequence", 1, 1, _LAST_SEQUENCE),
            reading.some_of("warn_only", (), LENIENT_RULES),
            reading.one_of("mode", default.mode, (SERVER, CLIENT)),
            reading.networks("networks"),
            reading.text("user", _USER, "a name of 1 to 64 printable characters"),
            reading.text("host_key", _HOST_KEY, "a public key in OpenSSH's form"),
            reading.text("ca", _CA, "certificates as PEM"),
            reading.whole("poll_seconds", default.poll_seconds, 5, 3_600),
            reading.whole("still_seconds", default.still_seconds, 0, 3_600),
        )
        if settings.mode == CLIENT:
            if not settings.user:
                reading.wrong("user", "it must be given in client mode")
            if not settings.host_key and not settings.ca:
                reading.wrong("host_key", "this or ca must be given in client mode")
        reading.close()
        return settings
