"""Gives a tenant one of everything its people can have: a member, a key, and a client certificate
for the API.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from messaging.rehearsal.authority import Authority, Issued
from tenants import api_certificates, api_keys, members
from tenants.permissions import Role
from tenants.scope import tenant_scope
from tests.people import Person


def equip(person: Person) -> Issued:
    """The pinned certificate, with its key."""
    issued = Authority(f"clients of {person.name}").issue("api client")
    with tenant_scope(person.tenant_id):
        colleague = members.add("A colleague", f"c@{person.name}.example", Role.OBSERVER)
        api_keys.mint("spare", member=colleague)
        proof = prove(issued, api_certificates.proof_text(person.tenant_id))
        api_certificates.pin("robot", issued.pem, proof)
    return issued


def prove(issued: Issued, text: bytes) -> bytes:
    return issued.key.sign(text, ec.ECDSA(hashes.SHA256()))
