"""What a replay sends, read from a folder and moved to now, and in words what it does not send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from messaging.domain.instructions import BidOfferAcceptance
from messaging.domain.redeclarations import LevelParameter, Redeclaration
from messaging.rehearsal.market import rows as data
from messaging.rehearsal.market.checks import bid_offer_faults, notification_faults
from messaging.rehearsal.market.day import (
    acceptances_of,
    day_with_most,
    limits_of,
    past_gate,
    rates_of,
    renumbered,
    shift_to,
    shifted,
    shifted_limit,
)

_SHOWN = 3
_LIMITS = {LevelParameter.MEL: "mel.csv", LevelParameter.MIL: "mil.csv"}
_LATER = "no EDL form: these travel in submissions, which this replay does not drive"


class NothingToReplay(Exception):
    """The folder has no acceptance of the day; the text says which days it has."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one file: whether its rows are sent, and the words for it."""

    file: str
    driven: bool
    words: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Messages without a control point yet, in the order of sending, and a line for each file."""

    acceptances: tuple[BidOfferAcceptance, ...]
    redeclarations: tuple[Redeclaration, ...]
    lines: tuple[Line, ...]

    @property
    def bm_units(self) -> frozenset[str]:
        return frozenset(one.bm_unit for one in (*self.acceptances, *self.redeclarations))

    def addressed(self, points: Mapping[str, str], known: Mapping[str, int]) -> Plan:
        """With the control point of each BM unit, and numbers above those `known` of it."""
        raised = renumbered(self.acceptances, known)
        return replace(
            self,
            acceptances=tuple(replace(m, control_point=points[m.bm_unit]) for m in raised),
            redeclarations=tuple(
                replace(m, control_point=points[m.bm_unit]) for m in self.redeclarations
            ),
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so many of each; None is all of them."""

    acceptances: int | None = None
    redeclarations: int | None = None


def plan_day(folder: Path, day: date, now: datetime, limits: Limits) -> Plan:
    """Raises BadRow and NothingToReplay."""
    acceptances, first = _acceptances(folder, day, now, limits.acceptances)
    found = [_limits(folder, day, now, parameter) for parameter in _LIMITS] + [_rates(folder)]
    redeclared = [one for messages, _ in found for one in messages]
    sent = redeclared[: limits.redeclarations]
    lines = [first, *(line for _, line in found)]
    if len(sent) < len(redeclared):
        words = f"only the first {len(sent)} of {len(redeclared)} are sent, as asked"
        lines.append(Line("redeclared", True, words))
    return Plan(
        acceptances,
        tuple(sent),
        (*lines, _notifications(folder, day), _bids_and_offers(folder, day)),
    )


def _acceptances(
    folder: Path, day: date, now: datetime, limit: int | None
) -> tuple[tuple[BidOfferAcceptance, ...], Line]:
    rows = data.read_rows(folder / "boalf.csv", data.acceptance_row)
    found = acceptances_of(rows, day)
    if not found.messages:
        days = ", ".join(sorted({row.day.isoformat() for row in rows})) or "none"
        raise NothingToReplay(f"boalf.csv has no acceptance of {day}; its days: {days}")
    by = shift_to(found.messages[0].accepted_at, now)
    messages = tuple(shifted(one, by) for one in found.messages[:limit])
    late = sum(map(past_gate, messages))
    units = len({one.bm_unit for one in messages})
    words = (
        f"{found.rows} rows of {day} are {len(found.messages)} acceptances;"
        f" {len(messages)} of {units} BM units are sent, moved on by {told(by)};"
        f" {late} reach past the closed gate, {found.deemed} deemed ones are left out"
    )
    return messages, Line("boalf.csv", True, words)


def _limits(
    folder: Path, day: date, now: datetime, parameter: LevelParameter
) -> tuple[tuple[Redeclaration, ...], Line]:
    """Where the day has none, those of the day that has most stand in for them."""
    file = _LIMITS[parameter]
    rows = data.read_rows(folder / file, data.level_row)
    of_day = day if any(row.day == day for row in rows) else day_with_most(rows)
    if of_day is None:
        return (), Line(file, False, "no rows")
    series = limits_of(rows, of_day, parameter)
    by = shift_to(min(one.levels[0].time_from for one in series), now)
    count = sum(len(one.levels) for one in series)
    instead = "" if of_day == day else f" (none of {day})"
    words = f"{count} rows of {of_day}{instead} are {len(series)} redeclarations of {parameter}"
    return tuple(shifted_limit(one, by) for one in series), Line(file, True, words)


def _rates(folder: Path) -> tuple[tuple[Redeclaration, ...], Line]:
    rows = data.read_rows(folder / "dynamic.csv", data.rate_row)
    if not rows:
        return (), Line("dynamic.csv", False, "no rows")
    first, last = min(row.day for row in rows), max(row.day for row in rows)
    words = f"{len(rows)} rows of {first} to {last} are redeclarations of rates, in their order"
    return rates_of(rows), Line("dynamic.csv", True, words)


def _notifications(folder: Path, day: date) -> Line:
    rows = data.read_rows(folder / "pn.csv", data.level_row)
    of_day = [row for row in rows if row.day == day]
    units = {row.bm_unit for row in of_day}
    return _checked("pn.csv", len(of_day), len(units), notification_faults(of_day))


def _bids_and_offers(folder: Path, day: date) -> Line:
    rows = data.read_rows(folder / "bod.csv", data.bid_offer_row)
    of_day = [row for row in rows if row.day == day]
    units = {row.bm_unit for row in of_day}
    return _checked("bod.csv", len(of_day), len(units), bid_offer_faults(of_day))


def _checked(file: str, rows: int, units: int, faults: Iterable[str]) -> Line:
    found = list(faults)
    shown = "; ".join(found[:_SHOWN])
    held = f"{len(found)} break a rule ({shown})" if found else "all within the rules"
    return Line(file, False, f"{rows} rows of {units} BM units read and checked, {held}; {_LATER}")


def told(by: timedelta) -> str:
    hours, rest = divmod(by.seconds, 3600)
    return f"{by.days} days {hours}:{rest // 60:02d}"
