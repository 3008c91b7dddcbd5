"""Gives a tenant one of everything its people can have: a member, a key, a client certificate for
the API, and a login for files.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from messaging.rehearsal.authority import Authority, Issued
from tenants import api_certificates, api_keys, endpoints, file_logins, members
from tenants.credentials import THE_HOST
from tenants.endpoints import Draft
from tenants.models import Environment
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
        point = endpoints.add(Draft("logged in at", "edt", "sftp", Environment.SIMULATOR))
        file_logins.make(point, "robot", by=THE_HOST)
    return issued


def prove(issued: Issued, text: bytes) -> bytes:
    return issued.key.sign(text, ec.ECDSA(hashes.SHA256()))
