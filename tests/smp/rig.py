"""The bundled simulator as the platform that alice's endpoint leads to, over mutual TLS, on a
thread of its own; and the relay driven by hand, as workers drive it.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from django.db import connection

from messaging.inbound.exchange import HttpAnswer, HttpQuestion, respond
from messaging.protocols.neso.seals import get_seal
from messaging.protocols.neso.seals.base import SigningKey
from messaging.rehearsal.authority import Authority, Issued
from messaging.relay.smp import due, jobs, logins
from messaging.relay.smp.jobs import Wish
from messaging.relay.smp.places import find_platform
from messaging.relay.smp.work import work_on
from messaging.simulator.app import Simulator
from messaging.smp_models import SmpBatch, SmpFinding, SmpJob
from tenants import endpoints
from tenants.audit.models import Entry
from tenants.certificates import thumbprint
from tenants.clock import now
from tenants.ids import new_id
from tenants.keys import store
from tenants.models import Certificate, Endpoint, Peer
from tenants.scope import tenant_scope
from tests.people import Cast, Person

T = TypeVar("T")
PASSWORD = "of the simulator"
RESULT = "/smp/simulator/TransactionResult"
WAIT_SECONDS = 20.0


@dataclass(slots=True)
class Rig:
    """`endpoint_id` is alice's that leads to the simulator."""

    person: Person
    cast: Cast
    endpoint_id: UUID
    simulator: Simulator
    config: Path

    # The simulator.

    def fault(self, name: str, path: str, times: int | None = 1, **more: Any) -> None:
        limit = {} if times is None else {"times": times}
        self._control(
            "POST", "/faults", {"faults": [{"fault": name, "path": path, **limit, **more}]}
        )

    def no_faults(self) -> None:
        self._control("DELETE", "/faults")

    def asked(self, service: str) -> list[dict[str, Any]]:
        """Requests that came to one of its services, with a seal that held."""
        told = self._control("GET", "/messages?since=0")["messages"]
        return [
            row
            for row in told
            if row["direction"] == "in" and row["role"] == "request" and row["service"] == service
        ]

    def times(self, pending: float = 0.0, processing: float = 0.0, token: int = 300) -> None:
        """How long its transactions and tokens last from now on."""
        told = json.loads(self.config.read_text())
        told["smpTimes"] = {"pending": pending, "processing": processing, "token": token}
        draft = self.config.with_suffix(".tmp")
        draft.write_text(json.dumps(told))
        draft.replace(self.config)
        wanted = (pending, processing, token)

        def is_read() -> bool:
            read = self.simulator._live.refresh().smp_times
            return (read.pending, read.processing, read.token) == wanted

        until(is_read)

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{self.simulator.control_port}{path}"
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    # The relay.

    def set(self, address: str | None = None, **changes: Any) -> None:
        """The endpoint's settings, quick ones where nothing else is said."""
        wanted = {"poll_seconds": 1, "answer_seconds": 2, **changes}
        with tenant_scope(self.person.tenant_id):
            row = Endpoint.objects.select_related("peer").get(id=self.endpoint_id)
            endpoints.change(row, address=address or self.address, settings=wanted)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.simulator.smp_port}"

    def login(self, password: str = PASSWORD) -> None:
        with tenant_scope(self.person.tenant_id):
            logins.set_login(self.endpoint_id, "alice", password, "test")

    def upload(self, content: bytes, **changes: Any) -> UUID:
        wish: dict[str, Any] = {
            "kind": SmpJob.Kind.ASSETS,
            "format": SmpJob.Format.CSV if content[:1] not in b"[{" else SmpJob.Format.JSON,
            "file_name": "assets.csv",
            "check_only": False,
            "send_good": False,
            "unit": None,
            "by": "test",
            **changes,
        }
        with tenant_scope(self.person.tenant_id):
            platform = find_platform("simulator")
        assert platform is not None
        return jobs.take(self.person.tenant_id, platform, Wish(**wish), iter([content])).id

    def step(self) -> int:
        """Does once what is due now, or would be within the hour, as if time had passed."""
        with tenant_scope(self.person.tenant_id), connection.cursor() as cursor:
            cursor.execute("UPDATE messaging_smpdue SET due_at = now()")
            cursor.execute(
                "UPDATE messaging_smpbatch SET wait_until = NULL WHERE wait_until IS NOT NULL"
            )
        picked = due.pick(100)
        for tenant_id, item_id in picked:
            work_on(tenant_id, item_id)
        return len(picked)

    def run(self, job_id: UUID, *states: str) -> SmpJob:
        """Until the job has come to one of these states, or to its end."""
        wanted = states or tuple(set(SmpJob.State.values) - set(jobs.UNFINISHED))

        def is_there() -> SmpJob | None:
            self.step()
            job = self.job(job_id)
            return job if job.state in wanted else None

        return until(is_there)

    def work(self, item_id: UUID) -> None:
        """What a worker does that is given this item, and nothing else."""
        with tenant_scope(self.person.tenant_id):
            due.put(item_id, now())
        work_on(self.person.tenant_id, item_id)

    def job(self, job_id: UUID) -> SmpJob:
        with tenant_scope(self.person.tenant_id):
            return SmpJob.objects.get(id=job_id)

    def batches(self, job_id: UUID) -> list[SmpBatch]:
        with tenant_scope(self.person.tenant_id):
            return list(SmpBatch.objects.filter(job_id=job_id).order_by("position"))

    def findings(self, job_id: UUID) -> list[tuple[int, str, str]]:
        """Row, column and source."""
        with tenant_scope(self.person.tenant_id):
            rows = SmpFinding.objects.filter(job_id=job_id).order_by("row", "id")
            return [(row.row, row.column, row.source) for row in rows]

    def entries(self, event: str, **detail: Any) -> list[dict[str, Any]]:
        """Details of what the audit log holds of an event, with these members."""
        with tenant_scope(self.person.tenant_id):
            rows = Entry.objects.filter(event=event).order_by("seq")
            told = [json.loads(bytes(row.record))["detail"] for row in rows]
        return [one for one in told if all(one.get(n) == v for n, v in detail.items())]

    def within(self, work: Callable[[], T]) -> T:
        with tenant_scope(self.person.tenant_id):
            return work()

    # The batch return, as the platform posts it.

    def give_back(
        self,
        transaction: str,
        status: str = "SUCCESS",
        errors: list[dict[str, Any]] | None = None,
        *,
        message_id: UUID | None = None,
        answers: UUID | None = None,
        signer: Issued | None = None,
    ) -> HttpAnswer:
        message_id = message_id or new_id()
        payload = {
            "type": "transactionStatus",
            "messageId": str(message_id),
            "sentAt": now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "profile": "host-1",
            "transactionId": transaction,
            "status": status,
            "errors": errors or [],
        }
        if answers is not None:
            payload["inReplyTo"] = str(answers)
        return self.post(json.dumps(payload).encode(), message_id, signer)

    def post(self, payload: bytes, message_id: UUID, signer: Issued | None = None) -> HttpAnswer:
        issued = signer or self.cast.operator.signing
        leaf = x509.load_pem_x509_certificate(issued.pem.encode())
        digest = leaf.fingerprint(hashes.SHA256())
        key = SigningKey(thumbprint(digest), issued.key, issued.pem)
        sealed = get_seal("jws-json").close(
            payload,
            key=key,
            issuer="NGESO",
            audience=self.person.participant_id,
            reference=str(message_id),
            now=now(),
        )
        question = HttpQuestion(
            "simulator",
            "transaction_result",
            RESULT,
            {"content-type": sealed.content_type, **sealed.headers},
            sealed.body,
            b"certificate",
            "127.0.0.1:1",
        )
        return respond(question)


