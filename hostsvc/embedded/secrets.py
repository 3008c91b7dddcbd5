"""The passwords of embedded servers: random, made once, in a file for their owner alone."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from hostsvc.embedded.errors import EmbeddedError
from hostsvc.supervisor.spawn import private


def passwords(path: Path, names: Sequence[str]) -> dict[str, str]:
    """The password of each name, from the file or made now; raises EmbeddedError if unreadable."""
    try:
        known = json.loads(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError) as error:
        raise EmbeddedError(f"cannot read the passwords in {path}: {error}") from error
    wanted = {name: known.get(name) or secrets.token_urlsafe(24) for name in names}
    if wanted != known:
        write_private(path, json.dumps(wanted))
    return wanted


def write_private(path: Path, text: str) -> None:
    """Write the file whole or not at all, readable by its owner only."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(draft, "w", encoding="ascii", opener=private) as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
