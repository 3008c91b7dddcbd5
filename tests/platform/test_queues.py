"""Every task has a queue, and every queue has workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from hostsvc.celery import app
from hostsvc.stack import parts
from hostsvc.stack.layout import PORTS, Layout
from messaging import tasks  # noqa: F401  (registers them)
from messaging.relay.publishing import queue_of

OURS = sorted(name for name in app.tasks if name.startswith("messaging."))
URGENT = {"messaging.tasks.deliver"}
"""Nothing else may stand before an instruction."""


def served() -> set[str]:
    layout = Layout(Path("/var"), dict.fromkeys(PORTS, 1), "", "")
    commands = [list(child.argv) for child in parts.services(layout, {})]
    return {
        argv[argv.index("--queues") + 1]
        for argv in commands
        if "worker" in argv and "--queues" in argv
    }


@pytest.mark.parametrize("task", OURS)
def test_a_task_is_done_by_the_workers_of_its_kind(task: str) -> None:
    queue = queue_of(task)
    assert queue in served()
    assert (queue == "urgent") is (task in URGENT)


def test_the_table_names_tasks_that_exist() -> None:
    assert set(settings.CELERY_TASK_ROUTES) | URGENT == set(OURS)


def test_what_beat_starts_exists() -> None:
    assert {one["task"] for one in settings.CELERY_BEAT_SCHEDULE.values()} <= set(OURS)
