"""The section "Time" of docs/promises.md, as the tables of `deadlines` say it:
`python -m messaging.relay.deadlines_page` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from messaging.relay import deadlines
from messaging.relay.deadlines import Schedule

_NO_SCHEDULE = "when its link is up, at once"

_CLASSES: tuple[tuple[str, str, Schedule | None], ...] = (
    ("instruction to a control point", "its `respondBy`, else {respond}", None),
    ("answer to an instruction", "its instruction's time to respond", deadlines.ANSWER),
    (
        "redeclaration",
        "superseded by a newer one of the same BM unit and parameter; {within} at most",
        deadlines.REDECLARATION,
    ),
    (
        "submission",
        "the first gate closure, or effective time, to come among its records; {within} where"
        " all of it is past",
        deadlines.SUBMISSION,
    ),
    ("registration (SMP)", "{within} after its upload", deadlines.REGISTRATION),
    ("`RESULT` or `TEXT` to a control point", "{within}", None),
    ("reply file to a trading point", "{within}", deadlines.REPLY_FILE),
)

_HEAD = """\
## Time

<!-- written by `python -m messaging.relay.deadlines_page`; do not edit this section -->

No attempt starts after the deadline of its message, and the time-out of each is cut to what is left
until then. What has not been delivered by its deadline is `EXPIRED` and alarmed, never sent late.

| message | worth sending until | pauses between attempts (s), the last repeating |
|---|---|---|"""

_TAIL = """\
**Pauses** are longer by up to {jitter:.0%} of themselves, by the delivery's id and the attempt's
number, so that what failed together does not come again together. A peer that asks for longer by
`Retry-After` (seconds or a date), with whatever status, is left alone for so long, up to {asked};
one that is out (503) and says nothing of it, for {held}. None of it moves a deadline.

**Time-outs** are the endpoint's: `answer_seconds` for one exchange, longer for a body of megabytes;
`receipt_seconds` until the lack of a final receipt is alarmed.

**Superseding.** A redeclaration that was kept back (told `HELD`, or older than {kept_back}) and
that the operator surely has not taken is not sent when a newer one of the same BM unit and
parameter waits behind it that says all it would have said: any newer value or set of rates, and
levels that name all of its times still to come. It ends as `SUPERSEDED`, with an entry that names
the newer message, and its control point is told `REFUSE R031 superseded by MEL 00000012: not
sent`: its time ran out, and `OK` would say that the operator had it. What may have left goes
again as it was, and what flows is never dropped. The operator endpoint's setting `supersede` is
`covered` (as above), `same` (any newer series of levels replaces the older whole) or `never`.

**Silence.** A control point is told of every message of its own by a final `RESULT`, `REFUSE R031`
where it expired. Of an instruction that could not be delivered to it, that it did not answer, or
that came when its time had passed, it is told by `TEXT`, once, and so it is where an answer that
was given in its stead expired; the tenant finds an alarm for each. Where a try went that nobody
knows the end of, all of these say so: `R031 expired; the system operator may have it: telephone`.
The time-out of a connection to a control point's link is its profile's.

**Shown by**
`tests/relay/test_deadlines.py::test_no_try_starts_after_the_deadline_and_none_lasts_beyond_it`,
`tests/relay/test_deadlines.py::test_what_failed_together_does_not_come_again_together`,
`tests/relay/sealing/test_patience.py::test_an_operator_that_is_out_is_left_alone_as_long_as_it_asked`,
`tests/relay/test_superseding.py::test_one_that_was_kept_back_gives_way_and_says_to_which`,
`tests/relay/test_silence.py::test_one_that_comes_after_its_time_is_told_and_not_sent`,
`tests/relay/test_claim.py::test_after_its_deadline_it_expires_and_the_control_point_is_told`,
`tests/relay/test_unknown_ends.py::test_of_what_expired_is_told_whether_the_operator_may_have_it`
and, for the countdown,
`tests/events/test_ladder.py::test_each_step_is_taken_once_however_often_it_is_looked`.
"""


def page() -> str:
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    for name, until, schedule in _CLASSES:
        within = schedule or deadlines.NOTICE
        told = until.format(
            within=_span(within.within), respond=f"{_span(deadlines.RESPOND_WITHIN)} from receipt"
        )
        pauses = ", ".join(f"{one:g}" for one in schedule.pauses) if schedule else _NO_SCHEDULE
        yield f"| {name} | {told} | {pauses} |"
    yield ""
    yield _TAIL.format(
        jitter=deadlines.JITTER,
        asked=_span(deadlines.ASKED_AT_MOST),
        held=_span(deadlines.HELD_AGAIN),
        kept_back=_span(deadlines.KEPT_BACK),
    )


def _span(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds > size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


if __name__ == "__main__":
    print(page(), end="")
