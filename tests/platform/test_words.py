"""Which line of a log says why its program ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostsvc.supervisor.words import cause, size, tail

POSTGRES = """\
2026-11-22 08:38:38.942 UTC [19] LOG:  redo done at 0/1E8AD58
2026-11-22 08:38:38.974 UTC [19] FATAL:  could not write to file "pg_wal/x": No space left on device
2026-11-22 08:38:38.982 UTC [12] LOG:  startup process (PID 19) exited with exit code 1
2026-11-22 08:38:38.990 UTC [21] app@hostsvc FATAL:  the database system is in recovery mode
2026-11-22 08:38:39.005 UTC [12] LOG:  database system is shut down
"""
TRACEBACK = """\
Traceback (most recent call last):
  File "x.py", line 1, in <module>
    raise last_ex
django.db.utils.OperationalError: connection failed: server closed the connection
{"event": "a task failed earlier", "level": "info"}
"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (POSTGRES, 'FATAL: could not write to file "pg_wal/x": No space left on device'),
        (
            TRACEBACK,
            "django.db.utils.OperationalError: connection failed: server closed the connection",
        ),
        (
            "ERROR:    [Errno 98] error while attempting to bind: address already in use\nbye\n",
            "ERROR: [Errno 98] error while attempting to bind: address already in use",
        ),
        (
            "7:M 22 Nov 2026 08:13:47.123 # Failed listening on port 21991 (tcp), aborting.\n",
            "Failed listening on port 21991 (tcp), aborting.",
        ),
        (
            '{"event": "it ended", "error": "no such table", "level": "error"}\n',
            "ERROR: it ended: no such table",
        ),
        ('{"event": "cut o', ""),
        ("all is well\nit listens\n", ""),
        ("", ""),
        ("ValueError: " + "x" * 500, "ValueError: " + "x" * 185 + "..."),
    ],
)
def test_the_line_that_says_why_is_told(log: str, words: str) -> None:
    assert cause(log) == words


def test_what_an_earlier_start_has_written_is_no_cause(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert size(log) == 0
    assert tail(log) == ""
    log.write_text("OSError: long ago\n", encoding="ascii")
    since = size(log)
    with log.open("a", encoding="ascii") as more:
        more.write("one\ntwo\n")
    assert tail(log, since=since) == "one\ntwo"
    assert tail(log, 1, since=since) == "two"
    log.write_text("anew\n", encoding="ascii")
    assert tail(log, since=since) == "anew"
