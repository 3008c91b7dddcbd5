"""What a tenant's machine may do with the files of its trading point: leave, rename and remove them
in `outgoing`, read and remove them in `incoming`, read them in `archive`. Both servers go through
here; what is refused is an OSError with its number and a text for the client.

A path is never handed to the operating system: it is looked up in a fixed tree of four directories,
and what is left of it is one plain name in one of these, opened without following links. Nobody can
make a directory or a link there, so there is no path out, whatever stands in it.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from messaging.files.uploads import Limits, Upload, is_name
from messaging.transports.directories import ARCHIVE, BAD, INCOMING, OUTGOING, Directories

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TREE: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    (): (ARCHIVE, INCOMING, OUTGOING),
    (OUTGOING,): (),
    (INCOMING,): (),
    (ARCHIVE,): (BAD,),
    (ARCHIVE, BAD): (),
}
"""The directories there are, and those within each."""

_WRITABLE = frozenset({(OUTGOING,)})
_REMOVABLE = frozenset({(OUTGOING,), (INCOMING,)})


def refusal(number: int, text: str) -> OSError:
    return OSError(number, text)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the tree: a directory, or a name in one."""

    folder: tuple[str, ...]
    name: str = ""

    @property
    def path(self) -> str:
        return "/" + "/".join((*self.folder, self.name) if self.name else self.folder)


def spot_of(path: str) -> Spot:
    """What a path names: from the root, `.` and `..` resolved by the letters alone, and `..` at the
    root the root itself. Raises OSError.
    """
    steps: list[str] = []
    for step in path.split("/"):
        if step == "..":
            steps = steps[:-1]
        elif step not in ("", "."):
            steps.append(step)
    if tuple(steps) in _TREE:
        return Spot(tuple(steps))
    *above, name = steps
    folder = tuple(above)
    if folder not in _TREE or not folder:
        raise refusal(errno.ENOENT, "no such file")
    if not is_name(name):
        raise refusal(errno.EINVAL, "a name is 1 to 100 printable characters")
    return Spot(folder, name)


@dataclass(frozen=True, slots=True)
class Jail:
    """One trading point's directories as its tenant may use them."""

    directories: Directories
    limits: Limits

    def names(self, spot: Spot) -> list[str]:
        """What is in a directory."""
        if spot.name:
            raise refusal(errno.ENOTDIR, "not a directory")
        if not spot.folder:
            return list(_TREE[()])
        with os.scandir(self._place(spot.folder)) as entries:
            plain = [one.name for one in entries if one.is_file(follow_symlinks=False)]
        return [*_TREE[spot.folder], *sorted(name for name in plain if is_name(name))]

    def status(self, spot: Spot) -> os.stat_result:
        """Only directories and plain files are there."""
        if not spot.name:
            return os.stat(self._place(spot.folder))
        found = os.stat(self._file(spot), follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            raise refusal(errno.ENOENT, "no such file")
        return found

    def is_folder(self, spot: Spot) -> bool:
        return not spot.name

    def read(self, spot: Spot) -> int:
        """A descriptor for reading."""
        self._require_file(spot)
        descriptor = os.open(self._file(spot), _READ)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise refusal(errno.ENOENT, "no such file")
        return descriptor

    def write(
        self, spot: Spot, *, create: bool = True, empty: bool = False, exclusive: bool = False
    ) -> Upload:
        """A file to be written, which nobody takes until it is closed."""
        self._require_file(spot)
        self._require(spot.folder in _WRITABLE, "files are left in outgoing")
        return Upload.begin(
            self.directories,
            spot.name,
            self.limits,
            create=create,
            empty=empty,
            exclusive=exclusive,
        )

    def rename(self, old: Spot, new: Spot, *, replaces: bool) -> None:
        """Within `outgoing`, at once and whole."""
        self._require_file(old)
        self._require_file(new)
        allowed = {old.folder, new.folder} <= _WRITABLE
        self._require(allowed, "files are renamed within outgoing only")
        folder = self.directories.outgoing
        self.status(old)
        if not replaces and (folder / new.name).exists():
            raise refusal(errno.EEXIST, "there is a file of this name")
        os.rename(folder / old.name, folder / new.name)

    def remove(self, spot: Spot) -> None:
        self._require_file(spot)
        self._require(spot.folder in _REMOVABLE, "the archive stays as it is")
        self.status(spot)
        os.unlink(self._file(spot))

    def _place(self, folder: tuple[str, ...]) -> Path:
        return self.directories.shown.joinpath(*folder)

    def _file(self, spot: Spot) -> Path:
        return self._place(spot.folder) / spot.name

    def _require_file(self, spot: Spot) -> None:
        if not spot.name:
            raise refusal(errno.EISDIR, "a directory stays as it is")

    def _require(self, allowed: bool, text: str) -> None:
        if not allowed:
            raise refusal(errno.EACCES, text)
