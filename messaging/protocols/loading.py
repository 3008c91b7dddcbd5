"""Finds profile files and reads them whole: every fault of a file is reported at once, with its
place and its line. What a profile says is its protocol's.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol as Shape
from typing import TypeVar

from messaging.protocols.base import UnknownProfile
from messaging.protocols.positions import line_index, line_of
from messaging.protocols.tables import Findings, ProfileFault, Table


class Named(Shape):
    @property
    def name(self) -> str: ...


P = TypeVar("P", bound=Named)


class FaultyProfile(UnknownProfile):
    """A profile file cannot be used; `faults` is all that is wrong with it, in the order of its
    lines.
    """

    def __init__(self, path: Path, faults: tuple[ProfileFault, ...]) -> None:
        super().__init__(f"{path.name}: " + "; ".join(str(fault) for fault in faults))
        self.path = path
        self.faults = faults


def find_files(own: Path, folder: Path | None = None) -> dict[str, Path]:
    """Profile names and files: those that come along in `own`, and those of a vendor's `folder`,
    which never replace one of ours.
    """
    folders = [*([folder] if folder else []), own]
    return {path.stem: path for place in folders for path in sorted(place.glob("*.toml"))}


def find_shadowing(own: Path, folder: Path) -> tuple[Path, ...]:
    """Files of a vendor's folder that bear the name of a profile that comes along."""
    ours = find_files(own)
    return tuple(path for path in sorted(folder.glob("*.toml")) if path.stem in ours)


def read_file(path: Path, own: Path, build: Callable[[Table], P]) -> P:
    """The profile in a file; FaultyProfile with everything that is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise _no_profile(path, error.strerror or "cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _no_profile(path, str(error)) from error
    findings = Findings()
    profile = build(Table(content, "", findings))
    _check_name(path, own, content.get("name"), findings)
    if findings.faults:
        index = line_index(text)
        faults = [replace(one, line=line_of(index, one.place)) for one in findings.faults]
        raise FaultyProfile(path, tuple(sorted(faults, key=lambda fault: fault.line)))
    return profile


def _no_profile(path: Path, text: str) -> FaultyProfile:
    found = re.search(r"at line ([0-9]+)", text)
    return FaultyProfile(path, (ProfileFault("file", text, int(found[1]) if found else 0),))


def _check_name(path: Path, own: Path, name: object, findings: Findings) -> None:
    if isinstance(name, str) and name != path.stem:
        findings.faults.append(ProfileFault("name", f"must be the file's, {path.stem}"))
    if path.stem in find_files(own) and path.resolve().parent != own.resolve():
        text = f"a profile {path.stem} comes with hostsvc, and none may stand in for it: rename it"
        findings.faults.append(ProfileFault("name", text))
