"""`python -m tests.e2e.large_file`: a file of a gigabyte, put by `sftp` into a running stack. Says
what it was answered, what it cost in time and memory, and what became of the disk.

Two such files are put, where the archive has room for one; and one that is larger than all that may
wait. Takes a few minutes and 4 GB of room.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e import rig as rigs
from tests.e2e.rig import Rig
from tests.e2e.trading_point import Client, ndz, next_number
from tests.servers import ROOT

PARTS = ("run_file_server", "--queues files")
PATIENCE = 900.0
MB = 2**20


class Memory:
    """The most that the processes of each part had resident, and had before."""

    def __init__(self, rig: Rig) -> None:
        self._pids = {part: rig.pids(part) for part in PARTS}
        self.before = self._now()
        self.most = dict(self.before)

    def look(self) -> None:
        for part, size in self._now().items():
            self.most[part] = max(self.most[part], size)

    def _now(self) -> dict[str, int]:
        return {part: max(map(_resident, pids)) for part, pids in self._pids.items()}


def _resident(pid: int) -> int:
    """MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    told = next((line for line in lines if line.startswith("VmRSS")), "VmRSS: 0 kB")
    return int(told.split()[1]) // 1024


@contextmanager
def watched(memory: Memory) -> Iterator[None]:
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            memory.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.e2e.large_file", description=__doc__)
    parser.add_argument("--mb", type=int, default=1024)
    size = parser.parse_args().mb
    (ROOT / "var").mkdir(exist_ok=True)
    var = Path(tempfile.mkdtemp(prefix="test-", dir=ROOT / "var"))
    room = {"HOSTSVC_FILES_QUOTA_MB": str(size + 100), "HOSTSVC_FILES_ARCHIVE_MB": str(size + 100)}
    with ExitStack() as ends:
        ends.callback(shutil.rmtree, var, ignore_errors=True)
        rig = rigs.start(var, settings=room)
        ends.callback(rigs.stop, rig)
        return _put(rig, size)


def _put(rig: Rig, size: int) -> int:
    folder = rig.var / "client"
    folder.mkdir()
    client = Client(rig, "alder", folder, PATIENCE)
    file = _written(client, size)
    memory = Memory(rig)
    print(f"resident before (MB): {memory.before}")
    with watched(memory):
        for _ in range(2):
            _one(client, file)
            print(f"resident at most so far (MB): {memory.most}")
        with file.open("r+b") as grown:
            grown.truncate((size + 200) * MB)
        refused = client.sftp(f"put {file} outgoing/larger.tmp")
    print(f"a file of {size + 200} MB: {refused.stderr.strip().splitlines()[-1]}")
    print(f"outgoing: {client.sftp('ls -ln outgoing').stdout.strip().splitlines()[1:]}")
    print(f"archive: {client.sftp('ls -ln archive').stdout.strip().splitlines()[1:]}")
    print(f"on the disk (MB): {_on_disk(rig.var / 'files')}")
    print(f"resident at most (MB): {memory.most}")
    grown_by = {part: memory.most[part] - memory.before[part] for part in PARTS}
    return 0 if refused.returncode and max(grown_by.values()) < 200 else 1


def _one(client: Client, file: Path) -> None:
    stem = f"{client.agent}_{next_sequence(client)}"
    began = time.monotonic()
    done = client.sftp(
        f"put {file} outgoing/{stem}.tmp", f"rename outgoing/{stem}.tmp outgoing/{stem}.sub"
    )
    assert done.returncode == 0, done.stderr
    put = time.monotonic()
    reply = client.reply(f"{stem}.rej")
    print(f"{stem}: put in {put - began:.1f} s, answered {time.monotonic() - put:.1f} s later:")
    print(reply, end="")


_taken: list[str] = []


def next_sequence(client: Client) -> str:
    """The archive does not keep them all here."""
    first = int(next_number(client)) if not _taken else int(_taken[-1]) + 1
    _taken.append(f"{first:06d}")
    return _taken[-1]


def _written(client: Client, size: int) -> Path:
    line = f"{ndz(client, client.unit, 10)}\n".encode()
    piece = line * (MB // len(line))
    file = client.folder / "large"
    with file.open("wb") as out:
        while out.tell() < size * MB:
            out.write(piece)
        out.truncate(size * MB)
    return file


def _on_disk(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_blocks * 512 for path in files) // MB


if __name__ == "__main__":
    sys.exit(main())
