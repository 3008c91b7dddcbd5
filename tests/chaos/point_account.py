"""What control points say of the traffic: what they sent, by their log books, and what came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from messaging.domain.acknowledgements import FreeText, Result, ResultVerdict
from messaging.domain.units import RefusalCode
from messaging.protocols.base import Parcel
from messaging.protocols.edl.codec import EdlCodec
from messaging.rehearsal.control_point import Arrival
from messaging.rehearsal.outside_books import digest
from messaging.rehearsal.players import Player
from tests.chaos import names
from tests.chaos.books import Came, Heard, Said, Word

_REFUSED_BY_SO = "R030"


def said_by(player: Player, codec: EdlCodec) -> Iterator[tuple[bool, Said]]:
    """Whether it is an answer to an instruction, and what was said and heard of it, in order."""
    words = _last_words(player.arrivals())
    for sent in player.logged():
        name = names.of_message(codec.decode(Parcel(sent.content)).messages[0])
        if name is None:
            continue
        taken = sent.code == RefusalCode.OK
        told = words.get(sent.number or 0, ())
        if sent.code not in (None, RefusalCode.OK):
            told = (Word.REFUSED_BY_HOST, *told)
        yield name.startswith(("ACCEPTED ", "REJECTED ")), Said(name, taken, told, player.name)


def unanswered(player: Player) -> int:
    """What it has sent, or is to send, and knows no answer to."""
    return sum(sent.code is None for sent in player.logged())


def came_to(player: Player) -> Iterator[Came]:
    """Instructions, repeats included."""
    for one in player.heard():
        name = names.of_message(one.message)
        if name is not None:
            yield Came(name, f"{player.name} {one.number}", digest(one.content))


def heard_by(player: Player) -> Iterator[Heard]:
    """Whatever came under a number."""
    for one in player.heard():
        yield Heard(player.name, str(one.number), digest(one.content))


def texts(player: Player) -> Iterator[str]:
    for one in player.arrivals():
        if isinstance(one.message, FreeText):
            yield one.message.text


def _last_words(arrivals: Iterable[Arrival]) -> dict[int, tuple[Word, ...]]:
    """By the number of the message that they are about."""
    found: defaultdict[int, tuple[Word, ...]] = defaultdict(tuple)
    for one in arrivals:
        message = one.message
        if isinstance(message, Result) and message.verdict is not ResultVerdict.HELD:
            found[one.in_reply_to] += (_word(message),)
    return found


def _word(result: Result) -> Word:
    if result.verdict is ResultVerdict.OK:
        return Word.ACCEPTED
    return Word.REFUSED if result.code == _REFUSED_BY_SO else Word.EXPIRED
