"""The states of a link and what leads from one to the other, as data. `session` walks this table
and adds no rule to it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from messaging.protocols.edl.profile import Role


class State(Enum):
    """CONNECTED: no greeting yet. GREETED: HELLO said, READY not. CLOSED: nothing is read or
    written any more.
    """

    CONNECTED = "connected"
    GREETED = "greeted"
    READY = "ready"
    CLOSED = "closed"


class Speech(Enum):
    """What a message is to the session; a type that the profile doesn't know counts as NUMBERED."""

    HELLO = "hello"
    READY = "ready"
    HEARTBEAT = "heartbeat"
    ACK = "ack"
    NACK = "nack"
    NUMBERED = "numbered"


Moves = dict[Role, dict[State, dict[Speech, State]]]

_TALK: Final = {
    Speech.HEARTBEAT: State.READY,
    Speech.ACK: State.READY,
    Speech.NACK: State.READY,
    Speech.NUMBERED: State.READY,
}

RECEIVING: Final[Moves] = {
    Role.HOST: {
        State.CONNECTED: {Speech.HELLO: State.GREETED},
        State.GREETED: {},
        State.READY: _TALK,
        State.CLOSED: {},
    },
    Role.CONTROL_POINT: {
        State.CONNECTED: {},
        State.GREETED: {Speech.READY: State.READY, Speech.NACK: State.CLOSED},
        State.READY: _TALK,
        State.CLOSED: {},
    },
}
"""Two rules stand above it: what is not in the table breaks the link, and a host in GREETED reads
nothing.
"""

SENDING: Final[Moves] = {
    Role.HOST: {
        State.CONNECTED: {},
        State.GREETED: {Speech.READY: State.READY, Speech.NACK: State.CLOSED},
        State.READY: _TALK,
        State.CLOSED: {},
    },
    Role.CONTROL_POINT: {
        State.CONNECTED: {Speech.HELLO: State.GREETED},
        State.GREETED: {},
        State.READY: _TALK,
        State.CLOSED: {},
    },
}
"""What is not in it is a LocalProtocolError."""
