"""The decoders, each with its seeds, what makes an input of it, and what may come out: its own
error, with words that can be told to a peer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from messaging.domain.rules import Circumstances
from messaging.files.jail import spot_of
from messaging.protocols.base import Envelope, Parcel, RemoteProtocolError, Stamp
from messaging.protocols.edl import events as ev
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.loading import load_profile as load_edl
from messaging.protocols.edl.profile import Role
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import State
from messaging.protocols.edt.codec import EdtCodec
from messaging.protocols.edt.loading import load_profile as load_edt
from messaging.protocols.edt.names import FileName, parse_name, submission_name
from messaging.protocols.edt.reading import apply_rules, read_file
from messaging.protocols.edt.replies import Reply, ReplyKind, faults_of, read_reply, write_reply
from messaging.protocols.neso.seals import (
    Sealed,
    SealError,
    TrustedKey,
    get_seal,
    thumbprint_of,
)
from messaging.protocols.neso.strict_json import MOST_DEPTH, NotStrictJson, parse
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.loading import load_profile as load_wa
from tests.fuzz import sealed
from tests.fuzz.mutators import ANYWHERE, IN_JSON, Mutator, mutated

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
GOLDEN = Path(__file__).resolve().parent.parent / "protocols" / "golden"
EDL_SEEDS = tuple(path.read_bytes() for path in sorted((GOLDEN / "edl").glob("*.edl")))
DELIMITED_SEEDS = tuple(
    path.read_bytes() for path in sorted((GOLDEN / "edl" / "delimited-1").glob("*.edl"))
)
EDT_SEEDS = tuple(path.read_bytes() for path in sorted((GOLDEN / "edt").glob("*.sub")))
NAME_SEEDS = (
    *(b"AGENT_000042.sub", b"A-1_999999.sub", b"AGENT_000001.tmp", b"a holiday.txt"),
    *(b"/archive/bad/AGENT_000042.sub.20261122T100000Z", b"../incoming/./AGENT_000042.ack"),
    "/outgoing/\u00fcbung.sub".encode(),
)
REPLY_SEEDS = tuple(path.read_bytes() for path in sorted((GOLDEN / "edt" / "replies").iterdir()))
WA_SEEDS = tuple(path.read_bytes().strip() for path in sorted((GOLDEN / "neso").glob("*.json")))
ENVELOPED_SEEDS = tuple(
    path.read_bytes().strip() for path in sorted((GOLDEN / "neso" / "enveloped-1").glob("*.json"))
)
MOST_TEXT = 300
"""Characters of an error's text: what a peer sent must not come back to it at length."""

_EDL = EdlCodec(load_edl("host-1"))
_DELIMITED = EdlCodec(load_edl("delimited-1"))
_EDT = EdtCodec(load_edt("host-1"))
_WA = WaCodec(load_wa("host-1"))
_ENVELOPED = WaCodec(load_wa("enveloped-1"))
_SEAL = get_seal("jws-json")


@dataclass(frozen=True, slots=True)
class Target:
    """`make` gives an input's bytes, `take` decodes them; whatever `take` raises is a finding."""

    name: str
    make: Callable[[Random], bytes]
    take: Callable[[Random, bytes], None]


def _of(seeds: Sequence[bytes], mutators: Sequence[Mutator]) -> Callable[[Random], bytes]:
    return lambda rng: mutated(rng, seeds, mutators)


def _tellable(text: str, field: str = "", reference: str | None = "") -> None:
    assert 0 < len(text) <= MOST_TEXT
    (text + field + (reference or "")).encode("utf-8")


# EDL, in either style.


