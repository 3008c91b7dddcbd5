"""Two parties' books compared: each way in which they can differ is found, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from messaging.rehearsal.books import Book, Matter, Record, byte_differences, differences


def declared(unit: str, content: str, outcome: str = "OK") -> Record:
    return Record(Matter.REDECLARATION, "CP1", unit, "NDZ", content, outcome)


def instructed(unit: str, number: int, outcome: str = "ACCEPTED") -> Record:
    return Record(Matter.INSTRUCTION, "CP1", unit, f"BOA {number}", f"{number} levels", outcome)


RECORDS = (
    declared("UNIT-1", "ndz 5"),
    declared("UNIT-1", "ndz 6"),
    declared("UNIT-2", "ndz 5", "NACK R003"),
    instructed("UNIT-1", 7),
    instructed("UNIT-1", 8, "REJECTED SAFE unit has tripped"),
    instructed("UNIT-2", 7),
)


def found(records: tuple[Record, ...]) -> tuple[str, ...]:
    return differences(Book("ours", RECORDS), Book("theirs", records))


def test_equal_books_have_no_difference() -> None:
    assert found(RECORDS) == ()


def test_other_units_may_come_in_between() -> None:
    first, second, *rest = RECORDS
    assert found((*rest, first, second)) == ()


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (RECORDS[1:], "redeclaration NDZ of UNIT-1: once in ours, not in theirs"),
        ((*RECORDS, RECORDS[3]), "instruction BOA 7 of UNIT-1: once in ours, twice in theirs"),
        (
            (*RECORDS, instructed("UNIT-3", 1)),
            "instruction BOA 1 of UNIT-3: not in ours, once in theirs",
        ),
        (
            (RECORDS[1], RECORDS[0], *RECORDS[2:]),
            "redeclarations of UNIT-1: in another order in theirs than in ours",
        ),
        (
            (*RECORDS[:3], RECORDS[4], RECORDS[3], RECORDS[5]),
            "instructions of UNIT-1: in another order in theirs than in ours",
        ),
        (
            (*RECORDS[:5], replace(RECORDS[5], outcome="")),
            "instruction BOA 7 of UNIT-2: 'ACCEPTED' in ours, 'no answer' in theirs",
        ),
        (
            (*RECORDS[:4], instructed("UNIT-1", 8, "REJECTED"), RECORDS[5]),
            "instruction BOA 8 of UNIT-1: 'REJECTED SAFE unit has tripped' in ours,"
            " 'REJECTED' in theirs",
        ),
    ],
)
def test_each_way_to_differ_is_found_and_told_once(records: tuple[Record, ...], words: str) -> None:
    assert found(records) == (words,)


def test_changed_content_is_lost_here_and_new_there() -> None:
    changed = (replace(RECORDS[0], content="ndz 50"), *RECORDS[1:])
    assert len(found(changed)) == 2


def test_the_same_message_declared_twice_must_come_twice() -> None:
    twice = Book("ours", (RECORDS[0], RECORDS[0]))
    assert differences(twice, twice) == ()
    assert differences(twice, Book("theirs", RECORDS[:1])) == (
        "redeclaration NDZ of UNIT-1: twice in ours, once in theirs",
    )


def test_what_the_host_refused_is_not_looked_for_at_the_operator() -> None:
    assert Book("ours", RECORDS).without("NACK").records == (*RECORDS[:2], *RECORDS[3:])


def test_bytes_noted_at_one_end_only_are_counted_by_end() -> None:
    assert byte_differences("wire", ["a", "b", "c"], ["c", "b", "a"]) == ()
    assert byte_differences("wire", ["a", "b", "b"], ["b", "x", "y"]) == (
        "wire: 2 noted by the sender only",
        "wire: 2 noted by the receiver only",
    )
