"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header): what a caller asks for twice under
one key is done once, and answered the second time as the first.

The key's row and the effect are committed by one transaction, so that neither is there without the
other whenever a process dies. What speaks to others over the network meanwhile, or stores much, has
no such transaction: its key is taken first, by the process that runs it (see tenants.running). A
request that is refused by raising leaves no effect and no row: its key may come again. Answers are
kept sealed by the vault, for some of them show a secret that is shown only once; whoever repeats
the request with the same credentials gets that answer too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from tempfile import TemporaryFile
from typing import IO, Any, Final
from uuid import UUID

from django.db import connection
from django.http import Http404
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import crash, ownership, vault
from tenants.api.authentication import Caller
from tenants.api.bounded import TooLarge
from tenants.api.problems import Conflict
from tenants.clock import now
from tenants.ids import digest_of, new_id
from tenants.models import IdempotentAnswer
from tenants.running import Overtaken, Running, begin, is_under_way, take_over
from tenants.scope import in_tenant, require_tenant

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
"""Stands, as `true`, on an answer that is a repeat of the first."""

_running: ContextVar[Running | None] = ContextVar("running", default=None)

KEPT_FOR: Final = timedelta(hours=24)
LONGEST_KEY: Final = 255

_HEADERS: Final = ("Location", "Cache-Control", "Retry-After")
_PIECE: Final = 64 * 1024
_PURPOSE: Final = "idempotent answer"
_BARE: Final = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,255}")
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')
PATTERN: Final = f"^({_BARE.pattern}|{_QUOTED.pattern})$"
"""What the header may be."""
_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
_DUE: Final = """
INSERT INTO tenants_idempotencydue (tenant_id, due_at) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""


class BadKey(APIException):
    status_code = 400
    default_code = "idempotency-key-invalid"
    default_detail = (
        f"{HEADER} is one key of 1 to {LONGEST_KEY} printable characters, in double quotes or of"
        " letters, digits and ._~:/+=@- alone."
    )


class KeyMissing(APIException):
    status_code = 400
    default_code = "idempotency-key-missing"
    default_detail = f"This takes a header {HEADER}: a name of your own for this one request."


class KeyReused(APIException):
    status_code = 422
    default_code = "idempotency-key-reused"
    default_detail = "Another request was made under this key within the last 24 hours."


class StillRunning(Conflict):
    """With Retry-After."""

    wait = 1

    def __init__(self) -> None:
        super().__init__("idempotency-key-in-use", "The first request under this key still runs.")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, under which key, for what."""

    caller_id: UUID
    key: str
    fingerprint: bytes


def asked_by(
    request: Request, caller: Caller, *, required: bool, streamed: int | None = None
) -> Asked | None:
    """None where no key is shown. A body that is read in pieces has at most `streamed` bytes.
    Raises BadKey, KeyMissing and TooLarge.
    """
    key = find_key(request)
    if key is None:
        if required:
            raise KeyMissing
        return None
    named = "\n".join(
        (str(request.method), request.get_full_path(), request.content_type or "")
    ).encode()
    content = request._request.body if streamed is None else _read_over(request, streamed)
    return Asked(caller.shown.member_id or caller.shown.id, key, digest_of(named + b"\n" + content))


def find_key(request: Request) -> str | None:
    """The key that was shown. Raises BadKey."""
    shown = request.headers.get(HEADER)
    return None if shown is None else _key(shown)


def once(asked: Asked, run: Callable[[], Response]) -> Response:
    """Within the scope that `run` writes in. Raises KeyReused and StillRunning."""
    if not _lock(asked):
        raise StillRunning
    if (first := _find(asked)) is not None:
        return _again(first, asked)
    response = run()
    row = _row(asked)
    _put(row, response)
    row.save(force_insert=True)
    _note_due()
    return response


def once_outside(tenant_id: UUID, asked: Asked, run: Callable[[], Response]) -> Response:
    """The same for what has no transaction around it: should the process die meanwhile, the next
    that asks runs it again, and `running` says under which key, so that it finds what was made.
    Raises KeyReused and StillRunning.
    """
    owner, this_run = ownership.owner(), new_id()
    taken = in_tenant(tenant_id, lambda: _take(asked, owner, this_run), crash.API_KEY_TAKEN)
    if isinstance(taken, Response):
        return taken
    try:
        response = _run(tenant_id, taken, run)
        in_tenant(tenant_id, lambda: _keep(taken, response), crash.API_ANSWER_KEPT)
    except Overtaken:
        raise StillRunning from None
    return response


