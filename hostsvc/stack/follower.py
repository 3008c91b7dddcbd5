"""Reads on in a growing log, whole lines only, from where it ended when following began."""

from __future__ import annotations

from pathlib import Path


class Follower:
    """The file need not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0

    def lines(self) -> list[str]:
        """What was added since the last call, but for a line that is still being written."""
        try:
            with self._path.open("rb") as log:
                log.seek(self._at)
                added = log.read()
        except FileNotFoundError:
            return []
        whole = added[: added.rfind(b"\n") + 1]
        self._at += len(whole)
        return whole.decode(errors="replace").split("\n")[:-1] if whole else []
