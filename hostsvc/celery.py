"""The Celery application. Redis only wakes the workers: what is due stands in PostgreSQL."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Final

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hostsvc.settings")

_DRAINED_WITHIN: Final = 9.5
"""Seconds from SIGTERM, whatever a peer does."""

app = Celery("hostsvc")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["messaging"])
# Celery would close the database connection after each task, and a new one costs more than a task.
# A thread keeps its own, and takes another when it is lost (tenants.scope).
app.conf["CELERY_DB_REUSE_MAX"] = sys.maxsize


@worker_init.connect
@beat_init.connect
def _refuse_unsafe_start(**kwargs: object) -> None:
    # Only now: this module is imported while Django is still being set up.
    from tenants.checks import refuse_unsafe_start

    refuse_unsafe_start()


@worker_init.connect
def _share_threads(sender: Any, **kwargs: object) -> None:
    from messaging.relay.parking import share_threads

    share_threads(sender.concurrency)


@worker_shutting_down.connect
def _drain(**kwargs: object) -> None:
    """In a signal's handler: what is in hand has its time, and then the process ends all the same;
    a claim that it leaves is free with it.
    """
    from messaging.relay import draining

    draining.begin()
    overdue = threading.Timer(_DRAINED_WITHIN, os._exit, [0])
    overdue.daemon = True
    overdue.start()


@setup_logging.connect
def _keep_ours(**kwargs: object) -> None:
    """Connected so that Celery leaves the logging that Django set up alone."""
