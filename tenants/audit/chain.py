"""The arithmetic of the hash chain: pure, standard library only, so that anyone can check a chain
without the host.

The hash of entry n is SHA-256(hash of entry n-1 || n as eight bytes, big-endian || record); entry 0
is the genesis of the chain, SHA-256("hostsvc audit chain 1" || the chain's id). The record is the
very bytes stored, never a re-serialisation of them. The database function `audit_append` does the
same sum when it links an entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

GENESIS_PREFIX = b"hostsvc audit chain 1"


class Linked(NamedTuple):
    """One stored entry as the check needs it: what was hashed, and the columns that repeat parts of
    it (ids as text).

    A plain tuple, for a chain has millions of them.
    """

    seq: int
    record: bytes
    hash: bytes
    event: str
    message_id: str | None
    delivery_id: str | None


@dataclass(frozen=True, slots=True)
class Break:
    """The first entry at which a chain does not hold, and why."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry's number and hash: publish it outside, for inside the database a cut tail
    leaves no trace.
    """

    seq: int
    hash: bytes


def genesis(chain_id: UUID) -> bytes:
    return hashlib.sha256(GENESIS_PREFIX + chain_id.bytes).digest()


def link(previous: bytes, seq: int, record: bytes) -> bytes:
    return hashlib.sha256(previous + seq.to_bytes(8, "big") + record).digest()


def check(start: Head, entries: Iterable[Linked], head: Head) -> Break | None:
    """The first break in `entries`, which follow `start` and must end at `head`; None when the
    chain is whole.
    """
    sha256 = hashlib.sha256
    seq, previous = start.seq, start.hash
    for entry in entries:
        stored_seq, record, digest, event, message_id, delivery_id = entry
        seq += 1
        if stored_seq != seq:
            return Break(seq, f"missing: the next entry stored is {stored_seq}")
        if sha256(previous + seq.to_bytes(8, "big") + record).digest() != digest:
            return Break(seq, "the record does not match its hash")
        if not _plainly_agrees(record, event, message_id, delivery_id):
            reason = _disagreement(entry)
            if reason is not None:
                return Break(seq, reason)
        previous = digest
    if seq != head.seq:
        return Break(seq + 1, f"missing: the chain's head is {head.seq}")
    return None if previous == head.hash else Break(seq, "the chain's head has another hash")


_DELIVERY_AT = len('{"at":"2026-01-01T00:00:00.000000Z",')


def _plainly_agrees(
    record: bytes, event: str, message_id: str | None, delivery_id: str | None
) -> bool:
    """Whether the columns stand in the record where the canonical form has them, which is a tenth
    of the work of reading it whole. Not being sure is False.
    """
    delivery = f'"delivery_id":"{delivery_id}",' if delivery_id else '"delivery_id":null,'
    message = f'"{message_id}"' if message_id else "null"
    ending = f',"event":"{event}","message_id":{message}}}'
    return record.startswith(delivery.encode(), _DELIVERY_AT) and record.endswith(ending.encode())


def _disagreement(entry: Linked) -> str | None:
    """Columns are there to be searched; what they say must be what was hashed."""
    try:
        said = json.loads(entry.record)
    except ValueError:
        return "the record is not JSON"
    if not isinstance(said, dict):
        return "the record is not a JSON object"
    for name in ("event", "message_id", "delivery_id"):
        if said.get(name) != getattr(entry, name):
            return f"the column {name} differs from the record"
    return None
