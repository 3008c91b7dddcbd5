"""Which quotas a request to the API is held against, and how that is said: 429 with Retry-After,
and RateLimit fields on every answer to a known caller.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Sequence

from django.conf import settings
from rest_framework.exceptions import Throttled

from tenants.credentials import Address, Shown, Unknown
from tenants.limits import WINDOW_S, Bucket, Level, take, wait_s

GUESSES_PER_MINUTE = 10
"""At one credential from one address. Beyond that not even the right one is answered."""
_TOLD_PER_MINUTE = 1


class TooManyRequests(Throttled):
    """`levels` says how the caller's quotas stand, where the caller is known."""

    default_code = "too_many_requests"

    def __init__(self, wait: float, levels: Sequence[Level] = ()) -> None:
        super().__init__(wait=math.ceil(wait))
        self.levels = levels


def count_request(caller: Shown, address: Address | None) -> tuple[Level, ...]:
    """Takes one from the quotas of the key and of the tenant. Raises TooManyRequests.

    It does so for the right credential too, and says no more than to a wrong one, once too many
    wrong ones were tried in its place from the same address.
    """
    key_quota = caller.own_quota or settings.KEY_QUOTA
    tenant_quota = caller.tenant_quota or settings.TENANT_QUOTA
    *levels, guesses = take(
        (
            Bucket("key", f"key:{caller.id}", key_quota),
            Bucket("tenant", f"tenant:{caller.tenant_id}", tenant_quota),
            _guesses(address, caller.mark, cost=0),
        )
    )
    if guesses.wait_s:
        raise TooManyRequests(guesses.wait_s)
    if wait := wait_s(levels):
        raise TooManyRequests(wait, levels)
    return tuple(levels)


def count_failure(address: Address | None, tried: Unknown) -> None:
    """Raises TooManyRequests instead of letting a failure be told as one.

    Failures at a credential there is are counted apart, so that guessing at it is slow whatever
    else is tried, and so that whoever shares the address with a guesser is not shut out.
    """
    failures = [Bucket("failures", f"address:{_place(address)}", settings.FAILURE_QUOTA)]
    waits = [wait_s(take(failures))]
    if tried.mark:
        waits.append(wait_s(take([_guesses(address, tried.mark)])))
    if wait := max(waits):
        raise TooManyRequests(wait)


def is_worth_telling(refused: Shown) -> bool:
    """Once a minute for one credential."""
    return not wait_s(take([Bucket("told", f"told:{refused.id}", _TOLD_PER_MINUTE)]))


def fields(levels: Sequence[Level]) -> dict[str, str]:
    """The header fields of draft-ietf-httpapi-ratelimit-headers-10."""
    policies = (f'"{one.bucket.policy}";q={one.bucket.quota};w={WINDOW_S}' for one in levels)
    states = (
        f'"{one.bucket.policy}";r={one.remaining};t={math.ceil(one.full_in_s)}' for one in levels
    )
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}


def _guesses(address: Address | None, mark: str, cost: int = 1) -> Bucket:
    return Bucket("guesses", f"guesses:{_place(address)}:{mark}", GUESSES_PER_MINUTE, cost)


def _place(address: Address | None) -> str:
    """Whoever has one address of IPv6 has its whole /64."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
