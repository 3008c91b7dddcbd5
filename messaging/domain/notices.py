"""Reads the text of an outage notice, as system warnings are written, for the services that are
out, and from when to when.

Such texts are written by people: line ends are mixed with the two characters of `\\n`, dates and
times come in many orders, and a zone may be told or not. What can't be told for certain is left
missing, and a person completes it; nothing is guessed beyond what is said below. Times without a
zone are London's, for that is how the market writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

SERVICES: Final = ("Health", "Normalization", "Instruction", "Redeclaration", "Submission")
"""As the host names them; notices put the operator's name before."""

LONGEST: Final = 20_000
"""Characters that are read of a text."""

LONDON: Final = ZoneInfo("Europe/London")
_ZONES: Final = {"bst": timezone(timedelta(hours=1)), "gmt": UTC, "utc": UTC}
_CONTEXT: Final = 80

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = (
    r"(?P<{0}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DATES = (
    r"\b(?P<y1>\d{4})[-/.](?P<m1>\d{1,2})[-/.](?P<d1>\d{1,2})(?!\d)",
    r"\b(?P<d2>\d{1,2})[-/.](?P<m2>\d{1,2})[-/.](?P<y2>\d{4}|\d{2})(?![\d:])",
    r"\b(?P<d3>\d{1,2})(?:st|nd|rd|th)?[\s/.-]{0,3}(?:of\s{1,3})?"
    + _MONTH.format("m3")
    + r"\b(?:[\s/.,-]{1,3}(?P<y3>\d{4}|\d{2})(?!\d|[:.]\d|\s?hrs))?",
    r"\b"
    + _MONTH.format("m4")
    + r"\s{1,3}(?P<d4>\d{1,2})(?:st|nd|rd|th)?(?!\d|:),?\s{1,3}(?P<y4>\d{4})(?!\d)",
)
_TIMES = (
    r"(?<![\d.:])(?P<h1>[01]?\d|2[0-4])[:.](?P<n1>[0-5]\d)(?::[0-5]\d)?(?:\s?(?P<half1>[ap]\.?m)\b)?"
    r"(?![\d:]|[./-]\d)",
    r"(?<![\d.:])(?P<h2>[01]\d|2[0-4])(?P<n2>[0-5]\d)(?=\s?(?:hrs?|hours?|h|z|gmt|bst|utc)\b)",
    r"(?<![\d.:])(?P<h3>1[0-2]|0?[1-9])\s?(?P<half3>[ap]\.?m)\b",
)
_ZONE = r"\b(?P<zone>gmt|bst|utc)\b|(?<=\d)(?P<zulu>z)\b"
_TOKEN = re.compile("|".join([*_DATES, *_TIMES, _ZONE]), re.IGNORECASE | re.ASCII)

_BETWEEN = re.compile(
    r"(?:[\s,()\[\]t]|on|at|hrs?|hours?|h|gmt|bst|utc|z|local|time|the|of|and|today|tomorrow|date"
    r"|(?:mon|tues?|wed(?:nes)?|thur?s?|fri|sat(?:ur)?|sun)(?:day)?|\.|-(?=\s)|:(?=\s))*",
    re.IGNORECASE,
)
"""What may stand between a date and the time that belongs to it."""

