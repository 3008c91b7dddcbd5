"""The traffic that leads to the crash points: each errand is a little of it, with ids and values of
its own, and is over when all of it has gone all the way. It bears the death of any process on its
way: what was not answered is asked again, as a peer would.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPException
from typing import Any, TypeVar
from uuid import uuid4

import asyncssh
import psycopg

from messaging.domain.redeclarations import ScalarParameter
from messaging.rehearsal.operator_desk import DeskRefused, OperatorDesk
from messaging.rehearsal.players import Player
from messaging.rehearsal.stage import acceptance
from messaging.rehearsal.steps import scalar
from messaging.relay.crash_points import Kind, Step
from tenants.clock import now
from tests.e2e.bad_input import RawLink, Said, connect, context_of
from tests.e2e.rig import Rig
from tests.e2e.trading_point import tomorrow
from tests.smp.assets import asset, table

T = TypeVar("T")
PATIENCE = 150.0
"""Seconds for one errand, a death and a new start on a busy machine included."""

AWAY = (OSError, HTTPException, TimeoutError)
_AGAIN = (409, 429, 502, 503)
_VALUES = 900


class NotDone(Exception):
    """An errand did not come to its end; the text says what is missing."""


@dataclass
class Cast:
    """Who does the errands, over one running stack; `chance` is the seed's."""

    rig: Rig
    players: tuple[Player, ...]
    desk: OperatorDesk
    chance: random.Random
    turn: int = 0

    def next_turn(self) -> int:
        self.turn += 1
        return self.turn

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.rig.query(statement, *values)


Errand = Callable[[Cast], Awaitable[None]]


# What all of them do.


