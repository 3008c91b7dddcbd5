"""What the simulator refuses because sender, certificate, signature, size or type does not hold."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.simulator.cast import Pair, client_context, make_cast, make_key
from tests.simulator.peer import JOSE, b64, mel, unb64
from tests.simulator.rig import Answer, rig

PATH = "NESO_Redeclaration"


def is_problem(answer: Answer, status: int) -> bool:
    body = answer.json()
    return (
        answer.status == status
        and answer.content_type == "application/problem+json"
        and body["status"] == status
        and bool(body["detail"])
    )


SEALS: dict[str, dict[str, Any]] = {
    "an unknown thumbprint": {"pair": make_cast().mallory_tls},
    "another tenant's certificate": {"pair": make_cast().bob_signing},
    "an expired certificate": {"pair": make_cast().alice_expired},
    "a certificate not yet valid": {"pair": make_cast().alice_future},
    "another tenant as issuer": {"issuer": "BOB"},
    "another receiver": {"audience": "ALICE"},
    "a list of receivers": {"header": {"aud": ["NGESO"]}},
    "iat 301 s ago": {"header": {"iat": -301}},
    "iat 305 s ahead": {"header": {"iat": 305}},
    "iat as text": {"header": {"iat": "now"}},
    "iat with a fraction": {"header": {"iat": 0.5}},
    "no iat": {"header": {"iat": ...}},
    "a jti that is not the messageId": {"header": {"jti": str(uuid.uuid4())}},
    "no jti": {"header": {"jti": ...}},
    "an unknown crit": {"header": {"crit": ["exp"]}},
    "b64 as crit": {"header": {"crit": ["b64"], "b64": False}},
    "no kid": {"header": {"kid": ...}},
    "a kid that is not the thumbprint": {"header": {"kid": "k1"}},
    "no thumbprint": {"header": {"x5t#S256": ...}},
    "another typ": {"header": {"typ": "JWT"}},
    "alg none": {"header": {"alg": "none"}},
    "an HMAC": {"header": {"alg": "HS256"}},
    "an alg that is not the key's": {"header": {"alg": "RS256"}},
    "another key's signature": {"signing_key": make_key()},
    "an unprotected header": {"outer": {"header": {"kid": "k1"}}},
    "signatures": {"outer": {"signatures": []}},
    "a signature that is no text": {"outer": {"signature": 1}},
    "an empty signature": {"outer": {"signature": ""}},
    "padding in the payload": {"outer": {"payload": b64(b"{}a") + "="}},
}


@pytest.mark.parametrize("change", SEALS.values(), ids=SEALS.keys())
def test_a_seal_that_does_not_hold_is_answered_401_unsealed(
    change: dict[str, Any], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            options = {"pair": on.cast.alice_signing, "issuer": "ALICE", **_with_iat(change)}
            seal = type(on.seal())(**options)
            answer = await on.send(PATH, seal.close(mel()))
            assert is_problem(answer, 401)
            good = await on.say(PATH, mel())
            assert good["status"] == "ACCEPTED"

    asyncio.run(scenario())


def _with_iat(change: dict[str, Any]) -> dict[str, Any]:
    """The table is read long before the test runs: whole seconds in it are relative."""
    iat = change.get("header", {}).get("iat")
    if type(iat) is not int:
        return change
    return {**change, "header": {"iat": int(time.time()) + iat}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"payload":"e30","protected":"e30"}',
    ],
    ids=["nothing", "half", "list", "text", "not UTF-8", "deep", "no signature"],
)
def test_a_body_that_is_no_jws_is_answered_401(body: bytes, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            assert is_problem(await on.send(PATH, body), 401)

    asyncio.run(scenario())


def test_a_changed_payload_a_doubled_member_and_a_doubled_header_are_answered_401(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            good = on.seal().close(mel())
            outer = json.loads(good)
            changed = {**outer, "payload": b64(unb64(outer["payload"]).replace(b"100", b"101"))}
            doubled = good.replace(b"{", b'{"payload":"e30",', 1)
            header = unb64(outer["protected"]).replace(b"{", b'{"alg":"none",', 1)
            twice = on.seal().close_raw(header, unb64(outer["payload"]))
            for body in (json.dumps(changed).encode(), doubled, twice):
                assert is_problem(await on.send(PATH, body), 401)

    asyncio.run(scenario())


def test_a_client_certificate_that_is_not_pinned_is_answered_401(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            body = on.seal().close(mel())
            assert is_problem(await on.send(PATH, body, tls=on.cast.mallory_tls), 401)
            assert is_problem(await on.send(PATH, body, tls=on.cast.bob_tls), 401)
            entry = (await on.messages())[0]
            assert (entry["participantId"], entry["verified"]) == (None, False)

    asyncio.run(scenario())


@pytest.mark.parametrize("pair", [None, make_cast().host_tls], ids=["none", "unknown authority"])
def test_a_client_without_a_certificate_of_a_known_authority_gets_no_connection(
    pair: Pair | None, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            context = client_context(on.cast, pair, tmp_path)
            url = f"https://127.0.0.1:{on.simulator.wa_port}/NESO_Health"
            with pytest.raises((aiohttp.ClientError, OSError)):
                await on.session.post(url, data=b"{}", ssl=context)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("application/json", {}),
        ("application/jose", {}),
        (JOSE, {"Content-Encoding": "br"}),
    ],
)
def test_another_type_is_answered_415(
    content_type: str, headers: dict[str, str], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            body = on.seal().close(mel())
            answer = await on.send(PATH, body, content_type=content_type, headers=headers)
            assert is_problem(answer, 415)

    asyncio.run(scenario())


def test_a_body_over_its_limit_is_answered_413(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            answer = await on.send(PATH, b"x" * (1024 * 1024 + 1))
            assert is_problem(answer, 413)
            large = mel(note="x" * 1024 * 1024)
            answer = await on.send("NESO_Submission", on.seal().close(large))
            assert answer.status == 422

    asyncio.run(scenario())


def test_a_body_of_undeclared_size_is_answered_413_as_soon_as_it_is_over(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b"x" * 64 * 1024

    async def scenario() -> None:
        async with (
            rig(tmp_path) as on,
            on.session.post(
                f"https://127.0.0.1:{on.simulator.wa_port}/{PATH}",
                data=chunks(),
                headers={"Content-Type": JOSE},
                ssl=client_context(on.cast, on.cast.alice_tls, tmp_path),
            ) as response,
        ):
            assert response.status == 413

    asyncio.run(scenario())


def test_a_message_id_with_other_bytes_is_answered_409_and_the_first_stays_known(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            first = mel()
            taken = await on.say(PATH, first)
            changed = on.seal().close({**first, "sentAt": "2026-01-01T00:00:00Z"})
            assert is_problem(await on.send(PATH, changed), 409)
            assert await on.say(PATH, first) == taken

    asyncio.run(scenario())


def test_unknown_paths_and_methods_are_problems(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            assert is_problem(await on.send("NESO_Other", b"{}"), 404)
            context = client_context(on.cast, on.cast.alice_tls, tmp_path)
            url = f"https://127.0.0.1:{on.simulator.wa_port}/NESO_Health"
            async with on.session.get(url, ssl=context) as response:
                assert response.status == 405
                assert response.content_type == "application/problem+json"

    asyncio.run(scenario())
