"""Certificates as a report shows them, and how many days they have left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from messaging.probing.report import Colour, Finding, worst
from tenants.audit.events import stamp
from tenants.certificates import fingerprint_of

SOON = timedelta(days=30)
"""With less left than this, somebody should renew it."""


def shown(certificate: x509.Certificate, at: datetime) -> dict[str, Any]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "names": _names(certificate),
        "not_before": stamp(certificate.not_valid_before_utc),
        "not_after": stamp(certificate.not_valid_after_utc),
        "days_left": (certificate.not_valid_after_utc - at).days,
        "sha256": fingerprint_of(certificate).hex(),
    }


def colour_of(not_before: datetime, not_after: datetime, at: datetime) -> Colour:
    if not not_before <= at < not_after:
        return Colour.RED
    return Colour.YELLOW if not_after - at < SOON else Colour.GREEN


def worst_of(certificates: Sequence[x509.Certificate], at: datetime) -> Colour:
    return worst(
        colour_of(one.not_valid_before_utc, one.not_valid_after_utc, at) for one in certificates
    )


def of_ours(pems: dict[str, str], at: datetime) -> Finding:
    """Our own leaves, by what each is for."""
    leaves = {what: x509.load_pem_x509_certificates(pem.encode())[0] for what, pem in pems.items()}
    texts = [f"{what}: {left_of(leaf, at)}" for what, leaf in leaves.items()]
    detail = {what: shown(leaf, at) for what, leaf in leaves.items()}
    return Finding(worst_of(list(leaves.values()), at), "; ".join(texts), detail)


def left_of(certificate: x509.Certificate, at: datetime) -> str:
    if at < certificate.not_valid_before_utc:
        return f"not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if at >= certificate.not_valid_after_utc:
        return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    return f"{(certificate.not_valid_after_utc - at).days} days left"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    names = extension.value
    return [
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    ]
