"""A worker's process as a test needs one: for each line that says a task it does that on two
threads at once, beside whoever else does so, and says on a line of its own what went wrong.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence

from hostsvc.celery import app

THREADS = 2


def do_at_once(task: str, arguments: Sequence[str]) -> list[str]:
    """What went wrong on each thread."""
    from django.db import connection

    start, faults = threading.Barrier(THREADS), list[str]()

    def run() -> None:
        try:
            start.wait(10)
            app.tasks[task].run(*arguments)
        except BaseException as error:
            faults.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        if thread.is_alive():
            faults.append(f"{task} does not end")
    return faults


def main() -> None:
    app.loader.import_default_modules()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(do_at_once(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
