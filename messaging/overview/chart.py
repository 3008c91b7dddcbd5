"""Charts as SVG, made here: no script draws them, and all that they say is in words too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from messaging.overview.latency import LaneTimes

_WIDTH: Final = 760
_LEFT: Final = 240
_RIGHT: Final = 110
_BAR: Final = 9
_ROW: Final = 3 * _BAR + 14
_HEAD: Final = 22
_DECADES: Final = {
    1: "1 ms",
    10: "10 ms",
    100: "100 ms",
    1_000: "1 s",
    10_000: "10 s",
    100_000: "100 s",
    1_000_000: "1000 s",
}
"""Milliseconds, and what the scale says there."""


@dataclass(frozen=True, slots=True)
class Span:
    """One bar of a time line, in milliseconds from its beginning."""

    label: str
    begin: float
    end: float
    kind: str = "host"


def latency_chart(lanes: Sequence[LaneTimes]) -> SafeString:
    """Three bars a hop on a logarithmic scale; `lanes` must not be empty."""
    most = max(hop.p99 for lane in lanes for hop in lane.hops)
    top = next((decade for decade in _DECADES if decade >= most), max(_DECADES))
    parts: list[SafeString] = []
    y = _HEAD
    for lane in lanes:
        heading = f"{lane.lane.label}, {lane.attempts} attempts"
        parts.append(format_html('<text class="lane" x="0" y="{}">{}</text>', y + 12, heading))
        y += _HEAD
        for hop in lane.hops:
            parts.append(format_html('<text x="8" y="{}">{}</text>', y + 18, hop.name))
            for index, (name, value) in enumerate(
                (("p50", hop.p50), ("p95", hop.p95), ("p99", hop.p99))
            ):
                parts.append(_percentile(name, value, top, y + index * (_BAR + 2)))
            y += _ROW
    lines = format_html_join("", "{}", ((_gridline(d, top, y),) for d in _DECADES if d <= top))
    return format_html(
        '<svg class="drawn" role="img" aria-label="Percentiles of each hop in milliseconds"'
        ' viewBox="0 0 {} {}">{}{}</svg>',
        *(_WIDTH, y + 4, lines, format_html_join("", "{}", ((part,) for part in parts))),
    )


def timeline_chart(spans: Sequence[Span]) -> SafeString:
    """A bar for each span under one another, to scale."""
    whole = max((span.end for span in spans), default=0.0) or 1.0
    width = _WIDTH - _LEFT - _RIGHT - 20
    bars = []
    for index, span in enumerate(spans):
        y = 4 + index * 20
        begin = _LEFT + span.begin / whole * width
        length = max((span.end - span.begin) / whole * width, 1.5)
        bars.append(
            format_html(
                '<text x="0" y="{}">{}</text><rect class="{}" x="{}" y="{}" width="{}"'
                ' height="12" rx="2"/><text class="figure" x="{}" y="{}">{}</text>',
                *(y + 11, span.label, span.kind, f"{begin:.1f}", y + 1, f"{length:.1f}"),
                *(f"{begin + length + 6:.1f}", y + 11, milliseconds(span.end - span.begin)),
            )
        )
    return format_html(
        '<svg class="drawn" role="img" aria-label="Time line of hops" viewBox="0 0 {} {}">{}</svg>',
        *(_WIDTH, 10 + 20 * len(spans), format_html_join("", "{}", ((bar,) for bar in bars))),
    )


def milliseconds(value: float) -> str:
    """As a person reads it: 0.4 ms, 12 ms, 3.20 s, 4 min 05 s."""
    if value < 10:
        return f"{value:.1f} ms"
    if value < 1_000:
        return f"{value:.0f} ms"
    if value < 60_000:
        return f"{value / 1_000:.2f} s"
    minutes, seconds = divmod(round(value / 1_000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def _percentile(name: str, value: float, top: int, y: int) -> SafeString:
    length = max(_place(value, top) - _LEFT, 1.5)
    return format_html(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="1"><title>{} {}</title></rect>'
        '<text class="figure" x="{}" y="{}">{} {}</text>',
        *(name, _LEFT, y, f"{length:.1f}", _BAR, name, milliseconds(value)),
        *(f"{_LEFT + length + 5:.1f}", y + _BAR - 1, name, milliseconds(value)),
    )


def _gridline(decade: int, top: int, height: int) -> SafeString:
    x = f"{_place(decade, top):.1f}"
    return format_html(
        '<line class="grid" x1="{0}" x2="{0}" y1="16" y2="{1}"/>'
        '<text class="figure" x="{0}" y="11" text-anchor="middle">{2}</text>',
        *(x, height, _DECADES[decade]),
    )


def _place(value: float, top: int) -> float:
    """From 0.1 ms at the left to `top` at the right."""
    share = (math.log10(max(value, 0.1)) + 1) / (math.log10(top) + 1)
    return _LEFT + min(share, 1.0) * (_WIDTH - _LEFT - _RIGHT)
