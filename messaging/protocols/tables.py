"""The TOML tables that a profile is read from, for the protocols that share one reader."""

from __future__ import annotations

from messaging.protocols.neso.tables import ProfileFault, Table

__all__ = ["ProfileFault", "Table"]