@dataclass(frozen=True, slots=True)
class _Edl:
    """A profile under test. `numbered` gives a message another number; `held` is a mutated message
    with a header that holds, so that the data are reached.
    """

    codec: EdlCodec
    seeds: tuple[bytes, ...]
    numbered: Callable[[bytes, int], bytes]
    held: Callable[[Random, bytes], bytes]

    @property
    def hello(self) -> bytes:
        return next(seed for seed in self.seeds if b"HELLO" in seed or b"LOGON" in seed)

    def make(self, rng: Random) -> bytes:
        """Half of them with a header that holds."""
        data = mutated(rng, self.seeds, ANYWHERE)
        return self.held(rng, data) if rng.random() < 0.5 else data

    def take(self, rng: Random, data: bytes) -> None:
        try:
            self.codec.decode(Parcel(data))
        except RemoteProtocolError as error:
            _tellable(error.text, error.field, error.reference)
            self._writable(error.text)

    def _writable(self, text: str) -> None:
        """It stands in a NACK as it is."""
        assert self.codec.profile.framing.clean(text) == text

    def make_stream(self, rng: Random) -> bytes:
        """A conversation: mostly a good HELLO first, and numbers that follow one another."""
        parts = [self.hello if rng.random() < 0.9 else self.make(rng)]
        for number in range(1, rng.randint(2, 6)):
            part = self.make(rng) if rng.random() < 0.6 else rng.choice(self.seeds)
            parts.append(self.numbered(part, number) if rng.random() < 0.7 else part)
        return b"".join(parts)

    def take_stream(self, rng: Random, data: bytes) -> None:
        """Either end of the link, the bytes in pieces."""
        role, profile = rng.choice(tuple(Role)), self.codec.profile
        session = Session(role, profile, NOW, "CPALFA" if role is Role.CONTROL_POINT else "")
        if role is Role.CONTROL_POINT:
            session.hello(profile.name, 0, NOW)
            data = data.replace(self.hello, _answered(self.hello), 1)
        while data:
            size = rng.choice((1, 7, 50, 300, 100_000)) if len(data) < 2_000 else len(data)
            piece, data = data[:size], data[size:]
            session.receive_data(piece, NOW)
            while found := list(session.events()):
                for event in found:
                    self._react(session, event)
        session.tick(NOW + timedelta(seconds=31))
        list(session.events())

    def _react(self, session: Session, event: ev.Event) -> None:
        match event:
            case ev.Hello():
                session.ready(0, NOW)
            case ev.Received() | ev.Repeated() if session.state is State.READY:
                try:
                    self.codec.decode(Parcel(event.content))
                    session.ack(event.number, NOW)
                except RemoteProtocolError as error:
                    session.nack(event.number, error.code, error.text, NOW)
            case ev.Gap() if session.state is State.READY:
                session.withdraw(event.expected, event.number)
            case ev.Broken():
                assert event.answer.endswith(self.codec.profile.framing.message_end.encode())
                assert session.state is State.CLOSED
            case _:
                pass


def _fixed_numbered(part: bytes, number: int) -> bytes:
    prefix, mark, rest = part.partition(b"^")
    return prefix + mark + rest[:6] + b"%08d" % number + rest[14:]


def _fixed_held(rng: Random, data: bytes) -> bytes:
    prefix, header, *_ = rng.choice(EDL_SEEDS).split(b"^")
    return b"^".join((prefix, header, data.split(b"^", 2)[-1]))


def _delimited_numbered(part: bytes, number: int) -> bytes:
    name, *rest = part.split(b"|")
    return _checked(b"|".join([name, b"%d" % number, *rest[1:]]))


def _delimited_held(rng: Random, data: bytes) -> bytes:
    """Its own header at times, but always a checksum that holds."""
    if rng.random() < 0.7:
        head = rng.choice(DELIMITED_SEEDS).split(b"|")[:5]
        data = b"|".join([*head, data.split(b"|", 5)[-1]])
    return _checked(data)


def _checked(part: bytes) -> bytes:
    """With the checksum of whatever stands before its last mark."""
    body = part[: part.rfind(b"|") + 1]
    return body + b"%04X\r\n" % binascii.crc_hqx(body, 0xFFFF)


def _answered(hello: bytes) -> bytes:
    """What a host would say to this HELLO."""
    if b"HELLO " in hello:
        return hello.replace(b"HELLO ", b"READY ")
    return _checked(hello.replace(b"LOGON", b"WELCOME"))


FIXED = _Edl(_EDL, EDL_SEEDS, _fixed_numbered, _fixed_held)
DELIMITED = _Edl(_DELIMITED, DELIMITED_SEEDS, _delimited_numbered, _delimited_held)


