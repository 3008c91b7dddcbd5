"""What an endpoint that leads to the system operator can be set to: the Wider Access API's, and the
Single Markets Platform's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from messaging.protocols.neso.seals import ALGORITHMS, SEALS
from messaging.protocols.settings import LENIENT_RULES, Reading

_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
_LONGEST_ANSWER_S = 60
_LONGEST_RECEIPT_S = 86_400
_LONGEST_POLL_S = 3_600
_LONGEST_HEALTH_S = 3_600


@dataclass(frozen=True, slots=True)
class WaSettings:
    """`algorithms` may sign what comes from the operator; `algorithm` signs what goes to it, where
    it is not to be the key's own first.

    `answer_seconds` bounds one exchange; `receipt_seconds` the wait for a final receipt, after
    which there is an alarm; `health_seconds` lie between two questions for Health. `warn_only`
    names rules whose breach by the operator is told and not refused.
    """

    profile: str = "host-1"
    seal: str = "jws-json"
    algorithms: tuple[str, ...] = _ALGORITHMS
    algorithm: str | None = None
    answer_seconds: int = 10
    receipt_seconds: int = 600
    warn_only: tuple[str, ...] = ()
    health_seconds: int = 30

    @property
    def answer_within(self) -> timedelta:
        return timedelta(seconds=self.answer_seconds)

    @property
    def receipt_within(self) -> timedelta:
        return timedelta(seconds=self.receipt_seconds)

    @property
    def health_every(self) -> timedelta:
        return timedelta(seconds=self.health_seconds)

    @classmethod
    def parse(cls, given: Mapping[str, object], *, profiles: Collection[str]) -> Self:
        """Raises BadSettings; `profiles` are those that are installed."""
        reading, default = Reading(given), cls()
        settings = cls(
            reading.one_of("profile", default.profile, profiles),
            reading.one_of("seal", default.seal, SEALS),
            reading.some_of("algorithms", default.algorithms, ALGORITHMS, least=1),
            reading.one_or_none_of("algorithm", ALGORITHMS),
            reading.whole("answer_seconds", default.answer_seconds, 1, _LONGEST_ANSWER_S),
            reading.whole("receipt_seconds", default.receipt_seconds, 1, _LONGEST_RECEIPT_S),
            reading.some_of("warn_only", (), LENIENT_RULES),
            reading.whole("health_seconds", default.health_seconds, 1, _LONGEST_HEALTH_S),
        )
        reading.close()
        return settings


WAIT, REPEAT = "wait", "repeat"


@dataclass(frozen=True, slots=True)
class SmpSettings:
    """How bodies are sealed, and how patiently answers are waited for.

    `unanswered` says what becomes of a Create that got no answer: it waits for the batch return and
    then for a person, or, where the peer is known to refuse duplicates, is sent again under the
    same messageId. `return_seconds` is how long the batch return is waited for before a person is
    called. Transactions are asked after every `poll_seconds`, less and less often, down to every
    `poll_at_most_seconds`.
    """

    profile: str = "host-1"
    seal: str = "jws-json"
    algorithms: tuple[str, ...] = _ALGORITHMS
    algorithm: str | None = None
    answer_seconds: int = 30
    unanswered: str = WAIT
    return_seconds: int = 900
    poll_seconds: int = 2
    poll_at_most_seconds: int = 300

    @classmethod
    def parse(cls, given: Mapping[str, object], *, profiles: Collection[str]) -> Self:
        """Raises BadSettings; `profiles` are those that are installed."""
        reading, default = Reading(given), cls()
        settings = cls(
            reading.one_of("profile", default.profile, profiles),
            reading.one_of("seal", default.seal, SEALS),
            reading.some_of("algorithms", default.algorithms, ALGORITHMS, least=1),
            reading.one_or_none_of("algorithm", ALGORITHMS),
            reading.whole("answer_seconds", default.answer_seconds, 1, _LONGEST_ANSWER_S),
            reading.one_of("unanswered", default.unanswered, (WAIT, REPEAT)),
            reading.whole("return_seconds", default.return_seconds, 1, _LONGEST_RECEIPT_S),
            reading.whole("poll_seconds", default.poll_seconds, 1, _LONGEST_POLL_S),
            reading.whole("poll_at_most_seconds", default.poll_at_most_seconds, 1, _LONGEST_POLL_S),
        )
        reading.close()
        return settings
