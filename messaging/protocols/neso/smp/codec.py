"""Requests to the Single Markets Platform and its answers, as bytes before they are sealed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from messaging.domain.units import RefusalCode
from messaging.protocols.base import RemoteProtocolError
from messaging.protocols.neso.smp.profile import NameMapping, SmpProfile, Standing
from messaging.protocols.neso.strict_json import NotStrictJson, parse_object, write

LONGEST_TRANSACTION: Final = 200
MOST_ERRORS: Final = 20_000
LONGEST_TEXT: Final = 300
LEAST_TOKEN_S: Final = 1
MOST_TOKEN_S: Final = 30 * 86_400
_INDEX: Final = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class PeerError:
    """What the peer found wrong. `index` counts the assets of the request from 0; None is the unit,
    or the request as a whole. `field` is our name of it.
    """

    index: int | None
    field: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """Where a transaction stands. With FAILED nothing was created."""

    transaction: str
    standing: Standing
    errors: tuple[PeerError, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; `seconds` is how long it lasts from when it was asked for."""

    text: str
    seconds: int

    def __repr__(self) -> str:
        return f"Token({self.seconds} s)"


@dataclass(frozen=True, slots=True)
class SmpCodec:
    """Holds a profile and an environment's mapping, and no other state. What decodes raises
    RemoteProtocolError and nothing else, whatever the bytes.
    """

    profile: SmpProfile
    mapping: NameMapping

    def login(self, username: str, password: str) -> bytes:
        return write({self._name("username"): username, self._name("password"): password})

    def token(self, body: bytes) -> Token:
        members = _object(body)
        token, seconds = members.get(self._name("token")), members.get(self._name("expires_in"))
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise RemoteProtocolError("no token", field=self._name("token"))
        if isinstance(seconds, bool) or not isinstance(seconds, int):
            raise RemoteProtocolError("no whole seconds", field=self._name("expires_in"))
        if not token or " " in token or not LEAST_TOKEN_S <= seconds <= MOST_TOKEN_S:
            raise RemoteProtocolError("a token that cannot be used", field=self._name("token"))
        return Token(token, seconds)

    def create_assets(
        self, message_id: UUID, at: datetime, assets: Sequence[Mapping[str, object]]
    ) -> bytes:
        return self._written(message_id, at, {self._name("assets"): self._assets(assets)})

    def create_unit(
        self,
        message_id: UUID,
        at: datetime,
        unit: Mapping[str, object],
        assets: Sequence[Mapping[str, object]],
    ) -> bytes:
        members = {
            self._name("unit"): self.mapping.unit_written(unit),
            self._name("assets"): self._assets(assets),
        }
        return self._written(message_id, at, members)

    def ask_status(self, message_id: UUID, at: datetime, transaction: str) -> bytes:
        return self._written(message_id, at, {self._name("transaction"): transaction})

    def asset_bytes(self, asset: Mapping[str, object]) -> int:
        """How much of a request an asset takes up."""
        return len(write(self.mapping.asset_written(asset))) + 1

    def transaction(self, payload: bytes, asked: UUID) -> str:
        """The transaction that a Create was given."""
        return self._transaction(self._answer(payload, asked))

    def status(self, payload: bytes, asked: UUID, transaction: str) -> Result:
        """What an answer to Get Transaction Status says."""
        result = self._result(self._answer(payload, asked))
        if result.transaction != transaction:
            raise RemoteProtocolError("another transaction", field=self._name("transaction"))
        return result

    def returned(self, payload: bytes) -> tuple[Result, str]:
        """What a batch return says, and the messageId it answers where it names one."""
        members = _object(payload)
        answers = members.get(self._name("in_reply_to"))
        return self._result(members), answers if isinstance(answers, str) else ""

    def refusal(self, payload: bytes, asked: UUID) -> tuple[PeerError, ...]:
        """The errors of a receipt that refuses a request at once."""
        members = self._answer(payload, asked)
        found = []
        for one in _list(members.get(self._name("errors"))):
            path = str(one.get(self._name("path"), "")) if isinstance(one, Mapping) else ""
            found.append(self._at_path(path, one))
        return tuple(found)

    def _answer(self, payload: bytes, asked: UUID) -> dict[str, object]:
        members = _object(payload)
        if members.get(self._name("in_reply_to")) != str(asked):
            raise RemoteProtocolError("not the answer to this", field=self._name("in_reply_to"))
        return members

    def _transaction(self, members: Mapping[str, object]) -> str:
        text = members.get(self._name("transaction"))
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TRANSACTION:
            raise RemoteProtocolError("no transaction", field=self._name("transaction"))
        if not text.isprintable():
            raise RemoteProtocolError("no transaction", field=self._name("transaction"))
        return text

    def _result(self, members: Mapping[str, object]) -> Result:
        transaction = self._transaction(members)
        status = members.get(self._name("status"))
        standing = self.profile.statuses.get(status) if isinstance(status, str) else None
        if standing is None:
            text = f"unknown status {str(status)[:40]!a}"
            raise RemoteProtocolError(text, field=self._name("status"))
        errors = _list(members.get(self._name("errors")))
        return Result(transaction, standing, tuple(self._error(one) for one in errors))

    def _error(self, one: object) -> PeerError:
        if not isinstance(one, Mapping):
            raise RemoteProtocolError("not an object", field=self._name("errors"))
        index, field = one.get(self._name("index")), _text(one.get(self._name("field")))
        if index is not None and (isinstance(index, bool) or not isinstance(index, int)):
            raise RemoteProtocolError("not a whole number", field=self._name("index"))
        if isinstance(index, int) and not 0 <= index < 1_000_000:
            raise RemoteProtocolError("out of range", field=self._name("index"))
        ours = self.mapping.our_unit_field if index is None else self.mapping.our_asset_field
        return PeerError(index, ours(field) if field else "", *self._words(one))

    def _at_path(self, path: str, one: object) -> PeerError:
        """An error of a receipt, whose path leads through the request."""
        if not isinstance(one, Mapping):
            raise RemoteProtocolError("not an object", field=self._name("errors"))
        first, _, rest = path.strip("/").partition("/")
        number, _, field = rest.partition("/")
        if first == self._name("assets") and _INDEX.fullmatch(number):
            ours = self.mapping.our_asset_field(field) if field else ""
            return PeerError(int(number), _text(ours), *self._words(one))
        if first == self._name("unit"):
            return PeerError(None, _text(self.mapping.our_unit_field(rest)), *self._words(one))
        return PeerError(None, _text(path), *self._words(one))

    def _words(self, one: Mapping[str, object]) -> tuple[str, str]:
        code = _text(one.get(self._name("code"))) or RefusalCode.REFUSED_BY_SO.value
        return code[:40], _text(one.get(self._name("text")))

    def _assets(self, assets: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
        return [self.mapping.asset_written(one) for one in assets]

    def _written(self, message_id: UUID, at: datetime, members: Mapping[str, object]) -> bytes:
        envelope = {
            self._name("message_id"): str(message_id),
            self._name("sent_at"): at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            self._name("profile"): self.profile.name,
        }
        return write({**envelope, **members})

    def _name(self, member: str) -> str:
        return self.profile.members[member]


def _object(payload: bytes) -> dict[str, object]:
    try:
        return parse_object(payload)
    except NotStrictJson as error:
        raise RemoteProtocolError(str(error)) from None


def _list(value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MOST_ERRORS:
        raise RemoteProtocolError("not a list of errors, or too long")
    return value


def _text(value: object) -> str:
    """Bounded, and without what cannot be stored."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    text = text[:LONGEST_TEXT]
    return text if text.isprintable() else ascii(text)[1:-1][:LONGEST_TEXT]
