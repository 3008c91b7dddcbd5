"""One seal is not taken for another, and no byte of what travels can change."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.protocols.neso.seals import (
    SealError,
)
from tests.protocols.neso.parties import (
    KINDS,
    PAYLOAD,
    party,
)
from tests.protocols.neso.seals import (
    PAIRS,
    SEALS,
    Sealed,
    close,
    each_pair,
    each_seal,
    joined,
    open_seal,
    parts_of,
    peek,
    reason,
)

# One seal taken for another


@pytest.mark.parametrize("made", SEALS)
@pytest.mark.parametrize("read", SEALS)
def test_what_was_closed_by_one_seal_does_not_open_by_another(made: str, read: str) -> None:
    if made == read:
        return
    sealed = close(made, party("rsa"))
    reason(read, sealed)
    if not (made.startswith("jws-") and read.startswith("jws-")):
        return
    moved = joined(read, *_recast(made, sealed, read))
    if {made, read} == {"jws-json", "jws-compact"}:
        # The two serializations of one JWS: which one it travels in is no part of what is signed.
        assert open_seal(read, moved, [party("rsa").trusted]).payload == PAYLOAD
    else:
        reason(read, moved)


def _recast(made: str, sealed: Sealed, read: str) -> tuple[str, bytes, str]:
    protected, _, signature = parts_of(made, sealed)
    encoded = base64.urlsafe_b64encode(PAYLOAD).rstrip(b"=")
    return protected, PAYLOAD if read == "jws-detached" else encoded, signature


# Bytes


@dataclass(frozen=True)
class Place:
    """A byte of what travels: in the body, or in a header's name or value."""

    where: str
    index: int


def places_of(sealed: Sealed) -> list[Place]:
    texts = {"body": sealed.body, **{f"={n}": v.encode() for n, v in sealed.headers.items()}}
    texts |= {f"#{name}": name.encode() for name in sealed.headers}
    return [Place(where, index) for where, text in texts.items() for index in range(len(text))]


def changed_at(sealed: Sealed, place: Place, value: int) -> Sealed:
    def change(text: bytes) -> bytes:
        return text[: place.index] + bytes([value]) + text[place.index + 1 :]

    if place.where == "body":
        return replace(sealed, body=change(sealed.body))
    mark, name = place.where[0], place.where[1:]
    lines = {}
    for one, line in sealed.headers.items():
        if one != name:
            lines[one] = line
        elif mark == "=":
            lines[one] = change(line.encode()).decode("latin-1")
        else:
            lines[change(one.encode()).decode("latin-1")] = line
    return replace(sealed, headers=lines)


def before(sealed: Sealed, place: Place) -> int:
    if place.where == "body":
        return sealed.body[place.index]
    name = place.where[1:]
    return (name if place.where[0] == "#" else sealed.headers[name]).encode()[place.index]


def means_the_same(sealed: Sealed, place: Place, value: int) -> bool:
    """The case of a header's name is no part of any message."""
    same = chr(value).lower() == chr(before(sealed, place)).lower()
    return place.where.startswith("#") and same


@each_pair
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_changed_byte_anywhere_in_what_travels_is_refused(
    seal: str, kind: str, algorithm: str, data: st.DataObject
) -> None:
    signer = party(kind)
    sealed = close(seal, signer, algorithm=algorithm)
    place = data.draw(st.sampled_from(places_of(sealed)))
    value = data.draw(st.integers(0, 255).filter(lambda one: one != before(sealed, place)))
    changed = changed_at(sealed, place, value)
    if means_the_same(sealed, place, value):
        assert open_seal(seal, changed, [signer.trusted]).payload == PAYLOAD
    else:
        reason(seal, changed, signer)


@each_seal
def test_every_byte_that_travels_changed_by_one_bit_is_refused(seal: str) -> None:
    """All of them, where the property above draws."""
    signer = party("rsa")
    sealed = close(seal, signer)
    for place in places_of(sealed):
        for bit in (1, 0x80):
            reason(seal, changed_at(sealed, place, before(sealed, place) ^ bit), signer)


@each_seal
@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200), line=st.text(max_size=100))
def test_whatever_the_bytes_a_seal_error_is_all_that_comes(
    seal: str, body: bytes, line: str
) -> None:
    good = close(seal, party("rsa"))
    for sealed in (
        replace(good, body=body),
        *(replace(good, headers={**good.headers, name: line}) for name in good.headers),
    ):
        if sealed == good:
            continue
        reason(seal, sealed)
        with suppress(SealError):
            peek(seal, sealed)


def test_the_kinds_of_keys_in_the_tables_are_all_there_are() -> None:
    assert {algorithm for _, _, algorithm in PAIRS} == KINDS.keys()
