"""What keeps an embedded server from running, as a sentence for the person at the terminal."""

from __future__ import annotations


class EmbeddedError(Exception):
    """No server: nothing to run, no right to run it, or it did not come up."""
