"""`python -m tests.chaos.points_cradle [-m MODULE | SCRIPT] [ARGUMENT ...]`: runs a program of the
service in a process of its own, and when that is killed, in another, and so on.

A rehearsal sees thousands of deaths, and most of a start is the loading of modules: here they are
loaded once, before the first process is forked. All that a program does from its first statement on
it does anew; no thread, connection or file is older than its process. How long a start takes in
truth, `tests.chaos` shows.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import runpy
import signal
import sys
import threading
import time
from functools import partial
from types import FrameType
from typing import NoReturn

import django
from django.db import connection

DELAY_SECONDS = 0.2
"""From a death to the next start: the supervisor's own."""

_PR_SET_PDEATHSIG = 1
_COMMANDS = "messaging.management.commands."
_LOADED = {
    "celery": ("hostsvc.celery", "messaging.tasks", "celery.bin.celery", "celery.bin.worker"),
    "uvicorn": ("hostsvc.urls", "uvicorn.main"),
}
_OF_A_WORKER = ("celery.apps.worker", "celery.concurrency.thread", "celery.worker.consumer")


def main(argv: list[str]) -> int:
    """The code that the last of its processes ended with, unless by SIGKILL."""
    module, arguments = (argv[1], argv[1:]) if argv[0] == "-m" else ("", argv)
    _load(module, arguments)
    if threading.active_count() > 1 or connection.connection is not None:
        raise RuntimeError("what was loaded has begun to work")
    gc.collect()
    gc.freeze()
    while True:
        child = os.fork()
        if not child:
            _live(module, arguments)
        signal.signal(signal.SIGTERM, partial(_pass_on, child))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        signal.signal(signal.SIGTERM, _end)
        if code != -signal.SIGKILL:
            return code if code >= 0 else 128 - code
        time.sleep(DELAY_SECONDS)


def _pass_on(child: int, number: int, frame: FrameType | None) -> None:
    os.kill(child, number)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(128 + number)


def _load(module: str, arguments: list[str]) -> None:
    """Whatever the program imports on its way, with the settings of its own environment."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hostsvc.settings")
    os.environ.setdefault("HOSTSVC_DATABASE_ROLE", "app")
    if module == "uvicorn":
        os.environ.setdefault("HOSTSVC_DATABASE_POOL", "10")  # as its application would
    django.setup()
    names = _LOADED.get(module) or (_COMMANDS + arguments[1],)
    for name in (*names, *(_OF_A_WORKER if "worker" in arguments else ())):
        importlib.import_module(name)


def _live(module: str, arguments: list[str]) -> NoReturn:
    """A process begins: it ends when its parent does, and is anybody's to stop."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(code)
        sys.argv = arguments
        if module:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(arguments[0], run_name="__main__")
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
