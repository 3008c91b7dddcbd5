"""Bearer tokens of the Single Markets Platform: JWTs under a key that lives as long as the
simulator runs."""

from __future__ import annotations

import hmac
import json
import uuid
from collections import OrderedDict

from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
from jwcrypto.jws import JWS  # type: ignore[import-untyped]

from messaging.simulator.config import Tenant
from messaging.simulator.stamps import Clock

_ALGORITHM = "HS256"
_MOST_EXPIRED = 10_000


class Tokens:
    """A token is good for the tenant it was given to and no other, until its time has come by the
    given clock, or a right one."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._key = JWK.generate(kty="oct", size=256)
        self._expired: OrderedDict[str, None] = OrderedDict()

    def make(self, tenant: Tenant, seconds: int) -> str:
        begins = int(self._clock.now().timestamp())
        claims = {
            "sub": tenant.participant_id,
            "iat": begins,
            "exp": begins + seconds,
            "jti": str(uuid.uuid4()),
        }
        token = JWS(json.dumps(claims))
        token.add_signature(self._key, None, json.dumps({"alg": _ALGORITHM, "typ": "JWT"}))
        return str(token.serialize(compact=True))

    def holds(self, text: str, tenant: Tenant) -> bool:
        token = JWS()
        token.allowed_algs = [_ALGORITHM]
        try:
            token.deserialize(text)
            if not token.is_valid:
                token.verify(self._key)
            claims = json.loads(token.payload)
        except (JWException, ValueError, TypeError):
            return False
        is_theirs = (
            claims["sub"] == tenant.participant_id and claims["exp"] > self._clock.now().timestamp()
        )
        return bool(is_theirs and text not in self._expired)

    def expire(self, text: str) -> None:
        """A token that holds no more, though its time has not come."""
        self._expired[text] = None
        while len(self._expired) > _MOST_EXPIRED:
            self._expired.popitem(last=False)


def is_login(tenant: Tenant, username: object, password: object) -> bool:
    """A tenant without a configured password has no login."""
    if not isinstance(username, str) or not isinstance(password, str) or not tenant.smp_password:
        return False
    same_name = hmac.compare_digest(username.encode(), tenant.smp_username.encode())
    return same_name & hmac.compare_digest(password.encode(), tenant.smp_password.encode())
