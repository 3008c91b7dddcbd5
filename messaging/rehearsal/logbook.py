"""What a control point must not forget: its log numbers, what it sent and took, and what was said
of it.

One SQLite file, or memory. Each call is one transaction and outlives the death of the program, not
of the machine's power. No message is read or written here.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS sent (
    id INTEGER PRIMARY KEY, number INTEGER, content BLOB NOT NULL, code TEXT, text TEXT
);
CREATE INDEX IF NOT EXISTS sent_number ON sent (number);
CREATE TABLE IF NOT EXISTS taken (
    id INTEGER PRIMARY KEY, number INTEGER NOT NULL, content BLOB NOT NULL, code TEXT, text TEXT
);
CREATE INDEX IF NOT EXISTS taken_number ON taken (number);
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of ours. No `number`: it was never sent. No `code`: it has no answer yet."""

    id: int
    number: int | None
    content: bytes
    code: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A message of the host's, and how it was answered: `code` OK, or a refusal."""

    number: int
    content: bytes
    code: str
    text: str


class Logbook:
    """`memory`: how many messages of either side are remembered once answered."""

    def __init__(self, path: Path | None, memory: int) -> None:
        self._memory = memory
        name = ":memory:" if path is None else str(path)
        self._store = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        self._store.execute("PRAGMA journal_mode=WAL")
        self._store.execute("PRAGMA synchronous=NORMAL")
        self._store.executescript(_TABLES)
        self._forget_old()

    def close(self) -> None:
        self._store.close()

    def last_taken(self) -> int:
        """The number of the last message taken from the host, 0 where there is none."""
        row = self._store.execute("SELECT number FROM taken ORDER BY id DESC LIMIT 1").fetchone()
        return int(row[0]) if row else 0

    def taken_count(self) -> int:
        return int(self._store.execute("SELECT count(*) FROM taken").fetchone()[0])

    def find_taken(self, number: int) -> Taken | None:
        """The last message taken under a number."""
        row = self._store.execute(
            "SELECT number, content, code, text FROM taken WHERE number = ?"
            " ORDER BY id DESC LIMIT 1",
            (number,),
        ).fetchone()
        return Taken(*row) if row else None

    def take(self, taken: Taken, answers: tuple[bytes, ...] = ()) -> tuple[int, ...]:
        """Keeps a message and, with it or not at all, our answers to it; gives back their ids."""
        self._store.execute("BEGIN IMMEDIATE")
        try:
            self._store.execute(
                "INSERT INTO taken (number, content, code, text) VALUES (?, ?, ?, ?)",
                (taken.number, taken.content, taken.code, taken.text),
            )
            ids = tuple(self._insert(content) for content in answers)
        except BaseException:
            self._store.execute("ROLLBACK")
            raise
        self._store.execute("COMMIT")
        return ids

    def keep(self, content: bytes) -> int:
        """Keeps a message that is still to be sent; gives back its id."""
        return self._insert(content)

    def give_number(self, id: int, number: int, content: bytes) -> None:
        """Notes the number that a message is about to leave under, and its bytes."""
        self._store.execute(
            "UPDATE sent SET number = ?, content = ? WHERE id = ?", (number, content, id)
        )

    def settle(self, id: int, code: str, text: str) -> None:
        """Notes what was answered to a message."""
        self._store.execute("UPDATE sent SET code = ?, text = ? WHERE id = ?", (code, text, id))

    def open_messages(self) -> tuple[Sent, ...]:
        """What has no answer, in the order it was kept."""
        rows = self._store.execute(
            "SELECT id, number, content, code, text FROM sent WHERE code IS NULL ORDER BY id"
        )
        return tuple(Sent(*row) for row in rows)

    def find_sent(self, number: int) -> Sent | None:
        """The last message that was sent under a number."""
        row = self._store.execute(
            "SELECT id, number, content, code, text FROM sent WHERE number = ?"
            " ORDER BY id DESC LIMIT 1",
            (number,),
        ).fetchone()
        return Sent(*row) if row else None

    def newest_sent(self) -> int:
        """The id of the last message kept to be sent, 0 where there is none."""
        return int(self._store.execute("SELECT coalesce(max(id), 0) FROM sent").fetchone()[0])

    def sent_after(self, id: int) -> tuple[Sent, ...]:
        """Messages of ours kept after the one with that id, in the order they were kept."""
        rows = self._store.execute(
            "SELECT id, number, content, code, text FROM sent WHERE id > ? ORDER BY id", (id,)
        )
        return tuple(Sent(*row) for row in rows)

    def taken_contents(self) -> tuple[bytes, ...]:
        """Every message that is still remembered as taken, in order."""
        rows = self._store.execute("SELECT content FROM taken WHERE code = 'OK' ORDER BY id")
        return tuple(row[0] for row in rows)

    def _forget_old(self) -> None:
        for table in ("taken", "sent"):
            newest = self._store.execute(f"SELECT max(id) FROM {table}").fetchone()[0]  # noqa: S608
            self._store.execute(
                f"DELETE FROM {table} WHERE code IS NOT NULL AND id <= ?",  # noqa: S608
                ((newest or 0) - self._memory,),
            )

    def _insert(self, content: bytes) -> int:
        cursor = self._store.execute("INSERT INTO sent (content) VALUES (?)", (content,))
        return int(cursor.lastrowid or 0)
