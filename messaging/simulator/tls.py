"""TLS contexts: client certificates required both ways, TLS 1.2 or later. Whose certificate it is,
the reception judges."""

from __future__ import annotations

import ssl

from messaging.simulator.config import Config


def make_server_context(config: Config) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(config.tls.certificate, config.tls.key)
    context.load_verify_locations(config.tls.ca)
    return context


def renew_server_context(context: ssl.SSLContext, config: Config) -> None:
    """Takes authorities and certificates added since; one that was removed is kept out by the
    pinned leaf."""
    context.load_verify_locations(config.tls.ca)
    context.load_cert_chain(config.tls.certificate, config.tls.key)


def make_client_context(config: Config) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.tls.certificate, config.tls.key)
    context.load_verify_locations(config.host_ca)
    return context
