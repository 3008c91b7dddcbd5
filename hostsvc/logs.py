"""Logs as JSON lines on standard error, for whoever collects them. Message bodies and secrets are
never logged; ids of tenant, delivery and link stand on every line that is written in their course.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import structlog

from hostsvc.redaction import redact


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
    structlog.configure(
        # A line below the level costs nothing.
        wrapper_class=structlog.make_filtering_bound_logger(settings["level"].lower()),
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
