"""All that an acceptance is held against, declared for one of alice's BM units as the operator
would have accepted it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

from django.db import connection

from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    RateStep,
    Redeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.submissions import LevelRecord, Record, SeriesParameter, Submission
from messaging.relay import declared, verdicts
from messaging.relay.load import load_locked
from tenants.clock import now
from tenants.models import Environment
from tenants.scope import in_tenant
from tests.minutes import minute
from tests.people import Person
from tests.relay.conftest import OpenLink

POINT, UNIT = "ALICP1", "ALICP1-1"
_sequences = itertools.count(1)


def level(
    parameter: LevelParameter, mw: int, *, unit: str = UNIT, begin: int = 0, end: int = 600
) -> LevelRedeclaration:
    segment = Segment(minute(begin), mw, minute(end), mw)
    return LevelRedeclaration(POINT, unit, parameter, (segment,))


def notification(mw: int, *, unit: str = UNIT, begin: int = -700, end: int = 600) -> LevelRecord:
    return LevelRecord(SeriesParameter.PN, unit, minute(begin), mw, minute(end), mw)


def dynamics(unit: str = UNIT) -> Iterator[Redeclaration]:
    yield level(LevelParameter.MEL, 100, unit=unit)
    yield level(LevelParameter.MIL, -100, unit=unit)
    for rate in RateParameter:
        yield RateRedeclaration(POINT, unit, rate, (RateStep(Decimal(5), None),))
    for scalar in (ScalarParameter.NDZ, ScalarParameter.MZT, ScalarParameter.MNZT):
        yield ScalarRedeclaration(POINT, unit, scalar, 0)


def submit(person: Person, *records: Record, environment: str = Environment.SIMULATOR) -> None:
    """As if the operator had accepted it now, of all that was taken before it the last."""
    submission = Submission("ALITA", next(_sequences), records)

    def work() -> None:
        declared.apply_submission(submission, environment, next_position(), now())

    in_tenant(person.tenant_id, work)


def next_position() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('messaging_delivery_position')")
        return int(cursor.fetchone()[0])


def say(link: OpenLink, message: Redeclaration) -> UUID:
    """Its delivery to the operator, which has not decided."""
    (made,) = link.say(message).deliveries
    return made.id


def settle(person: Person, delivery_id: UUID, *, refused: str = "") -> None:
    def work() -> None:
        row = load_locked(delivery_id)
        assert row is not None
        if refused:
            verdicts.refuse(row, now(), refused)
        else:
            verdicts.accept(row, now())

    in_tenant(person.tenant_id, work)


def declare(person: Person, link: OpenLink, *messages: Redeclaration) -> None:
    for message in messages:
        settle(person, say(link, message))


def declare_all(person: Person, link: OpenLink, unit: str = UNIT) -> None:
    """At zero by its notification, free to move by 5 MW/min between -100 and 100."""
    declare(person, link, *dynamics(unit))
    submit(person, notification(0, unit=unit))