async def until(holds: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Asks on a thread until it is so."""
    ends = time.monotonic() + seconds
    while not (found := await asyncio.to_thread(_unless_away, holds)):
        if time.monotonic() > ends:
            raise NotDone(what)
        await asyncio.sleep(0.2)
    return found


def _unless_away(holds: Callable[[], T]) -> T | None:
    with suppress(*AWAY):
        return holds()
    return None


def ask(
    rig: Rig,
    tenant: str,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    key: str = "",
    media: str = "application/json",
) -> Any:
    """By the tenant's API, again under the same idempotency key until there is an answer."""
    headers = {"Authorization": f"Bearer {rig.tenant(tenant)['apiKey']}", "Content-Type": media}
    if key:
        headers["Idempotency-Key"] = key
    url = f"{rig.service['api']['url']}/{path}"
    ends = time.monotonic() + PATIENCE
    while True:
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            told = error.read().decode()
            if error.code not in _AGAIN or time.monotonic() > ends:
                raise NotDone(f"{path}: {error.code} {told}") from None
        except AWAY as error:
            if time.monotonic() > ends:
                raise NotDone(f"{path}: {error}") from None
        time.sleep(0.2)


def payloads(rig: Rig, **wanted: Any) -> list[dict[str, Any]]:
    """What the simulator got and answered with 200, with these members; once for each messageId."""
    rows = rig.control("GET", "/messages?since=0")["messages"]
    good = {row["exchange"] for row in rows if row["role"] == "answer" and row["status"] == 200}
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        payload = row.get("payload")
        if row["role"] != "request" or row["exchange"] not in good or not isinstance(payload, dict):
            continue
        if all(payload.get(name) == value for name, value in wanted.items()):
            found.setdefault(payload["messageId"], payload)
    return list(found.values())


# On the links of driven control points, whose books are compared.


async def talk(cast: Cast) -> None:
    """For each control point two redeclarations of one BM unit, and an acceptance of another."""
    turn = cast.next_turn()

    async def one(player: Player) -> None:
        mine = cast.chance.sample(range(len(player.bm_units)), 2)
        parameters = cast.chance.sample(list(ScalarParameter)[:4], 2)
        values = [scalar(player, mine[0], one, turn % _VALUES) for one in parameters]
        await asyncio.gather(
            player.declare_all(values), _instruct(cast, player, player.bm_units[mine[1]])
        )

    await asyncio.gather(*map(one, cast.players))


async def _instruct(cast: Cast, player: Player, unit: str) -> None:
    """Whatever becomes of it meanwhile, the books tell."""
    try:
        shown = await cast.desk.dispatch(acceptance(player, unit), wait=100)
    except DeskRefused as error:
        raise NotDone(f"an acceptance of {unit}: {error}") from None
    if not shown["response"]:
        raise NotDone(f"no verdict on {shown['acceptanceNumber']} of {unit}")


async def reconnect(cast: Cast) -> None:
    """Links that break, and what is said on the next ones."""
    for player in cast.players:
        player.point.drop()
    await talk(cast)


async def idle(cast: Cast) -> None:
    """Nothing, for as long as it takes a link to say that it lives."""
    await asyncio.sleep(31)


async def outage(cast: Cast) -> None:
    """The operator is out while redeclarations come; then what was missed is asked for."""
    turn = cast.next_turn()
    since = now()
    await cast.desk.switch_outage(True)
    try:
        tasks = [
            asyncio.create_task(player.declare(scalar(player, turn % 20, value=turn % _VALUES)))
            for player in cast.players
        ]
        held = "SELECT 1 FROM messaging_delivery WHERE state = 'HELD' AND held_at >= %s"
        await until(lambda: cast.query(held, since), "what is held while the operator is out")
    finally:
        await cast.desk.switch_outage(False)
    await asyncio.gather(*tasks)
    over = (
        "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM messaging_connection"
        " WHERE normalize_from IS NOT NULL OR is_holding)"
    )
    await until(lambda: cast.query(over), "all that was missed to be asked for")


# On links of the tests' own, with every byte said by hand.

RAW_TENANT, RAW_POINT = "birch", "BRCH2"


def _raw(rig: Rig) -> RawLink:
    point = rig.tenant(RAW_TENANT)["controlPoints"][1]
    link = connect(rig, context_of(rig, point["certificate"], point["key"]), point["name"])
    if link.greet().type != "READY":
        link.link.close()
        raise ConnectionResetError("not let in")
    return link


async def by_hand(cast: Cast, conversation: Callable[[RawLink], T]) -> T:
    """Has the conversation on a new link, and again from the start where the link breaks."""

    def attempt() -> tuple[T] | None:
        with _raw(cast.rig) as link:
            return (conversation(link),)

    (result,) = await until(attempt, f"a conversation with {RAW_POINT}")
    return result


async def repeat(cast: Cast) -> None:
    """The same message under the same number twice on one link."""
    text = f"{cast.rig.units(RAW_TENANT)[0]:9}{cast.next_turn() % _VALUES:6d}"

    def conversation(link: RawLink) -> None:
        first = link.say_next("NDZ", text)
        link.say("NDZ", text, link.number)
        assert (first.type, link.answer(link.number).type) == ("ACK", "ACK")

    await by_hand(cast, conversation)


async def gap(cast: Cast) -> None:
    """A number that is too high is refused."""

    def conversation(link: RawLink) -> None:
        link.say("TEXT", f"{'left out one':200}", link.number + 2)
        assert link.answer(link.number + 2).type == "NACK"

    await by_hand(cast, conversation)


async def refuse(cast: Cast) -> None:
    """An acceptance that the control point will not have."""
    await _turned_down(cast, "R003", lambda said: "no such thing")


async def go_back(cast: Cast) -> None:
    """One that it says came before its turn: it is given again."""
    await _turned_down(cast, "R011", lambda said: f"expected {said.number:08d}")


async def _turned_down(cast: Cast, code: str, text: Callable[[Said], str]) -> None:
    unit = cast.rig.units(RAW_TENANT)[1]
    task = asyncio.create_task(
        asyncio.to_thread(cast.rig.dispatch, unit, RAW_POINT, wait=0, level=40)
    )

    def conversation(link: RawLink) -> None:
        while (said := link.hear()).type != "BOAI":
            link.say("ACK", "OK  ", 0, said.number)
        link.say("NACK", f"{code}{text(said):80}", 0, said.number)
        if code == "R011":
            again = link.hear()
            assert (again.type, again.number) == ("BOAI", said.number)
            link.say("ACK", "OK  ", 0, said.number)
            link.say_next("ACCEPT", f"{unit:9}{said.data[9:19]}{'':64}", said.number)

    await asyncio.gather(by_hand(cast, conversation), task)


async def lose(cast: Cast) -> None:
    """A link that is away for longer than its endpoint's setting, and so alarmed."""
    state = "SELECT 1 FROM messaging_link l JOIN tenants_endpoint e ON e.id = l.endpoint_id"
    since = now()
    await by_hand(cast, lambda link: None)
    alarmed = f"{state} WHERE e.name = %s AND l.alarmed_at >= %s"
    await until(lambda: cast.query(alarmed, RAW_POINT, since), "the alarm of a lost link")


# By files, by the API, and to the platform.

FILES_TENANT = "alder"


async def file(cast: Cast) -> None:
    """A submission as a file, and both replies to it."""
    rig, agent = cast.rig, str(cast.rig.tenant(FILES_TENANT)["tradingAgent"])
    unit, value = rig.units(FILES_TENANT, 0)[cast.chance.randrange(20)], cast.next_turn() % _VALUES
    endpoint = rig.endpoint(FILES_TENANT, agent)["id"]
    rows = ask(rig, FILES_TENANT, "GET", f"endpoints/{endpoint}/next-sequence")
    number = next((row["next"] for row in rows if row["agent"] == agent), 1)
    stem = f"{agent}_{number:06d}"
    line = f"NDZ,{agent},{unit},{tomorrow():%Y-%m-%d %H:%M},{value}\n"
    await _left(cast, f"{stem}.sub", line)
    await until(lambda: _has_replies(rig, stem), f"the replies to {stem}")
    got = payloads(rig, tradingAgent=agent, sequence=number)
    if len(got) != 1:
        raise NotDone(f"the operator has {len(got)} submissions of {stem}")


async def ill_named(cast: Cast) -> None:
    """A file with a name that says nothing is put aside."""
    name = f"holiday-{cast.next_turn()}.txt"
    await _left(cast, name, "x\n")
    archive = cast.rig.var / "files"
    await until(lambda: list(archive.rglob(f"bad/{name}*")), f"{name} put aside")


async def _left(cast: Cast, name: str, content: str) -> None:
    """In `outgoing`, under a name of its own until it is whole."""
    told, login = cast.rig.service["sftp"], cast.rig.tenant(FILES_TENANT)["fileLogin"]
    options = {"username": login["username"], "password": login["password"], "known_hosts": None}
    async with (
        asyncssh.connect(told["host"], told["port"], **options) as connection,
        connection.start_sftp_client() as sftp,
    ):
        async with sftp.open(f"outgoing/{name}.tmp", "w") as out:
            await out.write(content)
        await sftp.rename(f"outgoing/{name}.tmp", f"outgoing/{name}")


def _has_replies(rig: Rig, stem: str) -> bool:
    folder = rig.var / "files"
    return all(list(folder.rglob(f"incoming/{stem}.{kind}")) for kind in ("ack", "acc"))


async def by_api(cast: Cast) -> None:
    """A redeclaration by the API, under an idempotency key."""
    rig, tenant = cast.rig, "alder"
    unit, value = rig.units(tenant)[cast.chance.randrange(4)], cast.next_turn() % _VALUES
    point = rig.tenant(tenant)["controlPoints"][1]["name"]
    body = {
        "type": "ScalarRedeclaration",
        "control_point": point,
        "bm_unit": unit,
        "parameter": "NDZ",
        "value": value,
    }
    content, key = json.dumps(body).encode(), str(uuid4())
    await asyncio.to_thread(ask, rig, tenant, "POST", "messages", content, key=key)
    wanted = {"type": "redeclaration", "bmUnit": unit, "parameter": "NDZ", "value": value}
    got = await until(lambda: payloads(rig, **wanted), f"{value} of {unit} with the operator")
    if len(got) != 1:
        raise NotDone(f"the operator has {len(got)} redeclarations of {unit} with {value}")


async def answer_by_api(cast: Cast) -> None:
    """An acceptance that is answered by the API in its control point's stead."""
    rig, tenant = cast.rig, "alder"
    point, unit = rig.tenant(tenant)["controlPoints"][1]["name"], rig.units(tenant)[3]
    held = rig.control_point(tenant, answer=lambda _: None)
    async with held:
        shown = await asyncio.to_thread(rig.dispatch, unit, point, wait=0)
        number = shown["acceptanceNumber"]
        place = f"instructions?bm_unit={unit}&kind=BOA&limit=500"

        def mine() -> list[Any]:
            rows = ask(rig, tenant, "GET", place)["results"]
            return [row for row in rows if row["number"] == number]

        (row,) = await until(mine, f"acceptance {number} of {unit}")
        key = str(uuid4())
        place_of = f"instructions/{row['id']}/accept"
        await asyncio.to_thread(ask, rig, tenant, "POST", place_of, b"{}", key=key)
        wanted = {"acceptanceNumber": number, "bmUnit": unit, "verdict": "ACCEPTED"}
        got = await until(lambda: payloads(rig, **wanted), f"the answer to {number} of {unit}")
        if len(got) != 1:
            raise NotDone(f"{len(got)} answers to {number} of {unit}")


async def upload(cast: Cast) -> None:
    """Two assets to be registered, with a new token."""
    await _upload(cast, "token_expired")


async def upload_asked(cast: Cast) -> None:
    """Two whose batch return does not come, so that the platform is asked."""
    await _upload(cast, "receipt_missing")


async def _upload(cast: Cast, trouble: str) -> None:
    rig, tenant = cast.rig, "alder"
    fault = {"fault": trouble, "path": "Asset/Create", "times": 1}
    await asyncio.to_thread(rig.control, "POST", "/faults", {"faults": [fault]})
    first = 10_000 + 10 * cast.next_turn() + 100_000 * cast.chance.randrange(1000)
    content = table([asset(first), asset(first + 1)])
    path = "smp/uploads?file_name=assets.csv"
    told = await asyncio.to_thread(
        ask, rig, tenant, "POST", path, content, key=str(uuid4()), media="text/csv"
    )
    place = f"smp/jobs/{told['id']}"

    def finished() -> Any:
        job = ask(rig, tenant, "GET", place)
        return job if job["finished_at"] else None

    job = await until(finished, f"the end of job {told['id']}")
    if (job["state"], job["rows_registered"]) != ("REGISTERED", 2):
        raise NotDone(f"a job is {job['state']} with {job['rows_registered']} of 2 assets")


async def notice(cast: Cast) -> None:
    """A notice of the vendor's, of an outage tomorrow, and its withdrawal."""
    url = cast.rig.environment["DATABASE_STAFF_URL"]
    at = now() + timedelta(days=1)
    insert = (
        "INSERT INTO messaging_systemnotice (id, environment, text, services, starts_at, ends_at,"
        " until_further_notice, posted_at, posted_by, is_cancelled)"
        " VALUES (gen_random_uuid(), 'simulator', 'rehearsed', %s, %s, %s, false, now(),"
        " 'the vendor', false) RETURNING id"
    )
    withdraw = (
        "UPDATE messaging_systemnotice SET is_cancelled = true, spread_at = NULL WHERE id = %s"
    )
    spread = "SELECT 1 FROM messaging_systemnotice WHERE id = %s AND spread_at IS NOT NULL"
    with psycopg.connect(url, autocommit=True) as session:
        services = json.dumps(["NESO_Redeclaration"])
        (id_,) = session.execute(insert, [services, at, at + timedelta(hours=1)]).fetchone() or ()
        await until(lambda: cast.query(spread, id_), "a notice with all tenants")
        session.execute(withdraw, [id_])
        await until(lambda: cast.query(spread, id_), "its withdrawal with all tenants")
    states = "SELECT state FROM messaging_outagenotice WHERE system_notice_id = %s"
    copies = [row[0] for row in cast.query(states, id_)]
    tenants = cast.query("SELECT count(*) FROM tenants_tenant")[0][0]
    if copies != ["CANCELLED"] * tenants:
        raise NotDone(f"{tenants} tenants have copies of a notice that are {copies}")


async def gates(cast: Cast) -> None:
    """A look at what is missing before gates close."""
    url = cast.rig.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("UPDATE messaging_gatewatch SET due_at = now() - interval '1 second'")
    late = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM messaging_gatewatch WHERE due_at <= now())"
    await until(lambda: cast.query(late), "the look at the gates")


