"""Verifies a tenant's audit chain from the first entry to the head, by the API alone.

`python docs/examples/verify_chain.py API KEY`, the standard library alone. The hash of entry n is
SHA-256(hash of entry n-1, n as eight bytes, the record); entry 0 is SHA-256("hostsvc audit chain 1"
and the tenant's id). Keep the head it prints: a chain that was cut off is told by that alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any
from uuid import UUID


def asked(url: str, key: str) -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def entries(api: str, key: str) -> Iterator[dict[str, Any]]:
    url = f"{api}/audit/entries?limit=500"
    while url:
        page = asked(url, key)
        yield from page["results"]
        url = page["next"]


def main() -> int:
    _, api, key = sys.argv
    head = asked(f"{api}/audit/head", key)
    tenant = UUID(asked(f"{api}/tenant", key)["id"])
    before = hashlib.sha256(b"hostsvc audit chain 1" + tenant.bytes).digest()
    seq = 0
    for entry in entries(api, key):
        seq += 1
        record = base64.b64decode(entry["record_base64"])
        linked = hashlib.sha256(before + seq.to_bytes(8, "big") + record).digest()
        if entry["seq"] != seq or linked.hex() != entry["hash"]:
            print(f"entry {seq} does not hold")
            return 1
        if seq == head["seq"] and linked.hex() != head["hash"]:
            print(f"the head says another hash of entry {seq}")
            return 1
        before = linked
    if seq < head["seq"]:
        print(f"the head is entry {head['seq']}, and the last one there is {seq}")
        return 1
    print(f"{seq} entries hold; the last one's hash is {before.hex()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
