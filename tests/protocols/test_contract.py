"""What every registered protocol promises, held against each of its profiles and examples.

A new protocol is tested here the moment its line is in the registry.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.domain.messages import BmMessage, kind_of
from messaging.domain.submissions import Submission
from messaging.domain.units import RefusalCode
from messaging.protocols.base import (
    Codec,
    Envelope,
    LocalProtocolError,
    Parcel,
    Protocol,
    RemoteProtocolError,
    UnknownProfile,
)
from messaging.protocols.registry import (
    PROTOCOLS,
    UnknownProtocol,
    find_protocol,
    get_protocol,
)

PROFILES = [(protocol, name) for protocol in PROTOCOLS.values() for name in protocol.profiles()]

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
each_profile = pytest.mark.parametrize(
    ("protocol", "profile"),
    PROFILES,
    ids=[f"{protocol.name}-{name}" for protocol, name in PROFILES],
)


@cache
def codec_of(protocol_name: str, profile: str) -> Codec:
    return PROTOCOLS[protocol_name].codec(profile)


@cache
def written(protocol_name: str, profile: str) -> tuple[Parcel, ...]:
    """The shortest example of every kind of message, as bytes."""
    codec = codec_of(protocol_name, profile)
    shortest: dict[str, Parcel] = {}
    for envelope in PROTOCOLS[protocol_name].examples(profile):
        parcel = codec.encode(envelope)
        kind, *further = {kind for message in envelope.messages for kind in kinds_in(message)}
        if further:
            continue  # of several kinds at once, each of which is there by itself
        if kind not in shortest or len(parcel.content) < len(shortest[kind].content):
            shortest[kind] = parcel
    return tuple(shortest.values())


def kinds_in(message: BmMessage) -> set[str]:
    """Its kind; of a submission those of its records, which are the messages of a file."""
    if isinstance(message, Submission):
        return {record.type for record in message.records}
    return {kind_of(message)}


def read(codec: Codec, parcel: Parcel) -> Envelope | None:
    """None where it is refused, and told well; every other exception is a failure."""
    try:
        return codec.decode(parcel)
    except RemoteProtocolError as error:
        refusal = error
    assert refusal.code in RefusalCode
    assert refusal.code is not RefusalCode.OK
    assert 0 < len(refusal.text) < 500
    for told in (refusal.text, refusal.field, refusal.reference or ""):
        told.encode("utf-8")
        assert "\x00" not in told
    return None


# The registry


def test_a_protocol_is_found_by_its_name() -> None:
    assert {"edl", "edt", "neso-wa"} <= PROTOCOLS.keys()
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert get_protocol(name) is find_protocol(name) is protocol


def test_a_protocol_that_is_not_registered_is_not_found() -> None:
    assert find_protocol("gopher") is None
    with pytest.raises(UnknownProtocol):
        get_protocol("gopher")


@each_protocol
def test_a_protocol_says_what_it_is_and_what_may_carry_it(protocol: Protocol) -> None:
    assert protocol.title
    assert protocol.transports
    assert protocol.profiles()
    assert protocol.settings({}).profile in protocol.profiles()


@each_protocol
def test_a_profile_that_is_not_installed_is_unknown(protocol: Protocol) -> None:
    for name in ("", "host-0", "../host-1", "host-1.toml"):
        with pytest.raises(UnknownProfile):
            protocol.codec(name)


# The codec


@each_profile
def test_every_example_is_written_and_read_back(protocol: Protocol, profile: str) -> None:
    codec = codec_of(protocol.name, profile)
    examples = protocol.examples(profile)
    assert len(examples) > 10
    for envelope in examples:
        parcel = codec.encode(envelope)
        assert codec.decode(parcel) == envelope
        assert codec.encode(codec.decode(parcel)) == parcel


@each_profile
def test_every_example_has_bytes_of_its_own(protocol: Protocol, profile: str) -> None:
    codec = codec_of(protocol.name, profile)
    parcels = [codec.encode(envelope) for envelope in protocol.examples(profile)]
    assert len(set(parcels)) == len(parcels)


@each_profile
def test_what_is_divided_can_be_written_piece_by_piece(protocol: Protocol, profile: str) -> None:
    codec = codec_of(protocol.name, profile)
    for envelope in protocol.examples(profile):
        for message in envelope.messages:
            pieces = codec.divide(message)
            assert pieces
            for piece in pieces:
                codec.encode(Envelope(envelope.stamp, (piece,)))


@each_profile
def test_what_another_protocol_says_is_written_or_is_our_own_fault(
    protocol: Protocol, profile: str
) -> None:
    codec = codec_of(protocol.name, profile)
    own = protocol.examples(profile)
    for other, name in PROFILES:
        for envelope in other.examples(name):
            try:
                parcel = codec.encode(Envelope(own[0].stamp, envelope.messages))
            except LocalProtocolError:
                continue
            carried = codec.decode(parcel).messages
            assert [*map(kind_of, carried)] == [*map(kind_of, envelope.messages)]


@each_profile
def test_an_envelope_without_a_message_is_our_own_fault(protocol: Protocol, profile: str) -> None:
    stamp = protocol.examples(profile)[0].stamp
    with pytest.raises(LocalProtocolError):
        codec_of(protocol.name, profile).encode(Envelope(stamp, ()))


# Bytes that are not ours


# Nothing in a file says where it ends: that it is whole, its final name says.
WITHOUT_AN_END = {"edt"}


@each_profile
def test_every_prefix_is_refused(protocol: Protocol, profile: str) -> None:
    codec = codec_of(protocol.name, profile)
    for parcel in written(protocol.name, profile):
        whole = read(codec, parcel)
        for end in range(len(parcel.content)):
            found = read(codec, Parcel(parcel.content[:end], parcel.name))
            if protocol.name not in WITHOUT_AN_END:
                assert found is None
            elif parcel.content[end:].strip():
                assert found != whole


@each_profile
def test_every_changed_missing_or_further_byte_is_read_or_refused(
    protocol: Protocol, profile: str
) -> None:
    codec = codec_of(protocol.name, profile)
    refused = 0
    for parcel in written(protocol.name, profile):
        for content in _mangled(parcel.content):
            refused += read(codec, Parcel(content, parcel.name)) is None
    assert refused > 1000


def _mangled(content: bytes) -> Iterator[bytes]:
    for index, old in enumerate(content):
        before, after = content[:index], content[index + 1 :]
        yield before + after
        yield content[:index] + b"0" + content[index:]
        for new in {old ^ 1, old ^ 0x20, 0x00, 0xFF, ord("9"), ord(" "), ord('"')} - {old}:
            yield before + bytes([new]) + after


@each_profile
@settings(max_examples=300)
@given(data=st.data())
def test_whatever_the_bytes_they_are_read_or_refused(
    protocol: Protocol, profile: str, data: st.DataObject
) -> None:
    codec = codec_of(protocol.name, profile)
    parcel = data.draw(st.sampled_from(written(protocol.name, profile)))
    start = data.draw(st.integers(0, len(parcel.content)))
    end = data.draw(st.integers(start, len(parcel.content)))
    middle = data.draw(st.binary(max_size=30) | st.just(parcel.content))
    content = parcel.content[:start] + middle + parcel.content[end:]
    for changed in (content, middle, middle * 50):
        read(codec, Parcel(changed, parcel.name))
