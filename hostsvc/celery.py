"""The Celery application. Redis only wakes the workers: what is due stands in PostgreSQL."""

from __future__ import annotations

import os
import sys

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hostsvc.settings")

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


@setup_logging.connect
def _keep_ours(**kwargs: object) -> None:
    """Connected so that Celery leaves the logging that Django set up alone."""