def until(holds: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
    return found


@contextmanager
def running(cast: Cast, folder: Path) -> Iterator[Rig]:
    """Gives alice certificates that the simulator knows, an endpoint that leads to it, and its
    login.
    """
    alice, authority = cast.alice, Authority("tenants")
    client, signing = authority.issue("alice client"), authority.issue("alice signing")
    with tenant_scope(alice.tenant_id):
        for purpose, issued in (
            (Certificate.Purpose.SO_CLIENT, client),
            (Certificate.Purpose.SIGNING, signing),
        ):
            store.install(purpose, issued.pem, issued.key, environment="simulator")
        endpoint = endpoints.add(
            endpoints.Draft(
                *("simulator", "neso-smp", "https", "simulator", "https://127.0.0.1:9"),
                peer=Peer.objects.get(name="simulator"),
            )
        )
    config = _write_config(cast, authority, client, signing, folder)
    with _on_a_thread(Simulator(config)) as simulator:
        rig = Rig(alice, cast, endpoint.id, simulator, config)
        rig.set()
        rig.login()
        yield rig


def _write_config(
    cast: Cast, authority: Authority, client: Issued, signing: Issued, folder: Path
) -> Path:
    for name, issued in (
        ("operator-tls", cast.operator.tls),
        ("operator-signing", cast.operator.signing),
        ("client", client),
        ("signing", signing),
    ):
        issued.write(folder / f"{name}.pem", folder / f"{name}.key")
    (folder / "tenants.pem").write_text(authority.pem)
    config = {
        "root": str(folder),
        "host": "127.0.0.1",
        "waPort": 0,
        "smpPort": 0,
        "controlPort": 0,
        "participantId": "NGESO",
        "tls": {"certificate": "operator-tls.pem", "key": "operator-tls.key", "ca": "tenants.pem"},
        "signing": {"certificate": "operator-signing.pem", "key": "operator-signing.key"},
        "hostCa": "tenants.pem",
        "hostWaUrl": "https://127.0.0.1:9/wa/simulator",
        "hostSmpUrl": "https://127.0.0.1:9/smp/simulator",
        "dispatchEvery": None,
        "smpTimes": {"pending": 0, "processing": 0, "token": 300},
        "tenants": [
            {
                "participantId": cast.alice.participant_id,
                "tradingAgent": "ALITA",
                "tlsCertificates": ["client.pem"],
                "signingCertificates": ["signing.pem"],
                "smp": {"username": "alice", "password": PASSWORD},
                "controlPoints": [],
            }
        ],
    }
    path = folder / "simulator.json"
    path.write_text(json.dumps(config))
    return path


@contextmanager
def _on_a_thread(simulator: Simulator) -> Iterator[Simulator]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(simulator.start(), loop).result(20)
    try:
        yield simulator
    finally:
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
