"""Forgets what was told long ago: settled deliveries of webhooks, and steps of the ladder. The
audit log keeps what they told of.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from django.db import Error as DatabaseError

from messaging.events.models import Escalation, WebhookDelivery
from tenants import directory
from tenants.scope import in_tenant

DELIVERIES_KEPT: Final = timedelta(days=30)
STEPS_KEPT: Final = timedelta(days=30)

_log = structlog.get_logger(__name__)


def tidy(at: datetime) -> None:
    """One tenant's trouble keeps no other from it."""
    for tenant_id in directory.all_tenants():
        try:
            in_tenant(tenant_id, partial(_tidy, at))
        except DatabaseError:
            _log.exception("what was told is not tidied", tenant=str(tenant_id))


def _tidy(at: datetime) -> None:
    old = WebhookDelivery.objects.filter(created_at__lte=at - DELIVERIES_KEPT)
    old.exclude(state=WebhookDelivery.State.PENDING).delete()
    Escalation.objects.filter(at__lte=at - STEPS_KEPT).delete()