def running() -> Running | None:
    """The key under which a request runs that has no transaction around it."""
    return _running.get()


def _take(asked: Asked, owner: int, run: UUID) -> Running | Response:
    """The key, or the answer that was given under it. Safe to run twice."""
    if not _lock(asked):
        raise StillRunning
    first = _find(asked)
    if first is None:
        taken = begin(_row(asked), owner, run)
        _note_due()
        return taken
    if first.run == run:
        return Running(first.id, run, is_first=False)
    is_same = bytes(first.fingerprint) == asked.fingerprint
    if first.status is None and is_same and not is_under_way(first):
        if (over := take_over(first, owner, run)) is None:
            raise StillRunning
        return over
    return _again(first, asked)


def _run(tenant_id: UUID, taken: Running, run: Callable[[], Response]) -> Response:
    token = _running.set(taken)
    try:
        return run()
    except (APIException, Http404):
        in_tenant(tenant_id, taken.forget)
        raise
    except Exception:
        # What it has made by then it may have made for good.
        in_tenant(tenant_id, taken.let_go)
        raise
    finally:
        _running.reset(token)


def _keep(taken: Running, response: Response) -> None:
    """Raises Overtaken."""
    row = taken.rows().select_for_update().first()
    if row is None:
        raise Overtaken
    _put(row, response)
    row.save(update_fields=["status", "headers", "sealed_body"])


def _key(shown: str) -> str:
    """A string of RFC 8941; many send it without the quotes, which is as good."""
    if match := _QUOTED.fullmatch(shown.strip()):
        return re.sub(r'\\(["\\])', r"\1", match[1])
    if _BARE.fullmatch(shown.strip()):
        return shown.strip()
    raise BadKey


def _read_over(request: Request, limit: int) -> bytes:
    """The digest of a body, which is there to be read again afterwards: from where the server
    spooled it, or a copy on disk. Raises TooLarge.
    """
    http: Any = request._request
    if not http._stream.seekable():
        http._stream = _copied(http._stream, limit)
    digest, size = hashlib.sha256(), 0
    while piece := http._stream.read(_PIECE):
        digest.update(piece)
        size += len(piece)
        if size > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
    http._stream.seek(0)
    return digest.digest()


def _copied(stream: IO[bytes], limit: int) -> IO[bytes]:
    """As far as it is not too long already."""
    copy = TemporaryFile()  # noqa: SIM115 - closed with the request, which it goes away with
    while copy.tell() <= limit and (piece := stream.read(_PIECE)):
        copy.write(piece)
    copy.seek(0)
    return copy


def _lock(asked: Asked) -> bool:
    """Until the transaction ends; False while another has it."""
    name = f"idempotency {require_tenant()} {asked.caller_id} {asked.key}"
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [name])
        return bool(cursor.fetchone()[0])


def _find(asked: Asked) -> IdempotentAnswer | None:
    """The first answer, or that it is under way; what is too old is forgotten."""
    found = IdempotentAnswer.objects.filter(caller_id=asked.caller_id, key=asked.key).first()
    if found is None or now() - found.created_at < KEPT_FOR:
        return found
    found.delete()
    return None


def _again(first: IdempotentAnswer, asked: Asked) -> Response:
    if bytes(first.fingerprint) != asked.fingerprint:
        raise KeyReused
    if first.status is None or first.sealed_body is None:
        raise StillRunning
    kept = json.loads(vault.unseal(bytes(first.sealed_body), _PURPOSE, first.id))
    headers: Mapping[str, str] = {**first.headers, REPLAYED: "true"}
    return Response(kept["body"], first.status, headers=headers, content_type=kept["type"])


def _row(asked: Asked) -> IdempotentAnswer:
    return IdempotentAnswer(
        id=new_id(),
        tenant_id=require_tenant(),
        caller_id=asked.caller_id,
        key=asked.key,
        fingerprint=asked.fingerprint,
        created_at=now(),
    )


def _put(row: IdempotentAnswer, response: Response) -> None:
    kept: dict[str, Any] = {"body": response.data, "type": response.content_type}
    row.status = response.status_code
    row.headers = {name: response[name] for name in _HEADERS if name in response}
    row.sealed_body = vault.seal(JSONRenderer().render(kept), _PURPOSE, row.id)


def _note_due() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [require_tenant(), now() + KEPT_FOR])
