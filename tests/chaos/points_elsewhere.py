"""Errands by files, by the API, to the Single Markets Platform, and of the vendor's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncssh
import psycopg

from messaging.domain.acknowledgements import ResultVerdict
from messaging.domain.redeclarations import ScalarParameter, ScalarRedeclaration
from messaging.simulator.services import ASSET, SUBMISSION
from tenants.clock import now
from tests.chaos.points_cast import (
    OPERATOR,
    PATIENCE,
    Cast,
    NotDone,
    ask,
    last_noted,
    payloads,
    until,
)
from tests.e2e.rig import Rig
from tests.e2e.trading_point import tomorrow
from tests.smp.assets import asset, table

# By files, by the API, and to the platform.

FILES_TENANT = "alder"
HOLD_SECONDS = 1.2
"""After them every process has noticed a change of the register."""


async def file(cast: Cast) -> None:
    """A submission as a file, and both replies to it."""
    agent = str(cast.rig.tenant(FILES_TENANT)["tradingAgent"])
    async with cast.lock(agent):
        await _file(cast, agent)


async def _file(cast: Cast, agent: str) -> None:
    rig, unit = cast.rig, cast.rig.units(FILES_TENANT, 0)[cast.chance.randrange(20)]
    value, number = cast.next_value(), await asyncio.to_thread(_next_number, rig, agent)
    stem = f"{agent}_{number:06d}"
    since = last_noted(rig)
    line = f"NDZ,{agent},{unit},{tomorrow():%Y-%m-%d %H:%M},{value}\n"
    await _left(cast, f"{stem}.sub", line)
    await until(lambda: _has_replies(rig, stem), f"the replies to {stem}")
    got = payloads(rig, since, tradingAgent=agent, sequence=number)
    if len(got) != 1:
        raise NotDone(f"the operator has {len(got)} submissions of {stem}")


def _next_number(rig: Rig, agent: str) -> int:
    rows = ask(rig, FILES_TENANT, "GET", "endpoints?limit=500")["results"]
    endpoint = next(row["id"] for row in rows if row["name"] == agent)
    rows = ask(rig, FILES_TENANT, "GET", f"endpoints/{endpoint}/next-sequence")
    return int(next((row["next"] for row in rows if row["agent"] == agent), 1))


async def file_tried_again(cast: Cast) -> None:
    """A submission that the operator fails over at first."""
    async with cast.failing("http_500", SUBMISSION, times=2):
        await file(cast)


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


async def by_api(cast: Cast, place: int = 0) -> None:
    """A redeclaration by the API, under an idempotency key."""
    rig, tenant = cast.rig, "alder"
    unit, value = rig.units(tenant)[place], cast.next_value()
    point, since = rig.tenant(tenant)["controlPoints"][1]["name"], last_noted(rig)
    body = {
        "type": "ScalarRedeclaration",
        "control_point": point,
        "bm_unit": unit,
        "parameter": "NDZ",
        "value": value,
    }
    await _post(rig, tenant, "messages", body)
    wanted = {"type": "redeclaration", "bmUnit": unit, "parameter": "NDZ", "value": value}
    got = await until(
        lambda: payloads(rig, since, **wanted), f"{value} of {unit} with the operator"
    )
    if len(got) != 1:
        raise NotDone(f"the operator has {len(got)} redeclarations of {unit} with {value}")


async def escalated(cast: Cast) -> None:
    """An acceptance that nobody answers until the tenant's ladder has been climbed by a step."""
    climbed = "SELECT 1 FROM messaging_escalation WHERE instruction_id = %s"

    async def waits(id_: str) -> None:
        await until(lambda: cast.query(climbed, id_), "a step of the ladder")

    await answer_by_api(cast, waits)


