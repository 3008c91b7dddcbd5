"""Refusals of the relay as problems of the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404
from rest_framework.exceptions import APIException, PermissionDenied

from messaging.relay import backlog
from messaging.relay.backlog import RETRY_AFTER_S, BacklogFull
from messaging.relay.correlate import NoMatch
from messaging.relay.dead_letters import NotNow
from messaging.relay.from_api import Suspended
from tenants.api.problems import Conflict


class TenantSuspended(PermissionDenied):
    default_code = "suspended"
    default_detail = "The tenant is suspended: nothing is taken from it (R020)."


class TooMuchWaits(APIException):
    """Nothing more is taken from the tenant until some of what waits has gone."""

    status_code = 429
    default_code = "backlog-full"
    wait = RETRY_AFTER_S


class Overloaded(APIException):
    """Nothing more is taken from anybody."""

    status_code = 503
    default_code = "overloaded"
    wait = RETRY_AFTER_S


def refuse_where_full() -> None:
    """To be asked before a message is taken that could be sent later."""
    try:
        backlog.check("api")
    except BacklogFull as error:
        raise (Overloaded if error.of_host else TooMuchWaits)(str(error)) from None


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
