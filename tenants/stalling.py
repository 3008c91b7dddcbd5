"""What becomes of a transaction whose process stands still: frozen, or cut off. Its rows must not
stay locked for those who go on.
"""

from __future__ import annotations

from django.db import connections


def end_stalled_transactions(seconds: float) -> None:
    """Has the database end every transaction of this process's that waits for its next statement
    longer than that. Counts for connections made from now on; whoever lost one tries again.
    """
    options = connections.settings["default"].setdefault("OPTIONS", {})
    limit = f"-c idle_in_transaction_session_timeout={seconds * 1000:.0f}"
    options["options"] = f"{options.get('options', '')} {limit}".strip()
