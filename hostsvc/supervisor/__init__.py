"""Keeps a few programs running on one machine, and leaves none behind; it knows none of them."""

from __future__ import annotations

from hostsvc.supervisor.child import Child, ChildState, Event, EventKind, Status
from hostsvc.supervisor.core import StartError, Supervisor
from hostsvc.supervisor.lock import Lock, LockHeld
from hostsvc.supervisor.ports import free_ports
from hostsvc.supervisor.readiness import file_ready, http_ready, tcp_ready

__all__ = [
    "Child",
    "ChildState",
    "Event",
    "EventKind",
    "Lock",
    "LockHeld",
    "StartError",
    "Status",
    "Supervisor",
    "file_ready",
    "free_ports",
    "http_ready",
    "tcp_ready",
]
