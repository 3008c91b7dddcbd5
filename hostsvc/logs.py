"""Logs as JSON lines on standard error, for whoever collects them. Message bodies and secrets are
never logged; ids of tenant, delivery and link stand on every line that is written in their course.

What else would write there is led into the log: warnings, servers' own words, and what nobody
caught. Only a person at a terminal reads that as Python writes it.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import NoReturn

import structlog

from hostsvc.redaction import redact

_SERVERS = ("uvicorn", "uvicorn.error", "uvicorn.access")


def configure(settings: Mapping[str, str]) -> None:
    """Django's LOGGING_CONFIG: standard logging and structlog through one JSON renderer."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(),
        ],
    )
    output = logging.StreamHandler()
    output.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [output]
    root.setLevel(settings["level"])
    for quiet in ("uvicorn.access", "urllib3.connectionpool", "celery.app.trace", "kombu"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    for server in _SERVERS:  # Which uvicorn's command line has given handlers of their own.
        logging.getLogger(server).handlers = []
        logging.getLogger(server).propagate = True
    logging.captureWarnings(capture=True)
    if not sys.stderr.isatty():
        sys.excepthook = _uncaught
        threading.excepthook = _uncaught_on_thread
        sys.unraisablehook = _unraisable
    structlog.configure(
        # A line below the level costs nothing.
        wrapper_class=structlog.make_filtering_bound_logger(settings["level"].lower()),
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def cannot_start(error: Exception) -> NoReturn:
    """Ends a process whose settings are wrong, and that has no log yet for want of them."""
    if sys.stderr.isatty():
        raise SystemExit(f"cannot start: {error}")
    line = {
        "event": "cannot start",
        "reason": str(error),
        "level": "critical",
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    print(json.dumps(redact(None, "", line)), file=sys.stderr)
    raise SystemExit(1)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger(__name__).critical("uncaught", exc_info=(kind, error, trace))


def _uncaught_on_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is None or issubclass(told.exc_type, SystemExit):
        return
    name = told.thread.name if told.thread else "?"
    what = (told.exc_type, told.exc_value, told.exc_traceback)
    logging.getLogger(__name__).critical("uncaught on thread %s", name, exc_info=what)


def _unraisable(told: sys.UnraisableHookArgs) -> None:
    """What is raised where nobody can catch it: as an object is let go, or in a callback."""
    what = (told.exc_type, told.exc_value, told.exc_traceback) if told.exc_value else None
    logging.getLogger(__name__).error(
        "%s: %r", told.err_msg or "unraisable", told.object, exc_info=what
    )