async def answer_by_api(
    cast: Cast, meanwhile: Callable[[str], Awaitable[None]] | None = None
) -> None:
    """An acceptance that is answered by the API in its control point's stead."""
    rig, tenant = cast.rig, "alder"
    point, unit = rig.tenant(tenant)["controlPoints"][1]["name"], rig.units(tenant)[3]
    held, since = rig.control_point(tenant, answer=lambda _: None), last_noted(rig)
    async with cast.lock(point), held:
        shown = await asyncio.to_thread(rig.dispatch, unit, point, wait=0)
        number = shown["acceptanceNumber"]
        place = f"instructions?bm_unit={unit}&kind=BOA&limit=500"

        def mine() -> list[Any]:
            rows = ask(rig, tenant, "GET", place)["results"]
            return [row for row in rows if row["number"] == number]

        (row,) = await until(mine, f"acceptance {number} of {unit}")
        if meanwhile is not None:
            await meanwhile(row["id"])
        await _post(rig, tenant, f"instructions/{row['id']}/accept", {})
        wanted = {"acceptanceNumber": number, "bmUnit": unit, "verdict": "ACCEPTED"}
        got = await until(
            lambda: payloads(rig, since, **wanted), f"the answer to {number} of {unit}"
        )
        if len(got) != 1:
            raise NotDone(f"{len(got)} answers to {number} of {unit}")


async def abandon(cast: Cast) -> None:
    """A redeclaration that a person holds back and then stops: its control point is told."""
    rig, tenant, since = cast.rig, "alder", now()
    name, unit = rig.tenant(tenant)["controlPoints"][1]["name"], rig.units(tenant)[2]
    hold = await _post(rig, tenant, "holds", {"bm_unit": unit, "reason": "rehearsed"})
    waiting = (
        "SELECT d.id FROM messaging_delivery d JOIN messaging_message m ON m.id = d.message_id"
        " WHERE m.bm_unit = %s AND m.received_at >= %s AND d.state = 'HELD'"
    )
    await asyncio.sleep(HOLD_SECONDS)
    async with cast.lock(name), rig.control_point(tenant) as point:
        parameter, value = ScalarParameter.NDZ, cast.next_value()
        number = await point.redeclare(ScalarRedeclaration(name, unit, parameter, value))
        ((id_,),) = await until(lambda: cast.query(waiting, unit, since), f"{value} held")
        await _post(rig, tenant, f"deliveries/{id_}/abandon", {"reason": "rehearsed"})
        told = await asyncio.wait_for(point.result(number, final=True), PATIENCE)
    await _post(rig, tenant, f"holds/{hold['id']}/release", {"reason": "rehearsed"})
    if told.verdict is not ResultVerdict.REFUSE:
        raise NotDone(f"of what was stopped, {name} was told {told.verdict}")


async def telephone(cast: Cast) -> None:
    """An announced outage that begins now and is called off: control points are told of both."""
    async with cast.lock(OPERATOR):
        await _telephone(cast)


async def _telephone(cast: Cast) -> None:
    rig, tenant = cast.rig, "alder"
    text = "NESO_Redeclaration\\nis out until further notice"
    at = (now() - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    wanted = {"environment": "simulator", "text": text, "starts_at": at}
    posted = await _post(rig, tenant, "outage-notices", wanted)
    state = "SELECT 1 FROM messaging_outagenotice WHERE id = %s AND state = %s"
    await until(lambda: cast.query(state, posted["id"], "ON"), "telephone mode")
    await _post(rig, tenant, f"outage-notices/{posted['id']}/cancel", {})
    await until(lambda: cast.query(state, posted["id"], "OVER"), "the end of telephone mode")


async def _post(rig: Rig, tenant: str, path: str, body: dict[str, Any]) -> Any:
    content, key = json.dumps(body).encode(), str(uuid4())
    return await asyncio.to_thread(ask, rig, tenant, "POST", path, content, key=key)


async def upload(cast: Cast) -> None:
    """Two assets to be registered, with a new token."""
    await _upload(cast, "token_expired")


async def upload_asked(cast: Cast) -> None:
    """Two whose batch return does not come, so that the platform is asked."""
    await _upload(cast, "receipt_missing")


async def _upload(cast: Cast, trouble: str) -> None:
    rig, tenant = cast.rig, "alder"
    first = 10_000 + 10 * cast.next_turn() + 100_000 * cast.chance.randrange(1000)
    content = table([asset(first), asset(first + 1)])
    path = "smp/uploads?file_name=assets.csv"
    async with cast.failing(trouble, ASSET, times=1):
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
    await by_api(cast, 1)

    def all_posted() -> bool:
        made, pending, _ = cast.query(states)[0]
        return bool(made > before and not pending)

    await until(all_posted, "the last post of a webhook")
    if cast.query(states)[0][2] != failed:
        raise NotDone("an event was given up for a webhook")
