"""The checksums that a profile can name, each with how its value is written."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Final


@dataclass(frozen=True, slots=True)
class Checksum:
    """`of` gives a number, written as `digits` hexadecimal digits in capitals."""

    title: str
    digits: int
    of: Callable[[bytes], int]

    def text(self, content: bytes) -> str:
        return f"{self.of(content):0{self.digits}X}"


CHECKSUMS: Final = {
    "sum-8": Checksum("sum of all bytes modulo 256", 2, lambda content: sum(content) % 256),
    "xor-8": Checksum("exclusive or of all bytes", 2, lambda content: reduce(xor, content, 0)),
    "crc-16": Checksum(
        "CRC-16 with the polynomial 0x1021, starting at 0xFFFF (CCITT-FALSE)",
        4,
        lambda content: binascii.crc_hqx(content, 0xFFFF),
    ),
    "crc-32": Checksum("CRC-32 as in ISO 3309", 8, binascii.crc32),
}
