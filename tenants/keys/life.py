"""The states of a certificate and the moves between them: pure tables. What a move does to rows is
in `store`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from django.db.models import TextChoices


class CertificatePurpose(TextChoices):
    """What a certificate of a tenant's is for."""

    SO_CLIENT = "SO_CLIENT", "TLS client towards the system operator"
    SIGNING = "SIGNING", "message signing"
    CONTROL_POINT = "CONTROL_POINT", "of a control point that connects to us"
    SERVER = "SERVER", "of a server of the tenant's that we connect to"


class CertificateState(TextChoices):
    """REQUESTED -> NEXT -> ACTIVE -> RETIRING -> EXPIRED is the good way through."""

    REQUESTED = "REQUESTED", "key made here, certificate awaited"
    NEXT = "NEXT", "verifies, and waits to take over"
    ACTIVE = "ACTIVE", "in use"
    RETIRING = "RETIRING", "still verifies, another has taken over"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class Move(StrEnum):
    """What can happen to a certificate."""

    ANSWER = "answer"
    """The authority's answer to a request was uploaded."""
    SWITCH = "switch"
    """It takes over; from RETIRING, it takes over again."""
    RETIRE = "retire"
    """Another takes over."""
    EXPIRE = "expire"
    REVOKE = "revoke"


OURS = frozenset({CertificatePurpose.SO_CLIENT, CertificatePurpose.SIGNING})
"""Purposes for which the host has the private key. The others are the tenant's own machines', which
belong to an endpoint and of which the host knows the certificate only.
"""

VERIFYING = frozenset({CertificateState.NEXT, CertificateState.ACTIVE, CertificateState.RETIRING})
"""Whoever shows one of these is who the certificate says. Only ACTIVE signs and connects."""

ENDED = frozenset({CertificateState.EXPIRED, CertificateState.REVOKED})
"""No move but REVOKE leads on from here, and no private key is kept."""

_S = CertificateState
_MOVES: Mapping[Move, tuple[frozenset[CertificateState], CertificateState]] = MappingProxyType(
    {
        Move.ANSWER: (frozenset({_S.REQUESTED}), _S.NEXT),
        Move.SWITCH: (frozenset({_S.NEXT, _S.RETIRING}), _S.ACTIVE),
        Move.RETIRE: (frozenset({_S.ACTIVE}), _S.RETIRING),
        Move.EXPIRE: (VERIFYING, _S.EXPIRED),
        Move.REVOKE: (frozenset(_S) - {_S.REVOKED}, _S.REVOKED),
    }
)


class MoveRefused(Exception):
    """The certificate is in a state from which this move does not lead."""

    def __init__(self, state: CertificateState, move: Move) -> None:
        super().__init__(f"A certificate that is {state.value} cannot {move.value}.")


def after(state: CertificateState, move: Move) -> CertificateState:
    """Where `move` leads. Raises MoveRefused."""
    sources, target = _MOVES[move]
    if state not in sources:
        raise MoveRefused(state, move)
    return target


def can(state: CertificateState, move: Move) -> bool:
    return state in _MOVES[move][0]
