"""What a replay came to: all that was sent against all that came, and how long it took. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from messaging.domain.instructions import BidOfferAcceptance
from messaging.domain.redeclarations import Redeclaration
from messaging.domain.rules import violations
from messaging.rehearsal.control_point import Arrival
from messaging.rehearsal.market.comparison import Comparison, Told, compare
from messaging.rehearsal.market.driver import Given
from messaging.rehearsal.outside_books import Exchange, OperatorNotes, outcome_of, subject_of
from messaging.rehearsal.percentiles import Spread, spread
from messaging.rehearsal.players import Declaration, Player
from messaging.rehearsal.telling import tell, tell_payload


@dataclass(frozen=True, slots=True)
class Flow:
    """One way through the host. `hops` are in ms, by name; `seconds` from the first sent to the
    last settled.
    """

    title: str
    sent: int
    comparison: Comparison
    hops: tuple[tuple[str, Spread], ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.sent / self.seconds if self.seconds else 0.0


def acceptance_flow(
    given: Sequence[Given], players: Iterable[Player], notes: OperatorNotes
) -> Flow:
    """From the operator to the control points, and the verdicts back."""
    arrivals = [one for player in players for one in player.arrivals() if _is_acceptance(one)]
    came = [_told(one.message) for one in arrivals if isinstance(one.message, BidOfferAcceptance)]
    compared = compare([_told(one.message) for one in given if not one.refusal], came)
    faults = (*compared.differences, *_unanswered(given, notes))
    hops, seconds = _acceptance_hops(notes, arrivals)
    comparison = Comparison(compared.messages, compared.segments, faults)
    return Flow("acceptances", len(given), comparison, hops, seconds)


def redeclaration_flow(players: Iterable[Player], notes: OperatorNotes) -> Flow:
    """From the control points to the operator, and the results back. What breaks a rule goes no
    further than the host.
    """
    declared = [one for player in players for one in player.declared]
    broken = {id(one): _rule_broken(one) for one in declared}
    sent = list(_counted(one.message for one in declared if not broken[id(one)]))
    compared = compare(sent, list(_counted_payloads(notes.redeclarations)))
    faults = (*compared.differences, *_unsettled(declared, broken))
    settled = [one for one in declared if one.settled_after is not None and not broken[id(one)]]
    hops = (
        ("declared to acknowledged", spread(one.acknowledged_after for one in settled)),
        ("declared to RESULT", spread(one.settled_after for one in settled)),
    )
    comparison = Comparison(compared.messages, compared.segments, faults)
    return Flow("redeclarations", len(declared), comparison, hops, _seconds(settled))


def _is_acceptance(arrival: Arrival) -> bool:
    return isinstance(arrival.message, BidOfferAcceptance)


def _told(message: BidOfferAcceptance) -> Told:
    return Told(message.bm_unit, f"BOA {message.number} of {message.bm_unit}", tell(message))


def _unanswered(given: Iterable[Given], notes: OperatorNotes) -> Iterator[str]:
    said: dict[tuple[object, ...], list[str]] = {}
    for one in notes.responses:
        said.setdefault(subject_of(one.payload), []).append(str(one.payload["verdict"]))
    for sent in given:
        message = sent.message
        name = f"BOA {message.number} of {message.bm_unit}"
        verdicts = said.get((message.control_point, message.bm_unit, "BOA", message.number), [])
        if sent.refusal:
            yield f"{name}: not taken by the host: {sent.refusal}"
        elif verdicts != ["ACCEPTED"]:
            said_of_it = ", ".join(verdicts) or "nothing"
            yield f"{name}: the operator was told {said_of_it}, not ACCEPTED once"


def _acceptance_hops(
    notes: OperatorNotes, arrivals: Iterable[Arrival]
) -> tuple[tuple[tuple[str, Spread], ...], float]:
    sent = {_number_of(one): one for one in notes.instructions}
    verdicts = {_number_of(one): one.sent_at for one in notes.responses}
    on_link = {
        (one.message.bm_unit, one.message.number): _micros(one.at)
        for one in arrivals
        if isinstance(one.message, BidOfferAcceptance)
    }
    begun = {key: one.sent_at for key, one in sent.items()}
    hops = (
        (
            "sent to host's answer",
            spread(one.answered_at / 1e3 - one.sent_at / 1e3 for one in sent.values()),
        ),
        ("sent to on the link", spread(_between(begun, on_link))),
        ("sent to verdict received", spread(_between(begun, verdicts))),
    )
    last = max(verdicts.values(), default=0)
    return hops, (last - min(begun.values(), default=last)) / 1e6


def _between(
    begun: Mapping[tuple[str, int], int], ended: Mapping[tuple[str, int], int]
) -> Iterator[float]:
    return ((ended[key] - at) / 1000 for key, at in begun.items() if key in ended)


def _number_of(one: Exchange) -> tuple[str, int]:
    return (str(one.payload["bmUnit"]), int(one.payload["acceptanceNumber"]))


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def _rule_broken(one: Declaration) -> str:
    """The code that the host must refuse it with, or an empty string."""
    found = [each for each in violations(one.message, one.at) if not each.warning]
    return found[0].code.value if found else ""


def _unsettled(declared: Iterable[Declaration], broken: Mapping[int, str]) -> Iterator[str]:
    for one in declared:
        code = broken[id(one)]
        wanted, outcome = f"NACK {code}" if code else "OK", outcome_of(one)
        if outcome != wanted:
            name = f"{one.message.parameter} of {one.message.bm_unit}"
            yield f"{name}: ended as {outcome or 'nothing'!r}, not as {wanted!r}"


def _counted(messages: Iterable[Redeclaration]) -> Iterator[Told]:
    """The same parameter of a BM unit may be declared several times: the first, the second, ..."""
    turns: dict[tuple[str, str], int] = {}
    for message in messages:
        yield _turn(turns, message.bm_unit, message.parameter.value, tell(message))


def _counted_payloads(exchanges: Iterable[Exchange]) -> Iterator[Told]:
    turns: dict[tuple[str, str], int] = {}
    for one in exchanges:
        payload = one.payload
        told = tell_payload(payload)
        yield _turn(turns, payload["bmUnit"], payload["parameter"], told)


def _turn(turns: dict[tuple[str, str], int], unit: str, parameter: str, told: str) -> Told:
    turn = turns[unit, parameter] = turns.get((unit, parameter), 0) + 1
    again = f" ({turn})" if turn > 1 else ""
    return Told(unit, f"{parameter} of {unit}{again}", told)


def _seconds(settled: Sequence[Declaration]) -> float:
    if not settled:
        return 0.0
    begun = min(one.at for one in settled)
    ended = max(one.at.timestamp() + (one.settled_after or 0.0) / 1000 for one in settled)
    return ended - begun.timestamp()