_ISSUED = re.compile(
    r"\b(?:issued?|published|sent|posted|created|dated|updated|received|as (?:of|at)|publication"
    r"|notice (?:date|time))\b[^.\n]{0,30}$",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"\b(?P<start>start\w*|begin\w*|began|commenc\w*|from|between|effective)\b"
    r"|\b(?P<end>end\w*|finish\w*|complet\w*|to|until|till|return\w*|restor\w*|through|and|back"
    r"|over)\b"
    r"|(?P<dash>[-\u2013\u2014])",
    re.IGNORECASE,
)
_FURTHER_NOTICE = re.compile(r"\buntil\s+further\s+notice\b", re.IGNORECASE)
_LASTS = re.compile(
    r"\b(?:for|lasting|duration(?:\s+of)?|last)\W{1,3}"
    r"(?:approximately|approx\.?|about|around|up to)?"
    r"\s{0,3}(?P<n>\d{1,3}(?:\.\d)?)\s{0,3}(?P<unit>hours?|hrs?|minutes?|mins?|days?)\b",
    re.IGNORECASE,
)
_NAME = r"(health|normali[sz]ation|instruction|redeclaration|submission)s?"
_NAMED = re.compile(rf"\b(?:NESO|NGESO|NGET|NG|ESO|WA)\s?[_. -]\s?{_NAME}\b", re.IGNORECASE)
_LISTED = re.compile(
    rf"^[\s*\u2022>\d.)-]{{0,8}}{_NAME}(?:\s+(?:service|api))?\s*[,;.]?\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_ALL = re.compile(
    r"\ball\b[^.\n]{0,40}\bservices\b|\bwider access\b[^\n]{0,10}\bAPI\b", re.IGNORECASE
)
_PERIOD = {"h": timedelta(hours=1), "m": timedelta(minutes=1), "d": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class ReadNotice:
    """What a text says. `missing` names what a person must say before it can take effect."""

    services: tuple[str, ...]
    starts_at: datetime | None
    ends_at: datetime | None
    until_further_notice: bool

    @property
    def missing(self) -> tuple[str, ...]:
        return missing_of(self.services, self.starts_at, self.ends_at, self.until_further_notice)


def missing_of(
    services: object,
    starts_at: datetime | None,
    ends_at: datetime | None,
    until_further_notice: bool,
) -> tuple[str, ...]:
    """What is wanting before it is known what is out, and when."""
    is_there = {
        "services": bool(services),
        "start": starts_at is not None,
        "end": ends_at is not None or until_further_notice,
    }
    return tuple(name for name, there in is_there.items() if not there)


def read_notice(text: str, posted: date) -> ReadNotice:
    """Never fails. `posted` helps where a date lacks its year: the nearest one is meant."""
    plain = _plain(text)
    moments = list(_labelled(plain, _moments(plain, posted)))
    start = next((one for role, one in moments if role == "start"), None)
    if start is None:
        start = next((one for role, one in moments if role == ""), None)
    end = next((one for role, one in reversed(moments) if role == "end"), None)
    if end is None:
        end = next((one for role, one in moments if role == "" and one is not start), None)
    starts_at, ends_at = _span(start, end)
    if starts_at is not None and end is None and (lasts := _LASTS.search(plain)):
        ends_at = _after(starts_at, float(lasts["n"]), _PERIOD[lasts["unit"][0].lower()])
    further = ends_at is None and _FURTHER_NOTICE.search(plain) is not None
    return ReadNotice(_services(plain), starts_at, ends_at, further)


def _plain(text: str) -> str:
    """One kind of line end, whatever was written: some texts hold a backslash and an n."""
    text = text[:LONGEST]
    for ending in ("\\r\\n", "\r\n", "\\n", "\\r", "\r"):
        text = text.replace(ending, "\n")
    return text.replace("\\t", " ").replace("\t", " ").replace("\xa0", " ")


def _services(text: str) -> tuple[str, ...]:
    found = {match[1].lower().replace("isation", "ization") for match in _NAMED.finditer(text)}
    found |= {match[1].lower().replace("isation", "ization") for match in _LISTED.finditer(text)}
    if not found and _ALL.search(text):
        return SERVICES
    return tuple(name for name in SERVICES if name.lower() in found)


@dataclass(frozen=True, slots=True)
class _Moment:
    """A time of day as written, its date where one is beside it, and the zone told after it."""

    begins: int
    ends: int
    hour: int
    minute: int
    day: date | None = None
    zone: str = ""


@dataclass(frozen=True, slots=True)
class _Day:
    begins: int
    ends: int
    value: date | None


def _moments(text: str, posted: date) -> list[_Moment]:
    days: list[_Day] = []
    times: list[_Moment] = []
    for token in _TOKEN.finditer(text):
        kinds = token.groupdict()
        if kinds["zone"] or kinds["zulu"]:
            if times and not times[-1].zone and _beside(text, times[-1].ends, token.start()):
                times[-1] = replace(times[-1], zone=(kinds["zone"] or "utc").lower())
        elif (time := _time(token)) is not None:
            times.append(time)
        else:
            days.append(_Day(token.start(), token.end(), _date(kinds, posted)))
    return _dated(text, times, [one for one in days if one.value is not None])


def _time(token: re.Match[str]) -> _Moment | None:
    found = token.groupdict()
    hour = found["h1"] or found["h2"] or found["h3"]
    if hour is None:
        return None
    minute = int(found["n1"] or found["n2"] or 0)
    half = (found["half1"] or found["half3"] or "").lower()[:1]
    value = int(hour) % 12 + (12 if half == "p" else 0) if half and int(hour) <= 12 else int(hour)
    if value == 24 and minute:
        return _Moment(token.start(), token.end(), 23, 59)
    return _Moment(token.start(), token.end(), value, minute)


def _date(found: dict[str, str | None], posted: date) -> date | None:
    """None for a day that no calendar has."""
    for n in "1234":
        day, month, year = found[f"d{n}"], found[f"m{n}"], found[f"y{n}"]
        if day is not None and month is not None:
            number = int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1
            return _calendar(int(day), number, year, posted)
    return None


def _calendar(day: int, month: int, year: str | None, posted: date) -> date | None:
    if year is not None:
        candidates = [int(year) + (2000 if len(year) == 2 else 0)]
    else:
        candidates = [posted.year, posted.year + 1, posted.year - 1]
    found = []
    for candidate in candidates:
        try:
            found.append(date(candidate, month, day))
        except ValueError:
            continue
    return min(found, key=lambda one: abs(one - posted), default=None)


def _dated(text: str, times: list[_Moment], days: list[_Day]) -> list[_Moment]:
    """Each time with the date beside it, before or after; a date serves one time. The only date
    there is serves wherever it stands.
    """
    used: set[int] = set()
    dated: list[_Moment] = []
    for time in times:
        before = [one for one in days if one.ends <= time.begins]
        after = [one for one in days if one.begins >= time.ends]
        beside = [
            one
            for one, gap in (
                *((one, (one.ends, time.begins)) for one in before[-1:]),
                *((one, (time.ends, one.begins)) for one in after[:1]),
            )
            if one.begins not in used and _beside(text, *gap)
        ]
        if beside:
            used.add(beside[0].begins)
        dated.append(replace(time, day=beside[0].value) if beside else time)
    told = {
        one.value
        for one in days
        if not _ISSUED.search(text[max(0, one.begins - _CONTEXT) : one.begins])
    }
    if dated and len(told) == 1 and all(one.day is None for one in dated):
        dated[0] = replace(dated[0], day=told.pop())
    return dated


def _beside(text: str, begins: int, ends: int) -> bool:
    return ends - begins <= _CONTEXT and _BETWEEN.fullmatch(text, begins, ends) is not None


def _labelled(text: str, moments: list[_Moment]) -> Iterator[tuple[str, _Moment]]:
    """Each moment of the outage with "start", "end" or nothing, by the last word before it that
    tells. When the notice itself was issued is left out.
    """
    before, is_later = 0, False
    for one in moments:
        context = text[max(before, one.begins - _CONTEXT) : one.begins]
        before = one.ends
        if _ISSUED.search(context):
            continue
        role = ""
        for word in _ROLE.finditer(context):
            if not word["dash"]:
                role = "start" if word["start"] else "end"
            elif not role and is_later:
                role = "end"
        is_later = True
        yield role, one


def _span(start: _Moment | None, end: _Moment | None) -> tuple[datetime | None, datetime | None]:
    """Start and end in UTC. A time without a date has the other's, and an end that would then lie
    before its start is on the next day.
    """
    start_day = start.day if start else None
    end_day = end.day if end else None
    shared = start_day is None or end_day is None
    starts_at = _utc(start, start_day or end_day, end.zone if end else "")
    ends_at = _utc(end, end_day or start_day, start.zone if start else "")
    if starts_at is None or ends_at is None:
        return starts_at, ends_at if start is None else None
    if ends_at <= starts_at and shared:
        ends_at = _after(ends_at, 1, timedelta(days=1))
    return starts_at, ends_at if ends_at is not None and ends_at > starts_at else None


def _after(moment: datetime, times: float, period: timedelta) -> datetime | None:
    """None where no calendar reaches so far."""
    try:
        return moment + times * period
    except OverflowError:
        return None


def _utc(moment: _Moment | None, day: date | None, other_zone: str) -> datetime | None:
    if moment is None or day is None:
        return None
    zone: tzinfo = _ZONES.get(moment.zone or other_zone, LONDON)
    try:
        # Within one zone, adding hours goes by its clocks: at 24:00 the next day begins.
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        local = midnight + timedelta(hours=moment.hour, minutes=moment.minute)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
