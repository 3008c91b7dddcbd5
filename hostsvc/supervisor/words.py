"""What a program wrote last, and which line of it says why it ended."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

_LONGEST = 200
# The plainest causes come before whatever a program says of their consequences.
_PLAIN_CAUSE = re.compile(r"No space left|quota exceeded|disk is full|ddress already in use", re.I)
_COMPLAINT = re.compile(r"\b(PANIC|FATAL|CRITICAL|ERROR|[Ff]ailed)\b|(Error|Exception)\b(: |$)")
# PostgreSQL's and Valkey's own heading of a line: when, who, of whom.
_HEADING = re.compile(
    r"(\d{4}-\d\d-\d\d [\d:.]+ \w+ \[\d+\] (\S*@\S* )?|\d+:\w \d+ \w+ \d{4} \S+ [#*.-] )"
)


def tail(log: Path, lines: int = 12, *, since: int = 0) -> str:
    """The last lines of a log from the byte `since` on, empty when there is none."""
    try:
        with log.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(since if since <= end else 0, end - 16_384))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def cause(text: str) -> str:
    """The line that says most likely why it ended, empty where none complains."""
    lines = [_plain(line) for line in text.splitlines()]
    for sign in (_PLAIN_CAUSE, _COMPLAINT):
        if found := [line for line in lines if sign.search(line)]:
            return _clipped(found[-1])
    return ""


def _plain(line: str) -> str:
    """Without its heading; of a line in JSON its words."""
    if not line.startswith("{"):
        return _HEADING.sub("", line, count=1).strip()
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if entry.get("level") not in ("error", "critical"):
        return ""
    said = [str(entry[name]) for name in ("event", "reason", "error") if entry.get(name)]
    return "ERROR: " + ": ".join(said)


def _clipped(line: str) -> str:
    words = " ".join(line.split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}..."
