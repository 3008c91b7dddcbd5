"""Who is trusted is the vendor's to say: nothing that a tenant hands in makes anybody trusted, for
itself or for another.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from messaging.gateway.identity import identify
from messaging.protocols.neso.seals import get_seal
from messaging.protocols.neso.seals.base import SealError, SigningKey, Target
from messaging.relay import signing
from messaging.relay.register import find_operator
from tenants import peers
from tenants.certificates import fingerprint_of, thumbprint
from tenants.clock import now
from tenants.ids import new_id
from tenants.models import Environment, PeerCertificate
from tenants.scope import tenant_scope
from tests.keys.conftest import Desk
from tests.keys.papers import Paper, Wish, issue
from tests.people import Cast, Person
from tests.roles import as_role
from tests.servers import TestServers

TARGET = Target("POST", "https://host.example/wa/simulator/NESO_Health")


def trust_of(person: Person) -> signing.Trust:
    with tenant_scope(person.tenant_id):
        endpoint = find_operator("simulator")
        assert endpoint is not None
        return signing.trust_from(endpoint, person.participant_id)


def is_opened(person: Person, paper: Paper, at: datetime) -> bool:
    """Whether what `paper` signs as the operator is taken for the person."""
    seal, message_id = get_seal("jws-json"), str(new_id())
    sealed = seal.close(
        f'{{"messageId":"{message_id}"}}'.encode(),
        key=SigningKey(thumbprint(paper.fingerprint), paper.key),
        issuer=signing.OPERATOR,
        audience=person.participant_id,
        reference=message_id,
        now=at,
        algorithm=None,
        target=TARGET,
    )
    trust = trust_of(person)
    try:
        seal.open(
            sealed,
            trusted=trust.keys,
            audience=trust.audience,
            issuer=signing.OPERATOR,
            algorithms=trust.algorithms,
            now=at,
            target=TARGET,
        )
    except SealError:
        return False
    return True


@pytest.fixture(scope="module")
def hers(cast: Cast) -> Paper:
    """Mallory's own certificate in the operator's name, by her own authority."""
    return issue(issue(None, Wish("NGESO", is_authority=True)), Wish("NGESO"))


def test_what_mallory_hands_in_verifies_nothing_of_alices_nor_of_her_own(
    alice: Person,
    mallory: Person,
    cast: Cast,
    hers: Paper,
    desk_of: Callable[[Person], Desk],
) -> None:
    pair = {"certificate": hers.pem, "private_key": hers.key_pem()}
    here = {"purpose": "SIGNING", "environment": "simulator"}
    desk_of(mallory).done("uploads", **here, **pair, switch_at=now().isoformat())
    operator = cast.operator.signing
    leaf = x509.load_pem_x509_certificate(operator.pem.encode())
    for person in (alice, mallory):
        assert [key.thumbprint for key in trust_of(person).keys] == [
            thumbprint(fingerprint_of(leaf))
        ]
        assert not is_opened(person, hers, now())
        assert is_opened(person, Paper(leaf, operator.key), now())


def test_a_name_by_another_authority_is_nobodys_control_point(alice: Person, hers: Paper) -> None:
    forged = issue(hers, Wish(alice.control_points[0]))
    der = forged.certificate.public_bytes(serialization.Encoding.DER)
    assert identify(der, "192.0.2.1").control_point is None


def test_negative_control_a_certificate_that_the_vendor_pins_is_trusted(
    alice: Person, cast: Cast, hers: Paper, servers: TestServers, database: str
) -> None:
    """The vendor's register holds it: then the same signature opens."""
    pems = [cast.operator.signing.pem, hers.pem]

    def pin(pems: list[str]) -> None:
        purposes = {
            PeerCertificate.Purpose.SIGNING: pems,
            PeerCertificate.Purpose.TLS_CLIENT: [cast.operator.tls.pem],
        }
        ca = cast.operator.authority.pem
        with as_role("staff", servers, database):
            peers.register(
                *("simulator", Environment.SIMULATOR, ca, purposes), is_default=True, by="ada"
            )

    pin(pems)
    assert is_opened(alice, hers, now())
    pin(pems[:1])
    assert not is_opened(alice, hers, now())
