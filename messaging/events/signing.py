"""Signatures of webhooks after the Standard Webhooks specification, version 1 of the symmetric
scheme: pure.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"
SECRET_BYTES = 32


def shown(secret: bytes) -> str:
    return PREFIX + base64.b64encode(secret).decode("ascii")


def headers(
    webhook_id: str, timestamp: int, body: bytes, secrets: Iterable[bytes]
) -> dict[str, str]:
    """With a signature by each secret, the present one first. `timestamp` is in seconds, of this
    attempt.
    """
    content = f"{webhook_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(secret, content, "sha256") for secret in secrets)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(one).decode('ascii')}" for one in digests
        ),
    }
