"""What is held against records beside one another: series of one BM unit, and bid-offer pairs that
hold at one time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from messaging.domain.clock import is_half_hour
from messaging.domain.rules.base import Fault, fault
from messaging.domain.rules.filed import Filed, Levels
from messaging.domain.rules.records import at, minute

_LEFT: Final = tuple(timedelta(minutes=30 - past % 30) for past in range(60))
"""What is left of its half-hour at each minute of an hour."""


def series_do_not_overlap(filed: Filed) -> Iterator[Fault]:
    for series in filed.series.values():
        until: datetime | None = None
        for index, record in series:
            if until is not None and record.time_from < until:
                text = f"starts before another record of the unit ends at {minute(until)}"
                yield fault(at(index, "time_from"), minute(record.time_from), text)
            if until is None or record.time_to > until:
                until = record.time_to


def notifications_cover_half_hours(filed: Filed) -> Iterator[Fault]:
    for series in filed.notifications:
        yield from _open_ends(series)


def limits_cover_half_hours(filed: Filed) -> Iterator[Fault]:
    for series in filed.limits:
        yield from _open_ends(series)


def _open_ends(series: Levels) -> Iterator[Fault]:
    """Where a stretch without gaps begins or ends within a half-hour."""
    text = "a half-hour is covered in part only"
    until, last = None, 0
    for index, record in series:
        if until is None or record.time_from > until:
            if until is not None and not is_half_hour(until):
                yield fault(at(last, "time_to"), minute(until), text)
            if not is_half_hour(record.time_from):
                yield fault(at(index, "time_from"), minute(record.time_from), text)
        if until is None or record.time_to > until:
            until, last = record.time_to, index
    if until is not None and not is_half_hour(until):
        yield fault(at(last, "time_to"), minute(until), text)


def notification_for_every_half_hour(filed: Filed) -> Iterator[Fault]:
    text = "runs on over a half-hour's start, where a record must start"
    for series in filed.notifications:
        for index, record in series:
            start = record.time_from
            if record.time_to - start > _LEFT[start.minute]:
                yield fault(at(index, "time_to"), minute(record.time_to), text)


def pairs_do_not_overlap(filed: Filed) -> Iterator[Fault]:
    for index in filed.doubled:
        record = filed.records[index]
        number = getattr(record, "pair_number", "")
        text = "another pair of this number holds at the same time"
        yield fault(at(index, "pair_number"), number, text)


def pairs_without_gaps(filed: Filed) -> Iterator[Fault]:
    told: set[int] = set()
    for ladder in filed.ladders:
        numbers = {record.pair_number for _, record in ladder}
        for index, record in ladder:
            number = record.pair_number
            before = number - 1 if number > 0 else number + 1
            if before and before not in numbers and index not in told:
                told.add(index)
                text = f"there is no pair {before} at the same time"
                yield fault(at(index, "pair_number"), number, text)


def offers_do_not_fall(filed: Filed) -> Iterator[Fault]:
    yield from _falling(filed, "offer_price")


def bids_do_not_fall(filed: Filed) -> Iterator[Fault]:
    yield from _falling(filed, "bid_price")


def _falling(filed: Filed, name: str) -> Iterator[Fault]:
    told: set[int] = set()
    for ladder in filed.ladders:
        for (_, lower), (index, upper) in pairwise(ladder):
            price, before = getattr(upper, name), getattr(lower, name)
            if price < before and index not in told:
                told.add(index)
                text = f"falls from {before}, that of pair {lower.pair_number}"
                yield fault(at(index, name), price, text)
