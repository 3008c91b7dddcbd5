"""What the host's database says of the traffic, read as the vendor's staff."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg

from messaging.protocols.base import Parcel, RemoteProtocolError
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.loading import load_profile
from messaging.rehearsal.telling import tell_payload
from tests.chaos import names
from tests.chaos.books import REFUSED_BY_HOST, Carried, Given

_BODY = """
JOIN audit_body b ON b.tenant_id = m.tenant_id AND b.digest = m.body_digest
    AND b.month = date_trunc('month', m.received_at AT TIME ZONE 'UTC')::date
"""
# Numbers refused for a gap, or as used, name other messages, which came under them or come again.
_UP = f"""
SELECT m.origin, m.kind, m.reference, m.profile, b.content, m.refusal_code,
    concat(d.endpoint_id, ' ', d.queue), d.position, d.state, d.reference, d.payload_digest,
    EXISTS (SELECT 1 FROM messaging_attempt a WHERE a.tenant_id = d.tenant_id
        AND a.delivery_id = d.id AND a.sent_at >= d.deadline AND a.detail <> %s)
FROM messaging_message m {_BODY}
LEFT JOIN messaging_delivery d ON d.tenant_id = m.tenant_id AND d.message_id = m.id
    AND d.lane = 'operator'
WHERE m.origin = ANY(%s) AND m.refusal_code NOT IN ('R010', 'R011', 'E010', 'E011')
ORDER BY d.position, m.id
"""
_DOWN = f"""
SELECT e.name, i.kind, i.number, i.bm_unit, b.content, d.position, d.state, d.reference,
    d.payload_digest, d.sent_at >= d.deadline,
    EXISTS (SELECT 1 FROM audit_entry a WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id
        AND a.event = 'alarmed')
FROM messaging_instruction i
JOIN messaging_message m ON m.id = i.message_id
JOIN tenants_endpoint e ON e.id = i.endpoint_id {_BODY}
LEFT JOIN messaging_delivery d ON d.tenant_id = m.tenant_id AND d.message_id = m.id
    AND d.lane = 'link'
ORDER BY d.position, m.id
"""
_ON_LINKS = """
SELECT e.name, d.reference, d.payload_digest, d.state FROM messaging_delivery d
JOIN tenants_endpoint e ON e.id = d.endpoint_id
WHERE d.lane = 'link' AND d.reference <> ''
"""
_BATCHES = """
SELECT a.asset, p.state, p.id::text, p.payload_digest, j.id::text FROM messaging_smpbatch p
JOIN messaging_smpjob j ON j.id = p.job_id
JOIN messaging_smprow a ON a.job_id = j.id AND a.row = p.first_row
"""
_UNDER_WAY = """
SELECT lane, state, count(*) FROM messaging_delivery
WHERE state IN ('PENDING', 'CLAIMED', 'HELD') OR (state = 'DELIVERED' AND lane = 'link')
GROUP BY lane, state
UNION ALL
SELECT 'registrations', state, count(*) FROM messaging_smpbatch
WHERE state IN ('WAITING', 'SENDING', 'OPEN')
    OR (state = 'UNKNOWN' AND person_called_at IS NULL)
GROUP BY state
"""

TOO_LATE = "its deadline passed before its first byte could leave"
"""As attempts say that never left."""

_BATCH_STATES = {
    "REGISTERED": "ACKNOWLEDGED",
    "FAILED": "REFUSED",
    "REFUSED": "REFUSED",
    "OPEN": "DELIVERED",
    "UNKNOWN": "UNKNOWN",
    "WAITING": "PENDING",
    "SENDING": "CLAIMED",
}


class HostAccount:
    """On an open connection of its own; each call is one look at the whole."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._codecs: dict[str, EdlCodec] = {}

    def under_way(self) -> dict[str, int]:
        """What has not come to its end, by lane and state. A final receipt that is awaited is
        under way with the operator.
        """
        found = self._all(_UNDER_WAY)
        return {f"{lane} {state}": count for lane, state, count in found}

    def from_links(self) -> Iterator[tuple[bool, Carried]]:
        """Whether it is an answer to an instruction, and what became of it."""
        for row in self._all(_UP, TOO_LATE, ["CONTROL_POINT"]):
            name = self._name(row[3], bytes(row[4]))
            if name is not None:
                yield row[1] in ("ACCEPT", "REJECT"), _carried(name, row)

    def from_api(self) -> Iterator[Carried]:
        for row in self._all(_UP, TOO_LATE, ["API"]):
            yield _carried(names.of_scalar(bytes(row[4])), row)

    def from_files(self) -> Iterator[Carried]:
        for row in self._all(_UP, TOO_LATE, ["TRADING_POINT"]):
            if row[1] == "SUBMISSION" or row[5]:
                yield _carried(names.of_file(bytes(row[4]), row[2]), row)

    def instructions(self, told: Iterable[str]) -> Iterator[Carried]:
        """`told` are the texts that control points got: of what expired they must tell."""
        texts = "\n".join(told)
        for row in self._all(_DOWN):
            point, kind, number, unit, content, place, state, reference, digest, late, alarmed = row
            named = f"{kind} {number}{f' of {unit}' if unit else ''}"
            heard = state != "EXPIRED" or f"{named} EXPIRED" in texts
            yield Carried(
                tell_payload(json.loads(bytes(content))),
                f"{point} {unit}",
                place or 0,
                state or "",
                f"{point} {int(reference)}" if reference else "",
                bytes(digest or b"").hex(),
                alarmed and heard,
                bool(late),
            )

    def on_links(self) -> Iterator[Given]:
        """Everything that was given a number."""
        for point, number, digest, state in self._all(_ON_LINKS):
            yield Given(point, str(int(number)), bytes(digest or b"").hex(), state)

    def registrations(self) -> Iterator[Carried]:
        for asset, state, batch, digest, job in self._all(_BATCHES):
            told = asset if isinstance(asset, dict) else json.loads(asset)
            yield Carried(
                str(told["assetName"]),
                job,
                0,
                _BATCH_STATES.get(state, state),
                batch,
                bytes(digest or b"").hex(),
            )

    def _name(self, profile: str, content: bytes) -> str | None:
        codec = self._codecs.get(profile)
        if codec is None:
            codec = self._codecs[profile] = EdlCodec(load_profile(profile))
        try:
            return names.of_message(codec.decode(Parcel(content)).messages[0])
        except RemoteProtocolError:
            return None

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query.encode(), values).fetchall()


def _carried(name: str, row: tuple[Any, ...]) -> Carried:
    *_, refusal, queue, place, state, reference, digest, late = row
    return Carried(
        name,
        queue or "",
        place or 0,
        REFUSED_BY_HOST if refusal else state or "",
        reference or "",
        bytes(digest or b"").hex(),
        late=bool(late),
    )
