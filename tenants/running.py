"""A request under an idempotency key that runs without a transaction of its own: in which process,
and that no other runs it at the same time. What it answers is kept elsewhere (tenants.api).

The row of its key names the process (see ownership) and this run of it. Once the process is gone
the next that asks takes the key over, under a new run; and whatever the former still wants to
commit, should it only have been frozen, names a run that is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from tenants import ownership
from tenants.clock import now
from tenants.models import IdempotentAnswer

GIVEN_UP_AFTER: Final = timedelta(seconds=120)
"""Without a sign of life, though its session with the database stands: so a host is lost."""


class Overtaken(Exception):
    """The run is over, for its process seemed to be gone, and another has the request."""


@dataclass(frozen=True, slots=True)
class Running:
    """`key_id` stays the same for whoever runs the request; each time it is run has a `run`, and of
    these only the first knows that nothing was made before.
    """

    key_id: UUID
    run: UUID
    is_first: bool

    def hold(self) -> None:
        """As the first thing in a transaction of the request's: nobody takes it over before that
        ends. Raises Overtaken.
        """
        if not self.rows().update(held_until=now() + GIVEN_UP_AFTER):
            raise Overtaken

    def let_go(self) -> None:
        """It came to no answer: whoever asks next runs it again, and finds what was made by the
        same `key_id`.
        """
        self.rows().update(owner=None)

    def forget(self) -> None:
        """This run did nothing: if there was no other, the key is free for anything."""
        if self.is_first:
            self.rows().delete()
        else:
            self.let_go()

    def rows(self) -> QuerySet[IdempotentAnswer]:
        """The key's row, while the run is not over."""
        return IdempotentAnswer.objects.filter(id=self.key_id, run=self.run)


def begin(row: IdempotentAnswer, owner: int, run: UUID) -> Running:
    """Stores a new key's row."""
    row.owner, row.run, row.held_until = owner, run, now() + GIVEN_UP_AFTER
    row.save(force_insert=True)
    return Running(row.id, run, is_first=True)


def is_under_way(row: IdempotentAnswer) -> bool:
    """Whether the process that runs it may live."""
    if row.owner is None or row.held_until is None or row.held_until <= now():
        return False
    return ownership.is_alive(row.owner)


def take_over(row: IdempotentAnswer, owner: int, run: UUID) -> Running | None:
    """From a process that is gone. None where a transaction of its own is not at its end."""
    former = IdempotentAnswer.objects.filter(id=row.id, run=row.run, status=None)
    if former.select_for_update(skip_locked=True).first() is None:
        return None
    former.update(owner=owner, run=run, held_until=now() + GIVEN_UP_AFTER)
    return Running(row.id, run, is_first=False)
