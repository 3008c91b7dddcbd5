"""The files that the Dockerfile copies into the image, laid out in a folder, as far as
.dockerignore lets them through.
"""

from __future__ import annotations

import re
import shutil
from fnmatch import fnmatch
from pathlib import Path

from tests.servers import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
_PATTERNS = [
    line
    for line in (ROOT / ".dockerignore").read_text().splitlines()
    if line and not line.startswith("#")
]


def lay_out(folder: Path) -> None:
    """What stands in the image's working directory."""
    for source, target in re.findall(r"^COPY (?!--from)(\S+) (\S+)$", DOCKERFILE, re.MULTILINE):
        if not target.startswith("/"):
            _copy(ROOT / source, folder / target)


def settings() -> dict[str, str]:
    """The environment that the image's last stage sets, PATH apart."""
    last = DOCKERFILE.rpartition("\nFROM ")[2].replace("\\\n", " ")
    pairs = re.findall(r"(\w+)=(\S+)", "".join(re.findall(r"^ENV (.*)$", last, re.MULTILINE)))
    return {name: value for name, value in pairs if name != "PATH"}


def _copy(source: Path, target: Path) -> None:
    files = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
    for file in files:
        if _is_ignored(file.relative_to(ROOT)):
            continue
        place = target / (file.relative_to(source) if source.is_dir() else file.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)


def _is_ignored(path: Path) -> bool:
    """The last pattern that fits the path, or a folder above it, decides."""
    ignored = False
    places = [path, *list(path.parents)[:-1]]
    for pattern in _PATTERNS:
        wanted = pattern.removeprefix("!")
        if any(_fits(place, wanted) for place in places):
            ignored = not pattern.startswith("!")
    return ignored


def _fits(path: Path, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(path.name, pattern.removeprefix("**/"))
    return len(path.parts) == len(Path(pattern).parts) and fnmatch(str(path), pattern)