# EDT files.


_FILE = FileName("AGENT", 42)
_WIDER_THAN_WRITTEN = frozenset({"price-range", "rate-range"})
"""What breaks them can be read without its last decimal places, and not be written with them."""


def _take_edt(rng: Random, data: bytes) -> None:
    """In pieces of some size: every fault can be told in a reply, and what has none is written."""
    size = rng.choice((1, 7, 100, 100_000))
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    reading = read_file(_EDT.profile, _FILE, pieces)
    found = apply_rules(reading, Circumstances(NOW, {"TBMU-1": None}))
    submission = reading.submission
    if found.refused:
        told = faults_of(_EDT.profile, submission.records, found.in_order())
        reply = Reply(ReplyKind.REJECTED, _FILE, reading.records_read, 0, told)
        written = write_reply(_EDT.profile, reply)
        assert all(len(line) < MOST_TEXT for line in written.content.split(b"\n"))
        assert read_reply(_EDT.profile, written).read == reading.records_read
    try:
        envelope = _EDT.decode(Parcel(data, "AGENT_000042.sub"))
    except RemoteProtocolError as error:
        assert not reading.whole
        _tellable(error.text, error.field, error.reference)
        return
    assert envelope.messages == (submission,)
    if not _WIDER_THAN_WRITTEN & {one.rule for one in found.refusals.listed}:
        stamp = Stamp(envelope.stamp.reference, envelope.stamp.sent_at)
        assert _EDT.decode(_EDT.encode(Envelope(stamp, (submission,)))) == envelope


def _take_name(rng: Random, data: bytes) -> None:
    """As the name of a file that was found, and as a path that a client of a file server gives."""
    name = data.decode("utf-8", "surrogateescape")
    try:
        assert submission_name(_EDT.profile, parse_name(_EDT.profile, name)) == name
    except RemoteProtocolError as error:
        _tellable(error.text, error.field, error.reference)
    try:
        spot = spot_of(f"/outgoing/{name}" if rng.random() < 0.5 else name)
    except OSError as error:
        _tellable(str(error.strerror))
        return
    assert spot_of(spot.path) == spot
    assert "/" not in spot.name
    assert spot.name not in (".", "..")
    assert "\0" not in spot.path


def _take_reply(rng: Random, data: bytes) -> None:
    ending = rng.choice((".ack", ".acc", ".rej", ".20261122T100000Z.rej"))
    parcel = Parcel(data, f"ALITA_000001{ending}")
    try:
        reply = read_reply(_EDT.profile, parcel)
    except RemoteProtocolError as error:
        _tellable(error.text, error.field, error.reference)
        return
    written = write_reply(_EDT.profile, reply, parcel.name)
    assert read_reply(_EDT.profile, written).name == reply.name


# JSON and the Wider Access payloads.


def _take_json(rng: Random, data: bytes) -> None:
    try:
        parse(data)
    except NotStrictJson as error:
        _tellable(str(error))
        return
    # What the strict reader takes, the lenient one takes too, and nowhere deeper than is allowed.
    assert _depth(json.loads(data, parse_float=str, parse_int=str)) <= MOST_DEPTH


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(one) for one in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(one) for one in value), default=0)
    return 0


def _taking(codec: WaCodec) -> Callable[[Random, bytes], None]:
    services = ("", *codec.profile.services)

    def take(rng: Random, data: bytes) -> None:
        try:
            envelope = codec.decode(Parcel(data, rng.choice(services)))
        except RemoteProtocolError as error:
            _tellable(error.text, error.field, error.reference)
            return
        # What was read can be written, and is read as the same.
        written = codec.encode(envelope)
        assert codec.decode(replace(written, name="")) == envelope

    return take


# Seals.


@dataclass(frozen=True, slots=True)
class _Signer:
    key: Ed25519PrivateKey
    thumbprint: str
    trusted: TrustedKey


