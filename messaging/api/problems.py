"""Refusals of the relay as problems of the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404
from rest_framework.exceptions import PermissionDenied

from messaging.relay.correlate import NoMatch
from messaging.relay.dead_letters import NotNow
from messaging.relay.from_api import Suspended
from tenants.api.problems import Conflict


class TenantSuspended(PermissionDenied):
    default_code = "suspended"
    default_detail = "The tenant is suspended: nothing is taken from it (R020)."


@contextmanager
def told() -> Iterator[None]:
    """Whatever the relay refuses within, as the caller is told it."""
    try:
        yield
    except ObjectDoesNotExist:
        raise Http404 from None
    except NotNow as error:
        raise Conflict(error.code, error.text) from None
    except NoMatch as error:
        raise Conflict("already-answered", f"{error.code} {error.text}.") from None
    except Suspended:
        raise TenantSuspended from None
