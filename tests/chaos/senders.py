"""Those who send otherwise than on a link: a trading point by SFTP, and a tenant's system by the
REST API, which redeclares and registers. Each tries again, as it should, until it is told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import aiohttp
import asyncssh

from messaging.domain.redeclarations import ScalarParameter
from messaging.rehearsal.players import now
from tests.chaos import names
from tests.chaos.books import Said, Word
from tests.e2e.rig import Rig
from tests.e2e.trading_point import tomorrow
from tests.smp.assets import asset, table

AGAIN = 0.5
STEP_SECONDS = 15.0
"""For one conversation: nothing may wait for ever."""

_FAILURES = (OSError, TimeoutError, asyncssh.Error, aiohttp.ClientError, ValueError)
_JOB_WORDS = {"REGISTERED": Word.ACCEPTED, "FAILED": Word.REFUSED, "REFUSED": Word.REFUSED}
_STATE_WORDS = {
    "ACKNOWLEDGED": Word.ACCEPTED,
    "REFUSED": Word.REFUSED,
    "EXPIRED": Word.EXPIRED,
    "SUPERSEDED": Word.EXPIRED,
}


@dataclass(slots=True)
class Letter:
    """One message: `at` and `done` are when it was begun and when the last word came."""

    name: str
    at: datetime
    taken: bool = False
    reference: str = ""
    words: list[Word] = field(default_factory=list)
    done: datetime | None = None

    def said(self, sender: str) -> Said:
        return Said(self.name, self.taken, tuple(self.words), sender)


class Sender:
    """Writes a letter every `pause` seconds or so until it is stopped; `follow` looks what became
    of those that have no last word.
    """

    pause = 3.0

    def __init__(self, rig: Rig, tenant: str, seed: int) -> None:
        self.rig = rig
        self.tenant = tenant
        self.chance = random.Random(f"{type(self).__name__} {tenant} {seed}")
        self.letters: list[Letter] = []
        self._stopped = asyncio.Event()
        self._given_up = False

    async def flow(self) -> None:
        while not self._stopped.is_set():
            await self.send()
            await self.follow()
            with suppress(TimeoutError):
                pause = self.pause * self.chance.uniform(0.5, 1.5)
                await asyncio.wait_for(self._stopped.wait(), pause)

    def stop(self) -> None:
        """Begins no further letter."""
        self._stopped.set()

    def give_up(self) -> None:
        self._given_up = True

    def end(self, letter: Letter, word: Word) -> None:
        """Notes the last word, once: several may have looked at the same time."""
        if letter.done is None:
            letter.words.append(word)
            letter.done = now()

    async def send(self) -> None:
        raise NotImplementedError

    async def follow(self) -> None:
        raise NotImplementedError

    def said(self) -> list[Said]:
        return [letter.said(f"{self.tenant} {type(self).__name__}") for letter in self.letters]

    def waiting(self) -> list[Letter]:
        return [letter for letter in self.letters if letter.taken and not letter.words]

    async def persist(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Until it is told."""
        while not self._given_up:
            with suppress(*_FAILURES):
                if await asyncio.wait_for(step(), STEP_SECONDS):
                    return
            await asyncio.sleep(AGAIN)


class TradingPoint(Sender):
    """Leaves one file after the other, each when the one before is acknowledged."""

    async def send(self) -> None:
        agent = str(self.rig.tenant(self.tenant)["tradingAgent"])
        sequence = len(self.letters) + 1
        stem, unit = f"{agent}_{sequence:06d}", self.chance.choice(self.rig.units(self.tenant, 0))
        line = f"NTO,{agent},{unit},{tomorrow():%Y-%m-%d %H:%M},{sequence}\n"
        letter = Letter(names.of_file(line.encode(), stem), now(), reference=stem)
        self.letters.append(letter)
        await self.persist(lambda: self._leave(letter, line))

    async def _leave(self, letter: Letter, line: str) -> bool:
        """The same file again, where nobody knows what became of it."""
        stem = letter.reference
        async with self._connected() as sftp:
            if f"{stem}.ack" not in await sftp.listdir("incoming"):
                async with sftp.open(f"outgoing/{stem}.tmp", "w") as file:
                    await file.write(line)
                await sftp.posix_rename(f"outgoing/{stem}.tmp", f"outgoing/{stem}.sub")
        await asyncio.sleep(AGAIN)
        async with self._connected() as sftp:
            letter.taken = f"{stem}.ack" in await sftp.listdir("incoming")
        return letter.taken

    async def follow(self) -> None:
        if not self.waiting():
            return
        with suppress(*_FAILURES):
            await asyncio.wait_for(self._look(), STEP_SECONDS)

    async def _look(self) -> None:
        async with self._connected() as sftp:
            there = {str(name) for name in await sftp.listdir("incoming")}
            for letter in self.waiting():
                is_accepted = f"{letter.reference}.acc" in there
                if f"{letter.reference}.rej" in there:
                    async with sftp.open(f"incoming/{letter.reference}.rej") as file:
                        self.end(letter, _rejected(str(await file.read())))
                    # Nothing else is to stand beside it.
                    letter.words += [Word.ACCEPTED] if is_accepted else []
                elif is_accepted:
                    self.end(letter, Word.ACCEPTED)

    def _connected(self) -> Any:
        return _Sftp(self.rig, self.tenant)