@cache
def _signer() -> _Signer:
    """The same in every process and run, as Ed25519 signs without chance: a seed tells it all."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"the fuzzer's signer").digest())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "NGESO")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(NOW - timedelta(days=1))
    builder = builder.not_valid_after(NOW + timedelta(days=1)).public_key(key.public_key())
    certificate = builder.sign(key, None)
    thumbprint = thumbprint_of(certificate)
    return _Signer(key, thumbprint, TrustedKey(thumbprint, certificate, "NGESO"))


def _header(payload: bytes) -> bytes:
    thumbprint = _signer().thumbprint
    header: dict[str, Any] = {"alg": "EdDSA", "kid": thumbprint, "x5t#S256": thumbprint}
    header |= {"typ": "wa+json", "iat": int(NOW.timestamp()), "iss": "NGESO", "aud": "ALICE"}
    return json.dumps({**header, "jti": json.loads(payload)["messageId"]}).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _sealed(header: bytes, payload: bytes) -> bytes:
    """A body whose signature holds, whatever it signs."""
    protected, content = _encoded(header), _encoded(payload)
    signature = _encoded(_signer().key.sign(f"{protected}.{content}".encode()))
    body = {"payload": content, "protected": protected, "signature": signature}
    return json.dumps(body).encode()


@cache
def _bodies() -> tuple[bytes, ...]:
    return tuple(_sealed(_header(payload), payload) for payload in WA_SEEDS)


@cache
def _headers() -> tuple[bytes, ...]:
    return tuple(_header(payload) for payload in WA_SEEDS)


def _make_sealed(rng: Random) -> bytes:
    """The body changed, or well signed what is wrong within: the header, or the payload."""
    layer = rng.randrange(4)
    if layer < 2:
        return mutated(rng, _bodies(), IN_JSON)
    payload = rng.choice(WA_SEEDS)
    if layer == 2:
        return _sealed(mutated(rng, _headers(), IN_JSON), payload)
    return _sealed(_header(payload), mutated(rng, (payload, *WA_SEEDS), IN_JSON))


def _take_peek(rng: Random, data: bytes) -> None:
    try:
        heading = _SEAL.peek(Sealed(data, _SEAL.content_type))
    except SealError as error:
        _tellable(error.reason)
        return
    _tellable(heading.audience, heading.issuer, heading.jti)


def _take_open(rng: Random, data: bytes) -> None:
    """What opens is what was signed: the check is made without the code under test."""
    try:
        opened = _SEAL.open(
            Sealed(data, _SEAL.content_type),
            trusted=(_signer().trusted,),
            audience="ALICE",
            issuer="NGESO",
            algorithms=frozenset({"RS256", "PS256", "ES256", "EdDSA"}),
            now=NOW,
        )
    except SealError as error:
        _tellable(error.reason)
        return
    body = json.loads(data)
    signed = f"{body['protected']}.{body['payload']}".encode()
    signature = base64.urlsafe_b64decode(body["signature"] + "==")
    _signer().key.public_key().verify(signature, signed)
    assert _encoded(opened.payload) == body["payload"]


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("edl-codec", FIXED.make, FIXED.take),
        Target("edl-session", FIXED.make_stream, FIXED.take_stream),
        Target("edl-delimited-codec", DELIMITED.make, DELIMITED.take),
        Target("edl-delimited-session", DELIMITED.make_stream, DELIMITED.take_stream),
        Target("edt-file", _of(EDT_SEEDS, ANYWHERE), _take_edt),
        Target("edt-name", _of(NAME_SEEDS, ANYWHERE), _take_name),
        Target("edt-reply", _of(REPLY_SEEDS, ANYWHERE), _take_reply),
        Target("strict-json", _of(WA_SEEDS, IN_JSON), _take_json),
        Target("wa-codec", _of(WA_SEEDS, IN_JSON), _taking(_WA)),
        Target("wa-enveloped-codec", _of(ENVELOPED_SEEDS, IN_JSON), _taking(_ENVELOPED)),
        Target("seal-peek", _make_sealed, _take_peek),
        Target("seal-open", _make_sealed, _take_open),
        *(Target(name, sealed.make(name, WA_SEEDS), sealed.take(name)) for name in sealed.NAMES),
    )
}
