"""Brings together what control points, other senders, the host and the operator say, flow by
flow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.loading import load_profile
from messaging.rehearsal.players import Player
from tests.chaos import point_account
from tests.chaos.books import Finding, Flow, Said, judge, judge_links
from tests.chaos.ground import PROFILES
from tests.chaos.host_account import HostAccount
from tests.chaos.operator_account import OperatorAccount
from tests.chaos.recovery import Passage
from tests.chaos.senders import Registrar, Sender, System, TradingPoint


@dataclass(frozen=True, slots=True)
class Parties:
    """Everyone who has a book. `database` is the host's, as its staff read it."""

    players: Sequence[Player]
    trading_points: Sequence[TradingPoint]
    systems: Sequence[System]
    registrar: Registrar
    operator: OperatorAccount
    database: str

    @property
    def senders(self) -> tuple[Sender, ...]:
        return (*self.trading_points, *self.systems, self.registrar)

    def under_way(self) -> dict[str, int]:
        """What has not come to its end, by what it is."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            found = HostAccount(connection).under_way()
        found["without an answer on links"] = sum(map(point_account.unanswered, self.players))
        found["instructions on their way"] = self.operator.unlanded()
        return {name: count for name, count in found.items() if count}

    def compare(self) -> tuple[tuple[Flow, ...], list[Finding]]:
        """The books of each flow, and all that is not true of them."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            host = HostAccount(connection)
            flows = tuple(self._flows(host))
            heard = [one for player in self.players for one in point_account.heard_by(player)]
            return flows, [
                *(finding for flow in flows for finding in judge(flow)),
                *judge_links(host.on_links(), heard),
            ]

    def passages(self) -> dict[str, list[Passage]]:
        """What has gone all the way, by flow."""
        declared = (one for player in self.players for one in player.declared)
        return {
            "up": [
                Passage(one.at, one.at + timedelta(milliseconds=one.settled_after))
                for one in declared
                if one.settled_after is not None
            ],
            "down": [Passage(*times) for times in self.operator.passages()],
            "files": list(_done(self.trading_points)),
            "API": list(_done(self.systems)),
        }

    def _flows(self, host: HostAccount) -> Iterator[Flow]:
        operator = self.operator
        spoken = [one for player in self.players for one in self._spoken(player)]
        carried = list(host.from_links())
        declared = [said for is_answer, said in spoken if not is_answer]
        declared += [said for system in self.systems for said in system.said()]
        yield Flow(
            "redeclarations",
            declared,
            [*(one for is_answer, one in carried if not is_answer), *host.from_api()],
            operator.came("redeclaration"),
        )
        told = [text for player in self.players for text in point_account.texts(player)]
        yield Flow(
            "instructions",
            operator.instructions(),
            list(host.instructions(told)),
            [one for player in self.players for one in point_account.came_to(player)],
            tells=False,
        )
        yield Flow(
            "answers",
            [said for is_answer, said in spoken if is_answer],
            [one for is_answer, one in carried if is_answer],
            operator.came("response"),
        )
        yield Flow(
            "submissions",
            [said for one in self.trading_points for said in one.said()],
            list(host.from_files()),
            operator.came("submission"),
        )
        yield Flow(
            "registrations",
            self.registrar.said(),
            list(host.registrations()),
            operator.registered(),
        )

    def _spoken(self, player: Player) -> Iterator[tuple[bool, Said]]:
        codec = EdlCodec(load_profile(PROFILES.get(player.name, "host-1")))
        return point_account.said_by(player, codec)


def _done(senders: Sequence[Sender]) -> Iterator[Passage]:
    for sender in senders:
        for letter in sender.letters:
            if letter.done is not None:
                yield Passage(letter.at, letter.done)
