"""The Celery application. Redis only wakes the workers: what is due stands in PostgreSQL."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Final

import structlog
from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init, worker_shutting_down
from django.core.exceptions import ImproperlyConfigured

from hostsvc.logs import cannot_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hostsvc.settings")

_log = structlog.get_logger(__name__)

_DRAINED_WITHIN: Final = 9.5
"""Seconds from SIGTERM, whatever a peer does."""

try:
    import hostsvc.settings  # noqa: F401  (Celery would hide what is wrong with it)
except ImproperlyConfigured as error:
    cannot_start(error)

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
def _speak_by_the_log_alone(**kwargs: object) -> None:
    """Celery would say that it shuts down past every log, on what Python keeps of the process's own
    standard output.
    """
    if not sys.stderr.isatty():
        sys.__stdout__ = None  # type: ignore[misc]


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
    # Not here: this may have come in the middle of a line.
    threading.Thread(target=_log.info, args=("worker ends",), daemon=True).start()
    overdue = threading.Timer(_DRAINED_WITHIN, os._exit, [0])
    overdue.daemon = True
    overdue.start()


@setup_logging.connect
def _keep_ours(**kwargs: object) -> None:
    """Connected so that Celery leaves the logging that Django set up alone."""
