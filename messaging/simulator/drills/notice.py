"""The text that announces an outage, in the form of a system warning and in our own words, to be
pasted where the host takes such texts."""

from __future__ import annotations

from datetime import datetime

from messaging.simulator.outage import Window
from messaging.simulator.services import WA_SERVICES

_FORM = "%d/%m/%Y %H:%M"
_FASTER = "(rehearsed at {speed:g} times the pace: here it ends at {end} GMT)"


def write_notice(window: Window, issued: datetime) -> str:
    """Times are of the outage that is announced; one that passes faster here says when it ends."""
    end = window.told_end()
    until = "until further notice" if end is None else f"to {end:{_FORM}} GMT"
    lines = [
        "SYSTEM WARNING - Issued by the rehearsal system operator (simulator)",
        f"Issued: {issued:{_FORM}} GMT",
        "",
        "OUTAGE OF THE WIDER ACCESS API",
        "",
        f"From {window.begin:{_FORM}} GMT {until}",
        f"Services affected: {', '.join(WA_SERVICES)}",
        "",
        "During this time the services will not be available. Data that cannot be sent is to be",
        "kept and sent when they are back. Instructions will be given by telephone.",
    ]
    if window.end is not None and window.speed != 1:
        lines.append(_FASTER.format(speed=window.speed, end=f"{window.end:%H:%M:%S}"))
    lines += ["", "This is a rehearsal. No real system is affected."]
    return "\r\n".join(lines) + "\r\n"