class _Sftp:
    """One connection, with the demonstration's key and the host key pinned."""

    def __init__(self, rig: Rig, tenant: str) -> None:
        self._told = rig.service["sftp"]
        self._login = rig.tenant(tenant)["fileLogin"]
        self._key = str(rig.path(self._login["key"]))
        self._connection: asyncssh.SSHClientConnection | None = None

    async def __aenter__(self) -> asyncssh.SFTPClient:
        host, port = self._told["host"], int(self._told["port"])
        hosts = asyncssh.import_known_hosts(f"[{host}]:{port} {self._told['hostKey']}\n")
        self._connection = await asyncssh.connect(
            host,
            port,
            username=self._login["username"],
            client_keys=[self._key],
            known_hosts=hosts,
            agent_path=None,
            config=None,
        )
        return await self._connection.start_sftp_client()

    async def __aexit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.abort()


def _rejected(reply: str) -> Word:
    if ",E030," in reply:
        return Word.REFUSED
    return Word.EXPIRED if ",E031," in reply else Word.REFUSED_BY_HOST


class System(Sender):
    """A tenant's own system on the REST API; one redeclaration after the other."""

    pause = 2.0

    async def send(self) -> None:
        points = self.rig.tenant(self.tenant)["controlPoints"]
        point = self.chance.choice(points)
        body = {
            "type": "ScalarRedeclaration",
            "control_point": point["name"],
            "bm_unit": self.chance.choice(point["bmUnits"]),
            "parameter": ScalarParameter.NTB.value,
            "value": len(self.letters) + 1,
        }
        letter = Letter(names.of_redeclared(body), now())
        self.letters.append(letter)
        key = str(UUID(int=self.chance.getrandbits(128)))
        await self.persist(lambda: self._submit(letter, body, key))

    async def _submit(self, letter: Letter, body: dict[str, Any], key: str) -> bool:
        status, told = await self.ask("POST", "/messages", json=body, key=key)
        letter.taken, letter.reference = status == 202, str(told.get("id", ""))
        return letter.taken

    async def follow(self) -> None:
        for letter in self.waiting():
            with suppress(*_FAILURES):
                path = f"/messages/{letter.reference}"
                status, told = await asyncio.wait_for(self.ask("GET", path), STEP_SECONDS)
                states = [one["state"] for one in told["deliveries"]] if status == 200 else []
                for word in (_STATE_WORDS[one] for one in states if one in _STATE_WORDS):
                    self.end(letter, word)

    async def ask(
        self, method: str, path: str, *, key: str = "", json: Any = None, data: bytes | None = None
    ) -> tuple[int, Any]:
        headers = {"X-API-Key": self.rig.tenant(self.tenant)["apiKey"]}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= {"Content-Type": "text/csv"} if data is not None else {}
        url = f"{self.rig.service['api']['url']}{path}"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url, json=json, data=data) as answer,
        ):
            return answer.status, await answer.json(content_type=None)


class Registrar(System):
    """Uploads a few assets at a time; the first one's name stands for the batch. It waits for none
    before the next: an upload that is repeated while a process starts again holds up no other.
    """

    pause = 6.0

    def __init__(self, rig: Rig, tenant: str, seed: int) -> None:
        super().__init__(rig, tenant, seed)
        self._uploads: list[asyncio.Task[None]] = []

    async def flow(self) -> None:
        await super().flow()
        await asyncio.gather(*self._uploads)

    async def send(self) -> None:
        first = 3 * len(self.letters) + 1
        letter = Letter(f"Battery {first}", now())
        self.letters.append(letter)
        content = table(asset(number) for number in range(first, first + 3))
        key = str(UUID(int=self.chance.getrandbits(128)))
        upload = self.persist(lambda: self._upload(letter, content, key))
        self._uploads.append(asyncio.create_task(upload))

    async def _upload(self, letter: Letter, content: bytes, key: str) -> bool:
        path = "/smp/uploads?file_name=assets.csv"
        status, told = await self.ask("POST", path, data=content, key=key)
        letter.taken, letter.reference = status in (201, 202), str(told.get("id", ""))
        return letter.taken

    async def follow(self) -> None:
        for letter in self.waiting():
            with suppress(*_FAILURES):
                path = f"/smp/jobs/{letter.reference}"
                status, told = await asyncio.wait_for(self.ask("GET", path), STEP_SECONDS)
                if status == 200 and told["finished_at"]:
                    self.end(letter, _JOB_WORDS[told["state"]])
