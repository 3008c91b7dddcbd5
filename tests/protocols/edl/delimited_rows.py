"""What the golden files of the delimited-1 profile hold, typed, and its bytes made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from messaging.domain.acknowledgements import FreeText, Result
from messaging.domain.messages import BmMessage
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    RateStep,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.loading import load_profile
from tests.protocols.edl import rows
from tests.protocols.edl.rows import NAME, NOW, UNIT, at

GOLDEN = rows.GOLDEN / "delimited-1"
PROFILE = load_profile("delimited-1")
CODEC = EdlCodec(PROFILE)


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.edl").read_bytes()


def crc(content: bytes) -> str:
    """CRC-16 bit by bit, as its definition has it."""
    register = 0xFFFF
    for byte in content:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1) ^ (0x1021 if register & 0x8000 else 0)
            register &= 0xFFFF
    return f"{register:04X}"


def wire(text: str) -> bytes:
    """The fields of a message, `|` after each, with its checksum and its end."""
    content = text.encode("latin-1")
    return content + crc(content).encode() + b"\r\n"


def numbered(number: int, code: str = "NOTE", data: str = "x|", reply: int = 0) -> bytes:
    return wire(f"{NAME}|{number}|{code}|{reply}|22-NOV-2026 10:00:00|{data}")


def small(code: str, data: str, reply: int = 0) -> bytes:
    return numbered(0, code, data, reply)


def _number(reference: str) -> str:
    """A log number of host-1's golden files, as this profile has it."""
    return reference[-6:]


def _as_in_host_1() -> Iterator[tuple[str, Envelope]]:
    for name, envelope in rows.ROWS.items():
        (message,) = envelope.messages
        if isinstance(message, Result):
            message = replace(message, bm_unit=UNIT)
        if isinstance(message, FreeText):
            message = replace(message, text=message.text.replace("|", "^"))
        stamp = envelope.stamp
        numbers = _number(stamp.reference), NOW, _number(stamp.in_reply_to)
        yield name, Envelope(Stamp(*numbers), (message,))


def _together(reference: str, *messages: BmMessage) -> Envelope:
    return Envelope(Stamp(reference, NOW), messages)


def _of_several() -> Iterator[tuple[str, Envelope]]:
    half = Segment(at(10, 0), 100, at(10, 30), 100)
    rest = Segment(at(10, 30), 100, at(11, 0), 0)
    yield (
        "a_mel_of_two_bm_units",
        _together(
            "000020",
            LevelRedeclaration(NAME, UNIT, LevelParameter.MEL, (half, rest)),
            LevelRedeclaration(NAME, "T_BMU-999", LevelParameter.MEL, (half,)),
        ),
    )
    values = (("TBMU-1", 0), ("TBMU-2", 15), ("TBMU-3", 999))
    yield (
        "an_ndz_of_three_bm_units",
        _together(
            "000021",
            *(ScalarRedeclaration(NAME, name, ScalarParameter.NDZ, one) for name, one in values),
        ),
    )
    steps = (RateStep(Decimal("12.5"), None), RateStep(Decimal("0.1"), -50))
    yield (
        "run_up_rates_of_two_bm_units",
        _together(
            "000022",
            RateRedeclaration(NAME, UNIT, RateParameter.RURE, steps),
            RateRedeclaration(NAME, "TBMU-2", RateParameter.RURE, steps[:1]),
        ),
    )


ROWS: dict[str, Envelope] = {**dict(_as_in_host_1()), **dict(_of_several())}
"""Golden file to what it says."""
