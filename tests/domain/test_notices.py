"""What is read out of the text of an outage notice: services, start and end, however people write
them; and what is left for a person to say.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from messaging.domain.notices import LONDON, SERVICES, ReadNotice, read_notice

POSTED = date(2026, 3, 9)
ALL_FIVE = "\\n".join(f"NESO_{name}" for name in SERVICES)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


WINTER = utc(2026, 3, 12, 9), utc(2026, 3, 12, 23)
SUMMER = utc(2026, 5, 14, 8), utc(2026, 5, 14, 22)

SPANS = [
    ("Start: 12/03/2026 09:00 GMT\\r\\nEnd: 12/03/2026 23:00 GMT", WINTER),
    ("from 09:00 hrs on 12 March 2026 to 23:00 hrs on 12 March 2026", WINTER),
    ("between 09:00 to 23:00 (GMT) on Thursday 12 March 2026", WINTER),
    ("from 09:00 (GMT) to 23:00 (GMT) on Thu 12th March 2026.", WINTER),
    ("Start Time 2026-03-12T09:00Z, End Time 2026-03-12T23:00Z", WINTER),
    ("12-MAR-2026 0900hrs until 12-MAR-2026 2300hrs", WINTER),
    ("commencing 0900 GMT 12.03.26 and returning to service by 2300 GMT 12.03.26", WINTER),
    ("09:00 12/03/2026 - 23:00 12/03/2026", WINTER),
    ("12 March from 9am until 11pm", WINTER),
    ("March 12, 2026 09:00 to 23:00", WINTER),
    ("on 12/03/2026 at 09:00 for approximately 14 hours", WINTER),
    ("Issued: 09/03/2026 16:12\\nThe outage begins 12/03/2026 09:00\\nand ends 23:00.", WINTER),
    ("Published at 16:12 on 9 March 2026. Start 12/03/2026 09:00. End 12/03/2026 23:00", WINTER),
    ("Start: 14/05/2026 09:00 BST End: 14/05/2026 23:00 BST", SUMMER),
    ("Start: 14/05/2026 09:00 End: 14/05/2026 23:00", SUMMER),
    ("Start: 14/05/2026 08:00 GMT End: 14/05/2026 22:00", SUMMER),
    ("from 18:57 (BST) Thursday 14 May 2026 to 07:15 (BST) on Friday 15 May 2026",
     (utc(2026, 5, 14, 17, 57), utc(2026, 5, 15, 6, 15))),
    ("between 18:57 to 02:00 (BST) today, 28 May 2026",
     (utc(2026, 5, 28, 17, 57), utc(2026, 5, 29, 1, 0))),
    ("from 20:00 UTC 30 December 2026 to 24:00 UTC 31 December 2026",
     (utc(2026, 12, 30, 20), utc(2027, 1, 1, 0))),
    ("across the change of clocks: from 00:30 on 29 March 2026 to 03:30 on 29 March 2026",
     (utc(2026, 3, 29, 0, 30), utc(2026, 3, 29, 2, 30))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "span"), SPANS, ids=[text[:40] for text, _ in SPANS])
def test_start_and_end_are_read_however_they_are_written(
    text: str, span: tuple[datetime, datetime]
) -> None:
    told = read_notice(f"Planned outage of\\n{ALL_FIVE}\r\n{text}\n", POSTED)
    assert (told.starts_at, told.ends_at) == span
    assert told.services == SERVICES
    assert told.missing == ()


WHOLE = [
    "SYSTEM WARNING\\nPlanned outage\\r\\nServices:\\n\\tNESO_Redeclaration\\n\\tNESO_Submission"
    "\\r\\nStart: 12/03/2026 09:00 GMT\\nEnd: 12/03/2026 23:00 GMT",
    "SYSTEM WARNING\r\nPlanned outage\nNESO_Redeclaration,NESO_Submission are out from 09:00 GMT to"
    "\\n23:00 GMT on 12/03/2026.\r\nInstructions will be given by telephone.",
    "The redeclaration and submission services:\n- Redeclaration\n- Submission\nbetween\n09:00 and"
    " 23:00 12/03/2026",
]


@pytest.mark.parametrize("text", WHOLE)
def test_the_services_that_are_named_are_out_and_no_other(text: str) -> None:
    told = read_notice(text, POSTED)
    assert told == ReadNotice(("Redeclaration", "Submission"), *WINTER, until_further_notice=False)


@pytest.mark.parametrize(
    ("text", "services"),
    [
        ("All Wider Access services are out", SERVICES),
        ("An outage of the Wider Access API", SERVICES),
        ("neso_normalisation and NESO Health", ("Health", "Normalization")),
        ("instructions will come by telephone", ()),
        ("EDT and EDL are out", ()),
        ("", ()),
    ],
)
def test_which_services_a_text_names(text: str, services: tuple[str, ...]) -> None:
    assert read_notice(text, POSTED).services == services


def test_until_further_notice_needs_no_end() -> None:
    text = "NESO_Submission is out from 09:00 12/03/2026 until further notice"
    told = read_notice(text, POSTED)
    assert (told.starts_at, told.ends_at) == (WINTER[0], None)
    assert told.until_further_notice
    assert told.missing == ()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", ("services", "start", "end")),
        ("NESO_Health will be out soon", ("start", "end")),
        ("NESO_Health is out from 09:00", ("start", "end")),
        ("NESO_Health is out on 12/03/2026", ("start", "end")),
        ("NESO_Health from 09:00 12/03/2026", ("end",)),
        ("From 09:00 12/03/2026 to 23:00 12/03/2026", ("services",)),
        ("NESO_Health from 09:00 12/03/2026 to 23:00 11/03/2026", ("end",)),
        ("NESO_Health from 09:00 31/02/2026 to 23:00 31/02/2026", ("start", "end")),
        ("NESO_Health until 23:00 12/03/2026", ("start",)),
    ],
)
def test_what_a_text_does_not_say_is_named_as_missing(text: str, missing: tuple[str, ...]) -> None:
    assert read_notice(text, POSTED).missing == missing


@pytest.mark.parametrize(
    ("posted", "start"),
    [(date(2026, 12, 30), utc(2027, 1, 2, 9)), (date(2026, 1, 5), utc(2026, 1, 2, 9))],
)
def test_a_date_without_a_year_is_the_nearest(posted: date, start: datetime) -> None:
    told = read_notice("NESO_Health from 09:00 on 2 January to 10:00 on 2 January", posted)
    assert told.starts_at == start


MOMENTS = st.integers(0, 16 * 366 * 24 * 60).map(
    lambda minutes: utc(2020, 1, 1) + timedelta(minutes=minutes)
)
DATES = ["%d/%m/%Y", "%d-%m-%Y", "%Y-%m-%d", "%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%A %d %B %Y"]
TIMES = ["%H:%M", "%H:%M hrs", "%H:%M:00"]
ENDINGS = ["\\n", "\r\n", "\n", "\\r\\n", " "]


@given(
    MOMENTS,
    st.integers(1, 20_000),
    st.sampled_from(DATES),
    st.sampled_from(TIMES),
    st.sampled_from(ENDINGS),
    st.booleans(),
    st.sampled_from([("GMT", 0), ("UTC", 0), ("BST", 1)]),
)
def test_what_is_written_in_any_of_the_forms_is_read_back(
    start: datetime,
    minutes: int,
    day: str,
    time: str,
    ending: str,
    time_first: bool,
    zone: tuple[str, int],
) -> None:
    end = start + timedelta(minutes=minutes)
    name, ahead = zone

    def written(moment: datetime) -> str:
        parts = [f"{moment.strftime(time)} {name}", moment.strftime(day)]
        return " ".join(parts if time_first else reversed(parts))

    text = f"NESO_Submission{ending}Start: {written(start)}{ending}End: {written(end)}{ending}"
    told = read_notice(text, POSTED)
    hours = timedelta(hours=ahead)
    assert told.starts_at == start - hours
    assert told.ends_at == end - hours
    assert told.services == ("Submission",)


@given(MOMENTS)
def test_a_time_without_a_zone_is_londons(start: datetime) -> None:
    text = f"NESO_Health from {start:%H:%M on %d %B %Y} until further notice"
    assert read_notice(text, POSTED).starts_at == start.replace(tzinfo=LONDON).astimezone(UTC)


PIECES = st.sampled_from(
    [
        *("12/03/2026", "09:00", "24:59", "2400hrs", "99/99/9999", "to", "until", "from", "BST"),
        *("\\n", "\r\n", "NESO_Health", "until further notice", "31 February", "0000", "12pm"),
        *("9999-12-31", "24:00", "for 999 days", "1-1-00", ":", "-"),
    ]
)


@example("09:00 09:00 9999-12-31")
@example("from 09:00 9999-12-31 for 999 days")
@given(st.lists(PIECES | st.text(max_size=5), max_size=40).map(" ".join))
def test_no_text_is_too_odd_and_what_is_read_makes_sense(text: str) -> None:
    told = read_notice(text, POSTED)
    assert set(told.services) <= set(SERVICES)
    if told.starts_at and told.ends_at:
        assert told.starts_at < told.ends_at


@pytest.mark.parametrize(
    "piece", ["1", "12/", "09:", "all ", "on ", "NESO_", "9" * 50, "\\n", "- "]
)
def test_an_endless_text_costs_no_more_than_a_long_one(piece: str) -> None:
    """What patterns that go back and forth would never get through."""
    assert read_notice(piece * 100_000, POSTED).starts_at is None
