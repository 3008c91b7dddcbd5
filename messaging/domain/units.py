"""The measures every BM message is made of: names, market times, and the codes of a refusal. No
message is defined here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum

BM_UNIT_NAME = re.compile(r"[A-Z0-9_-]{5,9}")
"""NGC name of a BM unit (interface conventions; nine characters at most by the CVA data
dictionary).
"""

CONTROL_POINT_NAME = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,5}")
"""Name of a control point: it fills the six-character destination of an EDL prefix."""

TRADING_AGENT_NAME = re.compile(r"[A-Z0-9-]{1,9}")


class RefusalCode(StrEnum):
    """Why something was refused, in the words of the EDL profile; NGESO's receipts use the same
    codes.
    """

    OK = "OK"
    MALFORMED = "R001"
    UNKNOWN_UNIT = "R002"
    OUT_OF_RANGE = "R003"
    TIMES_NOT_IN_ORDER = "R004"
    UNKNOWN_TYPE = "R005"
    UNKNOWN_PROFILE = "R006"
    UNKNOWN_INSTRUCTION = "R007"
    ALREADY_ANSWERED = "R008"
    NUMBER_REUSED = "R010"
    NUMBER_GAP = "R011"
    SUSPENDED = "R020"
    REFUSED_BY_SO = "R030"
    EXPIRED = "R031"
    SO_OUT = "R999"


class FileCode(StrEnum):
    """Why a file, or a line of it, was refused, in the words of the EDT profile."""

    MALFORMED = "E001"
    NOT_YOURS = "E002"
    VALUE = "E003"
    TIMES = "E004"
    RECORD_TYPE = "E005"
    SIZE = "E006"
    ACROSS_RECORDS = "E007"
    NUMBER_REUSED = "E010"
    NUMBER_GAP = "E011"
    SUSPENDED = "E020"
    REFUSED_BY_SO = "E030"
    EXPIRED = "E031"


def is_market_time(moment: datetime) -> bool:
    """Market times are whole minutes in UTC."""
    return moment.tzinfo is UTC and moment.second == 0 and moment.microsecond == 0
