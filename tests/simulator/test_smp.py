"""The Single Markets Platform: login, assets, units, transactions, the batch return."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.simulator.peer import Seal, message, open_seal, receipt
from tests.simulator.rig import Answer, Rig, rig

LOGIN = {"username": "alice", "password": "alice-password"}
PRIMES = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)


def mpan(core: str = "120000000000") -> str:
    return core + str(sum(int(a) * b for a, b in zip(core, PRIMES, strict=True)) % 11 % 10)


def asset(**changes: Any) -> dict[str, Any]:
    whole = {"assetName": "Battery 1", "importMpan": mpan(), "latitude": 51.5, **changes}
    return {name: value for name, value in whole.items() if value is not ...}


async def login(on: Rig, body: Any = LOGIN, **options: Any) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    options = {"content_type": "application/json", "port": on.simulator.smp_port, **options}
    return await on.send("Authenticate", data, **options)


class Client:
    def __init__(self, on: Rig, token: str) -> None:
        self.on = on
        self.headers = {"Authorization": f"Bearer {token}"}

    async def send(self, path: str, payload: dict[str, Any], **options: Any) -> Answer:
        options = {"headers": self.headers, "port": self.on.simulator.smp_port, **options}
        return await self.on.send(path, self.on.seal().close(payload), **options)

    async def say(self, path: str, payload: dict[str, Any], status: int = 200) -> Any:
        answer = await self.send(path, payload)
        assert answer.status == status, answer.body
        return self.on.open(answer, payload["messageId"])

    async def status(self, transaction: str) -> Any:
        return await self.say("TransactionStatus", message(None, transactionId=transaction))

    async def final(self, transaction: str) -> Any:
        async with asyncio.timeout(15):
            while (told := await self.status(transaction))["status"] in ("PENDING", "PROCESSING"):
                assert told["errors"] == []
                await asyncio.sleep(0.01)
        return told


async def enter(on: Rig) -> Client:
    answer = await login(on)
    assert answer.status == 200
    token = answer.json()
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 60)
    return Client(on, token["access_token"])


@pytest.mark.parametrize(
    "body",
    [
        {"username": "alice", "password": "bob-password"},
        {"username": "bob", "password": "bob-password"},
        {"username": "alice"},
        {"username": "alice", "password": ["alice-password"]},
        b"{",
        b"[]",
    ],
)
def test_a_login_that_does_not_hold_is_401_and_nothing_of_it_is_kept(
    body: Any, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            assert (await login(on, body)).status == 401
            await login(on)
            assert "password" not in json.dumps([item["payload"] for item in await on.messages()])

    asyncio.run(scenario())


def test_login_wants_json_of_bounded_size_and_a_pinned_certificate(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            assert (await login(on, content_type="text/plain")).status == 415
            assert (await login(on, b"x" * (1 << 20) + b"x")).status == 413
            assert (await login(on, tls=on.cast.mallory_tls)).status == 401
            assert (await login(on, tls=on.cast.bob_tls)).status == 401

    asyncio.run(scenario())


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic YTpi"])
def test_without_a_good_token_the_answer_is_401_bearer(header: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            client.headers = {"Authorization": header}
            answer = await client.send("Asset/Create", message(None, assets=[asset()]))
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")

    asyncio.run(scenario())


def test_a_token_is_good_for_its_own_tenant_and_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        times = {"pending": 0, "processing": 0, "token": 1}
        async with rig(tmp_path, smpTimes=times) as on:
            token = (await login(on)).json()["access_token"]
            body = on.bob().close(message(None, transactionId="x"))
            options: dict[str, Any] = {
                "headers": {"Authorization": f"Bearer {token}"},
                "port": on.simulator.smp_port,
            }
            theirs = await on.send("TransactionStatus", body, tls=on.cast.bob_tls, **options)
            assert theirs.status == 401
            client = Client(on, token)
            async with asyncio.timeout(15):
                while True:
                    question = message(None, transactionId="x")
                    if (await client.send("TransactionStatus", question)).status == 401:
                        break
                    await asyncio.sleep(0.1)

    asyncio.run(scenario())


def test_assets_become_a_transaction_that_succeeds_and_is_returned_to_the_host(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        times = {"pending": 0.3, "processing": 0.05, "token": 60}
        async with rig(tmp_path, smpTimes=times) as on:
            client = await enter(on)
            request = message(None, assets=[asset(), asset(exportMpan=mpan("991234567890"))])
            taken = await client.say("Asset/Create", request)
            assert await client.say("Asset/Create", request) == taken
            first = await client.status(taken["transactionId"])
            assert first["status"] == "PENDING"
            told = await client.final(taken["transactionId"])
            assert (told["status"], told["errors"]) == ("SUCCESS", [])
            [got] = await on.host.wait_for(1)
            returned, _ = open_seal(got.body, on.operator_signing, "NGESO", "ALICE")
            assert got.path == "/smp/simulator/TransactionResult"
            assert returned["transactionId"] == taken["transactionId"]
            assert (returned["status"], returned["errors"]) == ("SUCCESS", [])

    asyncio.run(scenario())


BAD_ROWS: list[tuple[dict[str, Any], str, str]] = [
    (asset(assetName=...), "assetName", "R001"),
    (asset(assetName=""), "assetName", "R003"),
    (asset(importMpan=...), "importMpan", "R001"),
    (asset(importMpan=mpan()[:-1] + str((int(mpan()[-1]) + 1) % 10)), "importMpan", "R003"),
    (asset(importMpan="123"), "importMpan", "R003"),
    (asset(importMpan=1200000000001), "importMpan", "R001"),
    (asset(latitude="51.5"), "latitude", "R001"),
    (asset(longitude=181), "longitude", "R003"),
    (asset(generationCapacity=True), "generationCapacity", "R001"),
    (asset(postcode=1), "postcode", "R001"),
]


@pytest.mark.parametrize(("row", "field", "code"), BAD_ROWS)
def test_a_bad_asset_fails_the_transaction_with_its_index_and_field(
    row: dict[str, Any], field: str, code: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            taken = await client.say("Asset/Create", message(None, assets=[asset(), row]))
            told = await client.final(taken["transactionId"])
            assert told["status"] == "FAILED"
            [error] = told["errors"]
            assert (error["index"], error["field"], error["code"]) == (1, field, code)
            [got] = await on.host.wait_for(1)
            assert got.payload["errors"] == told["errors"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("unit", "fields"),
    [
        ({"unitName": "U1", "services": ["BM"], "controlPointContact": {"name": "N"}}, []),
        ({}, ["unitName"]),
        ({"unitName": "U1", "services": "BM", "eic": 1}, ["eic", "services"]),
        ({"unitName": "U1", "controlPointContact": []}, ["controlPointContact"]),
        ({"unitName": "U1", "controlPointContact": {"email": 1}}, ["controlPointContact/email"]),
    ],
)
def test_a_bad_unit_fails_the_transaction_with_index_null(
    unit: dict[str, Any], fields: list[str], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            request = message(None, unit=unit, assets=[asset()])
            told = await client.final((await client.say("Unit/Create", request))["transactionId"])
            assert told["status"] == ("FAILED" if fields else "SUCCESS")
            assert [(error["index"], error["field"]) for error in told["errors"]] == [
                (None, field) for field in fields
            ]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("path", "members", "pointer", "code"),
    [
        ("Asset/Create", {}, "/assets", "R001"),
        ("Asset/Create", {"assets": []}, "/assets", "R001"),
        ("Asset/Create", {"assets": [asset()] * 1001}, "/assets", "R003"),
        ("Asset/Create", {"assets": [1]}, "/assets/0", "R001"),
        ("Asset/Create", {"assets": [asset()], "profile": "host-2"}, "/profile", "R006"),
        ("Unit/Create", {"assets": []}, "/unit", "R001"),
        ("Unit/Create", {"unit": [{}], "assets": []}, "/unit", "R001"),
        ("Unit/Create", {"unit": {"unitName": "U"}}, "/assets", "R001"),
        ("Unit/Create", {"unit": {}, "assets": [asset()] * 1001}, "/assets", "R003"),
        ("TransactionStatus", {"transactionId": ["a", "b"]}, "/transactionId", "R001"),
    ],
)
def test_a_malformed_request_is_refused_at_once(
    path: str, members: dict[str, Any], pointer: str, code: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            answer = await client.say(path, {**message(None), **members}, 422)
            assert (answer["type"], answer["status"]) == ("receipt", "REJECTED")
            assert [(error["path"], error["code"]) for error in answer["errors"]] == [
                (pointer, code)
            ]

    asyncio.run(scenario())


def test_a_thousand_assets_and_a_unit_without_any_are_taken(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            many = message(None, assets=[asset()] * 1000)
            alone = message(None, unit={"unitName": "U"}, assets=[])
            for path, request in (("Asset/Create", many), ("Unit/Create", alone)):
                taken = await client.say(path, request)
                assert (await client.final(taken["transactionId"]))["status"] == "SUCCESS"

    asyncio.run(scenario())


def test_an_unknown_transaction_is_404_and_another_tenants_is_unknown(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            await client.say("TransactionStatus", message(None, transactionId="x"), 404)
            taken = await client.say("Asset/Create", message(None, assets=[asset()]))
            entry = await login(
                on, {"username": "bob", "password": "bob-password"}, tls=on.cast.bob_tls
            )
            token = entry.json()["access_token"]
            question = message(None, transactionId=taken["transactionId"])
            theirs = await on.send(
                "TransactionStatus",
                on.bob().close(question),
                tls=on.cast.bob_tls,
                port=on.simulator.smp_port,
                headers={"Authorization": f"Bearer {token}"},
            )
            assert theirs.status == 404

    asyncio.run(scenario())


def test_the_batch_return_is_sent_again_until_the_host_knows_the_transaction(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            on.host.answer_next(lambda got: web.Response(status=404))
            on.host.answer_next(
                lambda got: on.host.reply(receipt(got.payload["messageId"], "REJECTED"), 404)
            )
            client = await enter(on)
            await client.say("Asset/Create", message(None, assets=[asset()]))
            got = await on.host.wait_for(3)
            assert got[0].body == got[1].body == got[2].body

    asyncio.run(scenario())


def test_the_batch_return_can_be_duplicated_or_missing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            await on.fault("receipt_missing", "Asset/Create", times=1)
            lost = await client.say("Asset/Create", message(None, assets=[asset()]))
            await client.final(lost["transactionId"])
            await on.fault("receipt_duplicated", "Asset/Create", times=1)
            taken = await client.say("Asset/Create", message(None, assets=[asset()]))
            first, second = await on.host.wait_for(2)
            assert first.body == second.body or first.payload == second.payload
            assert first.payload["transactionId"] == taken["transactionId"]

    asyncio.run(scenario())


def test_seals_are_as_strict_as_on_the_other_interface(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            alice = on.cast.alice_signing
            for seal in (
                Seal(alice, "ALICE", "ALICE"),
                Seal(alice, "ALICE", header={"iat": 1}),
                Seal(alice, "BOB"),
            ):
                answer = await on.send(
                    "Asset/Create",
                    seal.close(message(None, assets=[asset()])),
                    headers=client.headers,
                    port=on.simulator.smp_port,
                )
                assert answer.status == 401
                assert "WWW-Authenticate" not in answer.headers

    asyncio.run(scenario())


def test_partial_errors_fail_a_batch_by_some_of_its_assets(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            await on.fault("partial_errors", "Asset/Create", times=1, every=2, code="R003")
            batch = message(None, assets=[asset() for _ in range(5)])
            told = await client.final((await client.say("Asset/Create", batch))["transactionId"])
            assert told["status"] == "FAILED"
            found = [(error["index"], error["field"], error["code"]) for error in told["errors"]]
            assert found == [(1, "assetName", "R003"), (3, "assetName", "R003")]
            again = message(None, assets=[asset()])
            told = await client.final((await client.say("Asset/Create", again))["transactionId"])
            assert told["status"] == "SUCCESS"

    asyncio.run(scenario())


def test_an_expired_token_stays_expired_and_a_new_one_is_taken(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            client = await enter(on)
            await on.fault("token_expired", times=1)
            body = on.seal().close(message(None, assets=[asset()]))
            for _ in range(2):
                answer = await on.send(
                    "Asset/Create", body, headers=client.headers, port=on.simulator.smp_port
                )
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
            answer = await on.send(
                "Asset/Create",
                body,
                headers=(await enter(on)).headers,
                port=on.simulator.smp_port,
            )
            assert answer.status == 200
            faults = [item["fault"] for item in await on.messages() if item["status"] == 401]
            assert faults == ["token_expired", None]

    asyncio.run(scenario())
