"""Where a request comes from, and which client certificate came with it: as the connection says, or
a proxy of ours.

Only addresses in HOSTSVC_TRUSTED_PROXIES are believed. The process must not let its server rewrite
the peer's address from a header (uvicorn: --no-proxy-headers), or anybody could be a proxy.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote_to_bytes

from cryptography import x509
from django.conf import settings
from django.http import HttpRequest

from tenants.credentials import Address

CERTIFICATE_HEADER = "X-SSL-Client-Cert"
FORWARDED_HEADER = "X-Forwarded-For"
CERTIFICATE_STATE = "hostsvc.client_certificate"
_LONGEST = 65_536
# One and nothing else: of two, the first could be the client's own, which a proxy only added to.
_ONE_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*")
_MOST_HOPS = 32


class ForgedHeader(Exception):
    """A client certificate was named by somebody who is no proxy of ours."""


class UnreadableCertificate(Exception):
    """A proxy of ours named a certificate that is none."""


def client_address(request: HttpRequest) -> Address | None:
    """The peer's address, or where that is a proxy of ours, the last one before our proxies.

    None where there is none, or where a proxy of ours wrote what is no address.
    """
    address = peer_address(request)
    if not _is_trusted(address):
        return address
    hops = request.headers.get(FORWARDED_HEADER, "").split(",")[-_MOST_HOPS:]
    for hop in reversed(hops):
        address = _read(hop.strip())
        if not _is_trusted(address):
            return address
    return address


def peer_address(request: HttpRequest) -> Address | None:
    return _read(request.META.get("REMOTE_ADDR") or "")


def shown_certificate(request: HttpRequest) -> x509.Certificate | None:
    """The certificate that the client proved to have in its TLS handshake with this process, or
    with a proxy of ours.

    Raises ForgedHeader and UnreadableCertificate.
    """
    text = request.headers.get(CERTIFICATE_HEADER, "")
    if not text:
        return _of_the_connection(request)
    if not _is_trusted(peer_address(request)):
        raise ForgedHeader
    pem = unquote_to_bytes(text[:_LONGEST])
    if not _ONE_PEM.fullmatch(pem):
        raise UnreadableCertificate
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise UnreadableCertificate from None


def _of_the_connection(request: HttpRequest) -> x509.Certificate | None:
    """What a server that ends TLS itself has put into the state of the connection, where no client
    can.
    """
    state: dict[str, object] = getattr(request, "scope", {}).get("state") or {}
    der = state.get(CERTIFICATE_STATE)
    return x509.load_der_x509_certificate(der) if isinstance(der, bytes) and der else None


def _is_trusted(address: Address | None) -> bool:
    return address is not None and any(address in net for net in settings.TRUSTED_PROXIES)


def _read(text: str) -> Address | None:
    """An IPv4 address that came in an IPv6 socket is the IPv4 address it stands for."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address
