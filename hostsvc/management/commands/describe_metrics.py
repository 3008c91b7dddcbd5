"""Writes docs/metrics.md: the figures that are served to Prometheus, as the code has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from hostsvc import measured  # noqa: F401  (registers what is counted)
from messaging import measures  # noqa: F401  (as well)
from messaging.census import FIGURES

PAGE = Path(settings.BASE_DIR) / "docs" / "metrics.md"

_HEAD = """# Figures for Prometheus

Written by `manage.py describe_metrics`. What to do with them: [monitoring.md](monitoring.md).

| name | type | labels | what |
|---|---|---|---|
"""


class Command(BaseCommand):
    help = "Writes docs/metrics.md from the code."

    def handle(self, *args: Any, **options: Any) -> None:
        PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(sorted(_counted())) + "".join(_from_the_database())


def _counted() -> Iterator[str]:
    # Everything that a part of ours registered; the library's own are of the process alone.
    collectors = set(REGISTRY._collector_to_names)
    for one in collectors:
        if isinstance(one, MetricWrapperBase) and one._name.startswith("hostsvc_"):
            kind = {Counter: "counter", Histogram: "histogram"}[type(one)]
            name = f"{one._name}_total" if kind == "counter" else one._name
            yield _row(name, kind, one._labelnames, one._documentation)


def _from_the_database() -> Iterator[str]:
    yield _row("hostsvc_census_up", "gauge (admin)", (), "Whether the database could be counted.")
    for figure in FIGURES:
        yield _row(figure.name, "gauge (admin)", figure.labels, figure.text)


def _row(name: str, kind: str, labels: tuple[str, ...], text: str) -> str:
    return f"| `{name}` | {kind} | {', '.join(labels)} | {text} |\n"
