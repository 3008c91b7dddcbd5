"""All that a database holds, and whether a secret is in it in any of the usual forms."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from psycopg import sql

_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY 1, 2
"""


def dump(url: str) -> bytes:
    """Every row of every table and partition, as bytes; `url` is a superuser's. Binary values are
    as they are, not as a dump would write them.
    """
    parts = []
    with psycopg.connect(url) as session:
        for schema, name in session.execute(_TABLES).fetchall():
            copy = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(schema, name))
            with session.cursor() as cursor, cursor.copy(copy) as rows:
                parts.append(f"\n{schema}.{name}\n".encode() + b"".join(map(bytes, rows)))
    return b"".join(parts)


def without_breaks(dumped: bytes) -> bytes:
    """Lines of PEM and of JSON joined, so that a secret that is broken into lines is found."""
    for mark in (b"\r", b"\n", b"\\r", b"\\n"):
        dumped = dumped.replace(mark, b"")
    return dumped


def forms(secret: bytes) -> Iterator[bytes]:
    """Itself, in hexadecimal, and in base64 wherever in a longer value it begins."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret)
        # What its neighbours share a character with is left out at both ends.
        inner = encoded[(0, 2, 3)[shift] : len(encoded) - 4]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def is_in(dumped: bytes, joined: bytes, secret: bytes) -> bool:
    assert len(secret) >= 8, "too short to be told from chance"
    return any(form in dumped or form in joined for form in forms(secret))


def secrets_of(key: Any) -> Iterator[bytes]:
    """The numbers that no encoding of the key can be without, and one whole encoding."""
    match key:
        case ec.EllipticCurvePrivateKey():
            size = (key.key_size + 7) // 8
            yield key.private_numbers().private_value.to_bytes(size)
        case rsa.RSAPrivateKey():
            numbers = key.private_numbers()
            for number in (numbers.p, numbers.q, numbers.d, numbers.dmp1, numbers.dmq1):
                yield number.to_bytes((number.bit_length() + 7) // 8)
        case ed25519.Ed25519PrivateKey():
            yield key.private_bytes_raw()
    yield key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
