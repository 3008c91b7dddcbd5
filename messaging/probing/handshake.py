"""A TLS handshake for looking at: what was agreed, the chain the peer shows, and, where it does not
hold, why not. No byte of a message is sent.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from messaging.probing.certificates import left_of, shown, worst_of
from messaging.probing.report import Colour, Finding
from messaging.transports.base import TransportError
from tenants.clock import now

Connect = Callable[[], socket.socket]

# OpenSSL's X509_V_ERR_*: what a person can do something about.
_REASONS = {
    9: "the peer's certificate is not valid yet",
    10: "the peer's certificate has expired",
    18: "the peer's certificate is signed by itself and is not the peer's CA",
    19: "the peer's chain ends in another authority than the peer's CA",
    20: "the peer's certificate does not chain to the peer's CA",
    21: "the peer's certificate does not chain to the peer's CA",
    62: "the peer's certificate is for another host name",
    64: "the peer's certificate is for another address",
}


@dataclass(frozen=True, slots=True)
class Shaken:
    """`finding` tells; without `holds` nothing may be sent on such a connection."""

    finding: Finding
    holds: bool


def shake_hands(
    connected: socket.socket, host: str, context: ssl.SSLContext, again: Connect
) -> Shaken:
    """Over a connected socket, which it closes. A chain that does not hold is looked at over a
    second connection, made with `again`, on which we show nothing of ours.
    """
    try:
        with connected, context.wrap_socket(connected, server_hostname=host) as tls:
            return _agreed(tls)
    except ssl.SSLCertVerificationError as error:
        reason = _REASONS.get(error.verify_code, error.verify_message)
        return _failed(reason, _chain_shown_to_anyone(host, again))
    except ssl.SSLError as error:
        return _failed(_reason_of(error), ())
    except TimeoutError:
        return _failed("the peer took the connection and did not answer the handshake in time", ())
    except OSError as error:
        return _failed(f"the peer closed the connection in the handshake: {error}", ())


def _agreed(tls: ssl.SSLSocket) -> Shaken:
    at, chain = now(), _chain_of(tls)
    cipher = tls.cipher()
    detail = {
        "version": tls.version(),
        "cipher": cipher[0] if cipher else None,
        "chain": [shown(one, at) for one in chain],
        "chains_to_the_peers_ca": True,
    }
    text = f"{tls.version()}, the peer's certificate: {left_of(chain[0], at)}"
    return Shaken(Finding(worst_of(chain, at), text, detail), True)


def _failed(reason: str, chain: tuple[x509.Certificate, ...]) -> Shaken:
    at = now()
    detail = {"chain": [shown(one, at) for one in chain], "chains_to_the_peers_ca": False}
    return Shaken(Finding(Colour.RED, reason, detail if chain else {}), False)


def _reason_of(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"):
        return "the peer does not speak TLS on this port"
    return f"the handshake failed: {reason.replace('_', ' ').lower()}"


def _chain_shown_to_anyone(host: str, again: Connect) -> tuple[x509.Certificate, ...]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with again() as connected, context.wrap_socket(connected, server_hostname=host) as tls:
            return _chain_of(tls)
    except (OSError, ValueError, TransportError):
        return ()


def _chain_of(tls: ssl.SSLSocket) -> tuple[x509.Certificate, ...]:
    """As the peer sent it, leaf first. Python shows it publicly from 3.13 on."""
    public: Any = getattr(tls, "get_unverified_chain", None)
    inner: Any = getattr(tls, "_sslobj", None)
    if public is not None:
        found = public()
    elif inner is not None and hasattr(inner, "get_unverified_chain"):
        pems = [one.public_bytes() for one in inner.get_unverified_chain() or ()]
        found = [ssl.PEM_cert_to_DER_cert(pem) for pem in pems]
    else:
        found = [tls.getpeercert(binary_form=True)]
    return tuple(x509.load_der_x509_certificate(one) for one in found if one)
