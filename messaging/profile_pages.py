"""The pages of docs/profiles: every profile that comes along, as tables made from its file, and as
JSON Schema where its messages are JSON.

`python manage.py describe_profiles` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

from messaging.protocols.pages import markdown
from messaging.protocols.registry import PROTOCOLS

HOW_TO_WRITE = "write them anew with: python manage.py describe_profiles"

_NOTE = (
    "<!-- Made from the profile's file by `manage.py describe_profiles`: not to be edited. -->\n\n"
)


def pages() -> dict[str, str]:
    """File names and what they must hold."""
    found: dict[str, str] = {}
    for protocol in PROTOCOLS.values():
        if protocol.shelf is None:
            continue
        for path in sorted(protocol.shelf.own.glob("*.toml")):
            reading, name = protocol.shelf.read(path), f"{protocol.name}-{path.stem}"
            found[f"{name}.md"] = _NOTE + markdown(reading.page)
            found |= {f"{name}.{ending}": text for ending, text in reading.further.items()}
    return found


def write(folder: Path) -> tuple[str, ...]:
    """Makes the folder hold these pages and no others; gives back their names."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for path in _found(folder):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(made)


def out_of_date(folder: Path) -> tuple[str, ...]:
    """Pages that are missing, are one too many, or do not say what the profile says."""
    found = {path.name: path.read_text(encoding="utf-8") for path in _found(folder)}
    made = pages()
    return tuple(sorted(n for n in found.keys() | made.keys() if found.get(n) != made.get(n)))


def _found(folder: Path) -> tuple[Path, ...]:
    """Files of the kinds that are written here."""
    return (*folder.glob("*.md"), *folder.glob("*.schema.json"))
