"""Opens a private key for whoever uploads one, as a program of its own: what is asked of it comes
in as JSON, what it found goes out as JSON, and it is bounded in time and memory.

A PKCS#12 file or an encrypted key says itself how often its passphrase is to be hashed, and a key
how large its numbers are: either can cost minutes or gigabytes. So this is where it is found out,
and not in a process that serves others. Imports nothing of ours, and never writes to a disk.
"""

from __future__ import annotations

import base64
import json
import resource
import sys
from typing import Any

CPU_SECONDS = 8
MEMORY_BYTES = 1024 * 1024 * 1024


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked = json.load(sys.stdin)
    passphrase = asked["passphrase"].encode() if asked["passphrase"] else None
    content = base64.b64decode(asked["content"])
    try:
        found = (_open_pkcs12 if asked["is_pkcs12"] else _open_pem)(content, passphrase)
    except MemoryError:
        found = {"fault": "dear"}
    json.dump(found, sys.stdout)


def _open_pem(content: bytes, passphrase: bytes | None) -> dict[str, Any]:
    """Told apart by what the library says, which has no other words for it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return {"key": _written(load_pem_private_key(content, passphrase))}
    except TypeError:
        return {"fault": "passphrase missing" if passphrase is None else "passphrase unneeded"}
    except UnsupportedAlgorithm:
        return {"fault": "unsupported"}
    except ValueError as error:
        is_encrypted = b"ENCRYPTED" in content and passphrase is not None
        is_wrong = is_encrypted and "password" in str(error).lower()
        return {"fault": "passphrase wrong" if is_wrong else "garbage"}


def _open_pkcs12(content: bytes, passphrase: bytes | None) -> dict[str, Any]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    try:
        found = load_pkcs12(content, passphrase)
    except UnsupportedAlgorithm:
        return {"fault": "unsupported"}
    except (ValueError, TypeError) as error:
        is_wrong = "password" in str(error).lower()
        return {"fault": "passphrase wrong" if is_wrong else "garbage"}
    bags = [bag for bag in (found.cert, *found.additional_certs) if bag is not None]
    return {
        "key": _written(found.key) if found.key is not None else None,
        "certificates": [bag.certificate.public_bytes(Encoding.PEM).decode() for bag in bags],
    }


def _written(key: Any) -> str:
    from cryptography.hazmat.primitives import serialization

    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return base64.b64encode(der).decode()


if __name__ == "__main__":
    main()
