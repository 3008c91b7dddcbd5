"""What someone who acts for a tenant may do. Who is given which permission, and where it is
enforced, is elsewhere.
"""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    READ = "read"
    OPERATE = "operate"
    """Send, answer, replay, hold and release."""
    KEYS = "keys"
    """Certificates and private keys."""
    SET_UP = "set up"
    """Endpoints and BM units."""
    PEOPLE = "people"
    """Members and API keys."""
