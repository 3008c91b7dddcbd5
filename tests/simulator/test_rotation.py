"""Certificates that change while the simulator runs: with notice, without, and back."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from tests.simulator.cast import client_context, make_cast, make_pair
from tests.simulator.peer import JOSE, boa, mel, open_seal
from tests.simulator.rig import Rig, rig

PATH = "NESO_Redeclaration"


def _pinned(on: Rig, pem: str) -> Any:
    """The signing certificate that a host would pin after it was told of it."""
    return replace(on.operator_signing, certificate=x509.load_pem_x509_certificate(pem.encode()))


async def _dispatched(on: Rig) -> bytes:
    await on.control("POST", "/dispatch?wait=0", boa())
    return on.host.got[-1].body


def test_an_announced_signing_certificate_is_shown_before_it_is_used(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            body = {"do": "announce", "what": "signing"}
            told = await on.control("POST", "/certificates", body)
            pem, old = told["next"]["signing"]["pem"], told["current"]["signing"]["thumbprint"]
            open_seal(await _dispatched(on), on.operator_signing, "NGESO", "ALICE")
            told = await on.control("POST", "/certificates", {"do": "switch"})
            assert told["next"] == {}
            assert told["rotated"] == ["signing"]
            assert told["current"]["signing"]["pem"] == pem
            assert told["current"]["signing"]["thumbprint"] != old
            sealed = await _dispatched(on)
            open_seal(sealed, _pinned(on, pem), "NGESO", "ALICE")
            with pytest.raises((InvalidSignature, AssertionError)):
                open_seal(sealed, on.operator_signing, "NGESO", "ALICE")
            await on.control("DELETE", "/certificates")
            open_seal(await _dispatched(on), on.operator_signing, "NGESO", "ALICE")

    asyncio.run(scenario())


def test_an_announced_switch_happens_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            body = {"do": "announce", "what": "signing", "after": 0.05}
            told = await on.control("POST", "/certificates", body)
            pem = told["next"]["signing"]["pem"]
            assert told["switchesAt"] is not None
            for _ in range(1000):
                told = await on.control("GET", "/certificates")
                if not told["next"]:
                    break
                await asyncio.sleep(0.01)
            assert told["current"]["signing"]["pem"] == pem

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["RS256", "EdDSA"])
def test_the_new_key_is_of_the_kind_of_the_old_one(kind: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        signing = make_pair("operator signing", make_cast().operator_ca, kind=kind)
        async with rig(tmp_path, operator_signing=signing) as on:
            told = await on.control("POST", "/certificates", {"do": "rotate", "what": "signing"})
            pem = told["current"]["signing"]["pem"]
            open_seal(await _dispatched(on), _pinned(on, pem), "NGESO", "ALICE")

    asyncio.run(scenario())


async def _connect(on: Rig, trusted: str, folder: Path) -> str:
    """Sends over a new connection that trusts one authority; returns the server's certificate."""
    context = ssl.create_default_context(cadata=trusted)
    context.load_cert_chain(*on.cast.alice_tls.save(folder, "rotation-client"))
    url = f"https://127.0.0.1:{on.simulator.wa_port}/{PATH}"
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, data=on.seal().close(mel()), headers={"Content-Type": JOSE}) as answer,
    ):
        assert answer.status == 200
    return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", on.simulator.wa_port))


def test_a_new_tls_certificate_of_the_operators_own_authority_is_still_trusted(
    tmp_path: Path,
) -> None:
    authority = make_cast().operator_ca
    files = authority.save(tmp_path, "authority")
    named = {"certificate": files[0].name, "key": files[1].name}

    async def scenario() -> None:
        async with rig(tmp_path, authority=named) as on:
            trusted = authority.certificate_pem.decode()
            before = await _connect(on, trusted, tmp_path)
            told = await on.control("POST", "/certificates", {"do": "rotate", "what": "tls"})
            after = await _connect(on, trusted, tmp_path)
            assert after != before
            assert after.strip() == told["current"]["tls"]["pem"].strip()
            body = await _dispatched(on)
            open_seal(body, on.operator_signing, "NGESO", "ALICE")
            await on.control("DELETE", "/certificates")
            assert await _connect(on, trusted, tmp_path) == before

    asyncio.run(scenario())


@pytest.mark.parametrize(("what", "is_closed"), [("tls", True), ("signing", False)])
def test_a_connection_made_under_another_tls_certificate_ends_with_its_next_answer(
    what: str, is_closed: bool, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            context = client_context(on.cast, on.cast.alice_tls, tmp_path)
            port = on.simulator.wa_port
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            heads = []
            for step in range(2):
                writer.write(b"GET /NESO_Health HTTP/1.1\r\nHost: x\r\n\r\n")
                heads.append(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 15))
                if step == 0:
                    await reader.readuntil(b"}")
                    await on.control("POST", "/certificates", {"do": "rotate", "what": what})
            assert [b"Connection: close" in head for head in heads] == [False, is_closed]
            if is_closed:
                assert (await asyncio.wait_for(reader.read(), 15)).endswith(b"}")
            writer.close()

    asyncio.run(scenario())


def test_one_that_nobody_vouches_for_is_refused_until_it_is_trusted_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            told = await on.control("POST", "/certificates", {"do": "rotate", "what": "both"})
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await _connect(on, on.cast.operator_ca.certificate_pem.decode(), tmp_path)
            await _connect(on, told["current"]["tls"]["pem"], tmp_path)
            # The test's host asks for a client certificate of the operator's authority.
            shown = await on.control("POST", "/dispatch?wait=0&persist=0", boa())
            assert shown["answer"]["status"] is None

    asyncio.run(scenario())


def test_a_configuration_that_is_read_again_keeps_the_rotated_certificate(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            told = await on.control("POST", "/certificates", {"do": "rotate", "what": "signing"})
            on.config.write_text(on.config.read_text() + "\n")
            await on.control("GET", "/health")
            again = await on.control("GET", "/certificates")
            assert again["current"] == told["current"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"do": "switch"}, 409),
        ({"do": "rotate"}, 400),
        ({"do": "rotate", "what": "all"}, 400),
        ({"do": "dance", "what": "tls"}, 400),
        ({"do": "announce", "what": "tls", "after": -1}, 400),
    ],
)
def test_a_bad_rotation_is_a_problem(body: Any, status: int, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.control("POST", "/certificates", body, status)

    asyncio.run(scenario())


def test_an_authority_that_cannot_be_used_is_told_and_nothing_changes(tmp_path: Path) -> None:
    cast = make_cast()
    files = cast.operator_ca.save(tmp_path, "authority")
    cast.host_ca.save(tmp_path, "other")
    named = {"certificate": files[0].name, "key": "other.key"}

    async def scenario() -> None:
        async with rig(tmp_path, authority=named) as on:
            before = await on.control("GET", "/certificates")
            assert before["authority"] == cast.operator_ca.certificate.public_bytes(
                Encoding.PEM
            ).decode("ascii")
            body = {"do": "rotate", "what": "tls"}
            problem = await on.control("POST", "/certificates", body, 409)
            assert "authority" in problem["detail"]
            assert await on.control("GET", "/certificates") == before

    asyncio.run(scenario())