async def webhook(cast: Cast) -> None:
    """What is told of a little traffic, by a webhook."""
    states = "SELECT count(*), count(*) FILTER (WHERE state = 'PENDING'),"
    states += " count(*) FILTER (WHERE state = 'FAILED') FROM messaging_webhookdelivery"
    before, _, failed = cast.query(states)[0]
    await by_api(cast)

    def all_posted() -> bool:
        made, pending, _ = cast.query(states)[0]
        return bool(made > before and not pending)

    await until(all_posted, "the last post of a webhook")
    if cast.query(states)[0][2] != failed:
        raise NotDone("an event was given up for a webhook")


LEADS: Mapping[Step, Errand] = {
    **dict.fromkeys(Step, talk),
    **dict.fromkeys((Step.LINK_OPEN, Step.LINK_READY, Step.LINK_CLOSE), reconnect),
    Step.LINK_TAKE_AGAIN: repeat,
    Step.LINK_REFUSE: gap,
    Step.LINK_REFUSED: refuse,
    Step.LINK_GO_BACK: go_back,
    Step.LINK_BEAT: idle,
    Step.LINK_WATCH: lose,
    **{step: file for step in Step if step.value.startswith("file-")},
    Step.FILE_SET_ASIDE: ill_named,
    **{step: outage for step in Step if step.value.startswith(("health-", "missed-"))},
    Step.CONNECTIONS_PICK: outage,
    **{step: notice for step in Step if step.value.startswith("notice-")},
    **{step: gates for step in Step if step.value.startswith("gate-")},
    Step.API: by_api,
    **dict.fromkeys((Step.API_KEY_TAKEN, Step.API_ANSWER_KEPT), upload),
    **{step: upload for step in Step if step.value.startswith("smp-")},
    **dict.fromkeys((Step.SMP_ASK_CLAIM, Step.SMP_ASK, Step.SMP_ASKED), upload_asked),
    **{step: webhook for step in Step if step.value.startswith("webhook-")},
}

BY_KIND: Mapping[tuple[Step, Kind], Errand] = {
    **{(step, Kind.FILES): file for step in (Step.CLAIM, Step.POST, Step.SETTLE, Step.WAKE_WORKER)},
    (Step.WAKE_WORKER, Kind.WEB): by_api,
    (Step.WAKE_WORKER, Kind.SMP): upload,
    (Step.WAKE_WORKER, Kind.HOUSEKEEPING): outage,
    (Step.WAKE_GATEWAY, Kind.HOUSEKEEPING): outage,
    (Step.WAKE_GATEWAY, Kind.WEB): answer_by_api,
}


def errand_to(step: Step, kind: Kind) -> Errand:
    return BY_KIND.get((step, kind), LEADS[step])
