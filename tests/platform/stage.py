"""A program that supervises, for tests to signal and to kill: python -m ... FOLDER SCENARIO.

Its children leave a file per pid in FOLDER/pids, grandchildren included; its own story goes to
standard output, an event a line.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from hostsvc.supervisor import Child, Event, Supervisor, file_ready
from hostsvc.supervisor.terminal import say

NOTE = """
import os, signal, sys, time
def note():
    open(f"pids/{os.getpid()}", "w").close()
note()
"""
SLEEP = "time.sleep(600)\n"
# A child in the leader's group, and one that has left it for a session of its own.
FAMILY = """
if os.fork() == 0:
    note(); time.sleep(600)
if os.fork() == 0:
    os.setsid(); note(); time.sleep(600)
"""
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
# Ready only when its family is there too.
READY = """
while len(os.listdir("pids")) < {count}: time.sleep(0.01)
open("{name}.ready", "w").write(str(os.getpid()))
"""


class Stage:
    """The scenarios, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def child(
        self,
        name: str,
        code: str,
        *,
        ready_at: int,
        ready_seconds: float = 30,
        stop_seconds: float = 5,
        alongside: bool = False,
    ) -> Child:
        """One that is ready when its code has run and so many have left a pid."""
        flag = self.folder / f"{name}.ready"
        flag.unlink(missing_ok=True)
        return Child(
            name=name,
            argv=python(NOTE + code + READY.format(count=ready_at, name=name) + SLEEP),
            log=self.folder / f"{name}.log",
            cwd=self.folder,
            ready=lambda: file_ready(flag),
            ready_seconds=ready_seconds,
            stop_seconds=stop_seconds,
            alongside=alongside,
        )

    def step_of(self, code: str) -> Child:
        argv = python("import sys\n" + code)
        return Child("step", argv, self.folder / "step.log", cwd=self.folder, once=True)

    def family(self) -> list[Child]:
        return [
            self.child("first", "", ready_at=1),
            self.child("second", FAMILY, ready_at=4),
            self.child("third", "", ready_at=4, alongside=True),
        ]

    def stubborn(self) -> list[Child]:
        return [self.child("stubborn", STUBBORN + FAMILY, ready_at=3, stop_seconds=0.3)]

    def patient(self) -> list[Child]:
        return [self.child("stubborn", STUBBORN + FAMILY, ready_at=3, stop_seconds=600)]

    def broken(self) -> list[Child]:
        code = "print('the disk is made of cheese'); sys.exit(3)\n"
        return [self.child("first", "", ready_at=1), self.child("broken", code, ready_at=9)]

    def complaining(self) -> list[Child]:
        """It starts twice in vain: each time it writes the same."""
        code = "sys.exit('OSError: [Errno 28] No space left on device')\n"
        return [self.child("complaining", code, ready_at=9)]

    def late(self) -> list[Child]:
        late = self.child(
            "late", "print('still thinking', flush=True)\n", ready_at=9, ready_seconds=0.5
        )
        return [self.child("first", "", ready_at=1), late]

    def step(self) -> list[Child]:
        after = self.child("after", "assert os.path.exists('done')\n", ready_at=1)
        return [self.step_of("open('done', 'w').close()"), after]

    def failing_step(self) -> list[Child]:
        return [self.step_of("sys.exit('no such table')"), self.child("after", "", ready_at=1)]


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def tell(event: Event) -> None:
    say(f"{event.child} {event.kind} {event.detail}".strip())


def main(arguments: Sequence[str]) -> int:
    folder, scenario = Path(arguments[0]), arguments[1]
    (folder / "pids").mkdir(exist_ok=True)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a test run under nohup would hand on "ignore"
    supervisor = Supervisor(
        getattr(Stage(folder), scenario),
        folder / "lock",
        on_event=tell,
        on_ready=lambda: say("all ready"),
        title="stage",
    )
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
