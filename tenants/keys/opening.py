"""Has a private key opened by a program of its own (`opener`), so that a hostile file costs seconds
and not minutes, and memory that is not ours.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from tenants.keys.faults import Unfit, unfit

SECONDS = 10
"""Of wall time; the program bounds its own time on the processor below this."""

AT_ONCE = 2
"""Programs of one process of ours, so that uploads can't take the machine from messages."""

_OPENER = Path(__file__).with_name("opener.py")
_TEXTS = {
    "passphrase missing": ("passphrase", "The private key is encrypted: its passphrase is needed."),
    "passphrase unneeded": ("passphrase", "The private key is not encrypted: leave this out."),
    "unsupported": ("{field}", "It is a key, or is encrypted, in a way that is not supported."),
}
_WRONG = "The passphrase is not the one that this was encrypted with, or the file is damaged."
_DEAR = (
    "Opening it takes too long or too much memory: its passphrase is hashed too many times, or its"
    " key is too large. Write it anew with usual settings (openssl does by default)."
)
_turns = threading.BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """Others are being opened; it may be tried again in a moment."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What was in it. Certificates (PEM) are there in PKCS#12 only, in its own order."""

    key: PrivateKeyTypes | None
    certificates: tuple[str, ...] = ()


def open_pem(content: bytes, passphrase: str) -> Opened:
    """Raises Unfit and Busy."""
    return _opened(content, passphrase, "private_key")


def open_pkcs12(content: bytes, passphrase: str) -> Opened:
    """Raises Unfit and Busy."""
    return _opened(content, passphrase, "pkcs12")


def _opened(content: bytes, passphrase: str, field: str) -> Opened:
    asked = {
        "content": base64.b64encode(content).decode(),
        "passphrase": passphrase,
        "is_pkcs12": field == "pkcs12",
    }
    found = _ask([sys.executable, "-I", str(_OPENER)], asked, field)
    if "fault" in found:
        raise _refusal(str(found["fault"]), field)
    der = base64.b64decode(found["key"]) if found["key"] else None
    # It was checked where it was opened; checking an RSA key again costs a tenth of a second.
    key = (
        serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
        if der
        else None
    )
    return Opened(key, tuple(found.get("certificates", ())))


def _ask(command: Sequence[str], asked: dict[str, Any], field: str) -> dict[str, Any]:
    """Nothing of this process's environment is passed on: the master key may be in it."""
    if not _turns.acquire(timeout=SECONDS):
        raise Busy
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=SECONDS,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise unfit(field, _DEAR) from None
    finally:
        _turns.release()
    if done.returncode != 0:
        # Ended by its own bounds, or by what a hostile file did to the library.
        raise unfit(field, _DEAR)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _refusal(fault: str, field: str) -> Unfit:
    if fault == "passphrase wrong":
        return unfit("passphrase", _WRONG)
    if fault == "dear":
        return unfit(field, _DEAR)
    if fault in _TEXTS:
        place, text = _TEXTS[fault]
        return unfit(place.format(field=field), text)
    what = "a PKCS#12 file" if field == "pkcs12" else "a private key in PEM"
    return unfit(field, f"This is not {what}, or it is damaged.")
