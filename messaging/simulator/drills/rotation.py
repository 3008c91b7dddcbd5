"""Certificate rotation while running: the operator's next TLS and signing certificates, announced
or not, the switch to them, and the way back to the configured ones."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509

from messaging.simulator.certificates import make_signer, thumbprint
from messaging.simulator.config import Config, TlsFiles
from messaging.simulator.drills.credentials import Credential, load_issuer, make_next
from messaging.simulator.live import LiveConfig
from messaging.simulator.stamps import now, write_stamp


class Part(StrEnum):
    TLS = "tls"
    SIGNING = "signing"


BOTH = "both"
WHAT = (*(part.value for part in Part), BOTH)


class NothingAnnounced(ValueError):
    """There is no next certificate to switch to."""


@dataclass(frozen=True, slots=True)
class _Used:
    """A rotated certificate in use; files are there for TLS, which reads from no memory."""

    credential: Credential
    files: tuple[Path, Path] | None = None


class Rotation:
    """`announce` shows the next certificates without using them; `switch` uses them."""

    def __init__(self, live: LiveConfig) -> None:
        self._live = live
        self._next: dict[Part, Credential] = {}
        self._used: dict[Part, _Used] = {}
        self._folder: Path | None = None
        self._task: asyncio.Task[None] | None = None
        self._switches_at: str | None = None
        self._times = 0

    def announce(self, what: str, after: float | None = None) -> None:
        """The next ones are made now, and used `after` seconds from now, or when `switch` comes.
        Raises Unusable."""
        self._forget_next()
        config = self._live.current
        issuer = load_issuer(config.authority)
        for part in _parts(what):
            self._next[part] = make_next(self._present(config, part), issuer)
        if after is not None:
            self._switches_at = write_stamp(now() + timedelta(seconds=after))
            self._task = asyncio.create_task(self._switch_later(after))

    def rotate(self, what: str) -> None:
        """Without a word beforehand. Raises Unusable."""
        self.announce(what)
        self.switch()

    def switch(self) -> None:
        """Raises NothingAnnounced."""
        if not self._next:
            raise NothingAnnounced("no certificate has been announced")
        self._times += 1
        used = dict(self._used)
        for part, credential in self._next.items():
            files = None
            if part is Part.TLS:
                files = credential.write(self._own_folder(), f"tls-{self._times}")
            used[part] = _Used(credential, files)
        self._use(used)
        self._forget_next()

    def revert(self) -> None:
        """Back to the configured certificates; what was announced is called off."""
        self._forget_next()
        self._use({})

    def stop(self) -> None:
        self._forget_next()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def show(self) -> dict[str, object]:
        config = self._live.current
        return {
            "current": {part: _show(self._present(config, part)) for part in Part},
            "next": {part: _show(one.certificate) for part, one in self._next.items()},
            "rotated": sorted(self._used),
            "switchesAt": self._switches_at,
            "authority": None if config.authority is None else _read(config.authority.certificate),
        }

    def _use(self, used: dict[Part, _Used]) -> None:
        self._live.change(lambda config: _changed(config, used))
        self._used = used

    async def _switch_later(self, after: float) -> None:
        await asyncio.sleep(after)
        self._task = None
        self.switch()

    def _forget_next(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task, self._switches_at, self._next = None, None, {}

    def _own_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="ngeso-simulator-"))
        return self._folder

    @staticmethod
    def _present(config: Config, part: Part) -> x509.Certificate:
        if part is Part.SIGNING:
            return config.signer.certificate
        return x509.load_pem_x509_certificates(config.tls.certificate.read_bytes())[0]


def _parts(what: str) -> tuple[Part, ...]:
    return tuple(Part) if what == BOTH else (Part(what),)


def _changed(config: Config, used: dict[Part, _Used]) -> Config:
    """The configuration, as it is read again now and then, with the certificates in use."""
    signing, tls = used.get(Part.SIGNING), used.get(Part.TLS)
    if signing is not None:
        credential, algorithm = signing.credential, config.signer.algorithm
        signer = make_signer(credential.key_pem, credential.certificate, algorithm)
        config = replace(config, signer=signer)
    if tls is not None and tls.files is not None:
        config = replace(config, tls=TlsFiles(*tls.files, config.tls.ca))
    return config


def _show(certificate: x509.Certificate) -> dict[str, object]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "thumbprint": thumbprint(certificate),
        "notAfter": write_stamp(certificate.not_valid_after_utc),
        "pem": _pem(certificate),
    }


def _pem(certificate: x509.Certificate) -> str:
    return Credential(certificate, b"").pem


def _read(path: Path) -> str | None:
    try:
        return path.read_text("ascii")
    except (OSError, ValueError):
        return None
