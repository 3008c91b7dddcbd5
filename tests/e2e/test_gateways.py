"""Several gateways: a control point whose gateway is killed, frozen, or cut off from the database
or the broker goes on at another, or at the same one, and nothing is lost or goes twice.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from messaging.domain.acknowledgements import ResultVerdict
from messaging.domain.instructions import BidOfferAcceptance
from messaging.rehearsal.control_point import ControlPoint
from tests.cable import Cable
from tests.e2e.bad_input import RawLink, Said, connect, context_of
from tests.e2e.processes import Beside, beside
from tests.e2e.rig import Rig, boa, mel, run
from tests.e2e.test_main_job import at_the_operator

pytestmark = pytest.mark.xdist_group("stack")

TENANT, POINT, UNIT = "birch", "BRCH2", "BRCH-F02"
GATEWAY = ("run_gateway", "HOSTSVC_EDL_LISTEN")


@pytest.fixture
def gateway(stack: Rig) -> Iterator[Beside]:
    """Beside the stack's own, to be killed."""
    with beside(stack, *GATEWAY) as another:
        yield another


def own_port(stack: Rig) -> int:
    port: int = stack.service["edl"]["port"]
    return port


def link_at(stack: Rig, port: int, tenant: str = TENANT) -> RawLink:
    point = stack.tenant(tenant)["controlPoints"][1]
    context = context_of(stack, point["certificate"], point["key"])
    return connect(stack, context, point["name"], port=port)


def ready(link: RawLink) -> RawLink:
    """As one that knows nothing of what came before. What waited for it is acknowledged."""
    assert link.greet().type == "READY"
    return link


def lamp(stack: Rig) -> str:
    place = f"links/{stack.endpoint(TENANT, POINT)['id']}"
    shown: str = stack.api(TENANT, "GET", place)["lamp"]
    return shown


def levels_at_the_operator(stack: Rig, unit: str = UNIT) -> list[int]:
    got = at_the_operator(stack, type="redeclaration", bmUnit=unit)
    return [payload["levels"][0]["levelFrom"] for payload in got if "levels" in payload]


def ndz(value: int) -> tuple[str, str]:
    return "NDZ", f"{UNIT:9}{value:6d}"


async def burst(stack: Rig) -> list[Any]:
    """An acceptance for each unit of the tenant's larger control point, all at once: what the
    simulator knows of each when the host has answered.
    """
    units = stack.units(TENANT, 0)
    instructions = [boa(unit, "BRCH1") for unit in units]
    told = await asyncio.to_thread(
        stack.control, "POST", "/burst", {"instructions": instructions, "wait": 0}
    )
    return [{**one, "bmUnit": unit} for unit, one in zip(units, told, strict=True)]


def arrivals_of(point: ControlPoint, told: list[Any]) -> list[tuple[str, int, int, bool]]:
    """Unit, acceptance number, log number, and whether it was a repeat."""
    wanted = {(one["bmUnit"], one["acceptanceNumber"]) for one in told}
    return [
        (a.message.bm_unit, a.message.number, a.number, a.repeated)
        for a in point.received
        if isinstance(a.message, BidOfferAcceptance)
        and (a.message.bm_unit, a.message.number) in wanted
    ]


def test_a_gateway_killed_with_instructions_in_flight_costs_none_and_repeats_none(
    stack: Rig, gateway: Beside
) -> None:
    async def work() -> tuple[list[Any], ControlPoint]:
        ports = [gateway.port, own_port(stack)]
        async with stack.control_point(TENANT, 0, ports=ports) as point:
            await point.wait_ready()
            numbers = [await point.redeclare(mel("BRCH1", "BRCH-001", 501))]
            first = asyncio.create_task(burst(stack))
            await point.wait_for(lambda a: isinstance(a.message, BidOfferAcceptance))
            gateway.process.send_signal(signal.SIGKILL)
            numbers += [
                await point.redeclare(mel("BRCH1", "BRCH-001", 501 + later, later))
                for later in (1, 2)
            ]
            told = [*await first, *await burst(stack)]
            for one in told:
                shown = await asyncio.to_thread(
                    stack.control, "GET", f"/dispatch/{one['messageId']}?wait=30"
                )
                assert shown["response"]["verdict"] == "ACCEPTED"
            for number in numbers:
                assert (await point.result(number, final=True)).verdict is ResultVerdict.OK
        return told, point

    told, point = run(work)
    came = arrivals_of(point, told)
    firsts = Counter((unit, number) for unit, number, _, repeated in came if not repeated)
    assert set(firsts.values()) == {1}
    assert len(firsts) == len(told) == 50
    assert len({(unit, number, log) for unit, number, log, _ in came}) == len(told)
    assert levels_at_the_operator(stack, "BRCH-001")[-3:] == [501, 502, 503]


def everything_heard(link: RawLink) -> list[Said]:
    """Until the host closes the link."""
    heard = []
    while True:
        try:
            heard.append(link.hear())
        except OSError:
            return heard


def test_a_frozen_gateway_can_neither_take_nor_give_once_another_has_the_link(
    stack: Rig, gateway: Beside
) -> None:
    with ready(link_at(stack, gateway.port)) as frozen, ThreadPoolExecutor(1) as threads:
        assert frozen.say_next(*ndz(1)).type == "ACK"
        gateway.process.send_signal(signal.SIGSTOP)
        frozen.say(*ndz(2), frozen.number + 1)
        with ready(link_at(stack, own_port(stack))) as live:
            assert live.number == frozen.number
            assert live.say_next(*ndz(3)).type == "ACK"
            asked = threads.submit(stack.dispatch, UNIT, POINT, wait=20)
            while (said := live.hear()).type != "BOAI":
                live.say("ACK", "OK  ", 0, said.number)
            gateway.process.send_signal(signal.SIGCONT)
            heard = everything_heard(frozen)
            assert [one for one in heard if one.reply == live.number] == []
            assert [one for one in heard if one.type == "BOAI"] == []
            live.say("ACK", "OK  ", 0, said.number)
            number = said.data[9:19]
            answered = live.say_next("ACCEPT", f"{UNIT:9}{number}{'':64}", said.number)
            assert answered.type == "ACK"
            assert asked.result()["response"]["verdict"] == "ACCEPTED"
    stack.until(lambda: at_the_operator(stack, parameter="NDZ", bmUnit=UNIT)[-1]["value"] == 3)
    values = [got["value"] for got in at_the_operator(stack, parameter="NDZ", bmUnit=UNIT)]
    assert values[-2:] == [1, 3]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_what_a_dead_gateway_held_is_down_and_alarmed_and_goes_on_at_a_live_one(
    stack: Rig, gateway: Beside, end: signal.Signals
) -> None:
    with stack.endpoint_set(TENANT, POINT, alarm_seconds=1), ThreadPoolExecutor(1) as threads:
        held = ready(link_at(stack, gateway.port))
        stack.until(lambda: lamp(stack) == "UP")
        before = len(stack.alarms(TENANT, POINT))
        gateway.process.send_signal(end)
        began = time.monotonic()
        stack.until(lambda: lamp(stack) == "DOWN")
        print(f"its link was down after {time.monotonic() - began:.2f} s")
        stack.until(lambda: len(stack.alarms(TENANT, POINT)) > before)
        asked = threads.submit(stack.dispatch, UNIT, POINT, wait=20)
        asked_number = stack.until(lambda: waiting(stack))
        with ready(link_at(stack, own_port(stack))) as live:
            while (said := live.hear()).type != "BOAI":
                live.say("ACK", "OK  ", 0, said.number)
            live.say("ACK", "OK  ", 0, said.number)
            live.say_next("ACCEPT", f"{UNIT:9}{said.data[9:19]}{'':64}", said.number)
            assert asked.result()["response"]["verdict"] == "ACCEPTED"
            assert asked_number == 1
            assert lamp(stack) == "UP"
            gateway.process.send_signal(signal.SIGCONT)
            with held:
                assert held.is_closed()
            assert live.say_next(*ndz(4)).type == "ACK"
        lost, back = stack.alarms(TENANT, POINT)[before:]
        assert (lost["alarm"], back["alarm"]) == ("link lost", "link restored")
        assert back["down_seconds"] >= 1
    if end is signal.SIGSTOP:
        stack.until(lambda: serves(stack, gateway))


def test_a_gateway_that_lapsed_frozen_writes_nothing_that_it_was_given_before(
    stack: Rig, gateway: Beside
) -> None:
    """Its control point waits on the link all the while, and no other gateway has it."""
    with ready(link_at(stack, gateway.port)) as frozen, ThreadPoolExecutor(1) as threads:
        stack.until(lambda: lamp(stack) == "UP")
        gateway.process.send_signal(signal.SIGSTOP)
        asked = threads.submit(stack.dispatch, UNIT, POINT, wait=20)
        # Where the machine is slow it may have lapsed before, and have been given no number.
        stack.until(lambda: waiting(stack, "CLAIMED") or waiting(stack))
        stack.until(lambda: lamp(stack) == "DOWN")
        gateway.process.send_signal(signal.SIGCONT)
        assert [one for one in everything_heard(frozen) if one.type == "BOAI"] == []
        with ready(link_at(stack, own_port(stack))) as live:
            while (said := live.hear()).type != "BOAI":
                live.say("ACK", "OK  ", 0, said.number)
            live.say("ACK", "OK  ", 0, said.number)
            live.say_next("ACCEPT", f"{UNIT:9}{said.data[9:19]}{'':64}", said.number)
            assert asked.result()["response"]["verdict"] == "ACCEPTED"


def waiting(stack: Rig, state: str = "PENDING") -> int:
    """Messages that wait for the link without a number, or with one, for their answer."""
    (count,) = stack.query(
        "SELECT count(*) FROM messaging_delivery d JOIN tenants_endpoint e ON e.id = d.endpoint_id"
        " WHERE e.name = %s AND d.lane = 'link' AND d.state = %s",
        POINT,
        state,
    )[0]
    return int(count)


def serves(stack: Rig, gateway: Beside) -> bool:
    try:
        with link_at(stack, gateway.port) as again:
            return again.greet().type == "READY" and again.say_next(*ndz(5)).type == "ACK"
    except OSError:
        return False


@pytest.fixture
def database_cable(stack: Rig) -> Iterator[Cable]:
    with Cable(stack.environment["DATABASE_URL"]) as cable:
        yield cable


@pytest.fixture
def broker_cable(stack: Rig) -> Iterator[Cable]:
    with Cable(stack.environment["REDIS_URL"]) as cable:
        yield cable


def test_a_gateway_without_its_database_acknowledges_nothing_and_lets_go_of_its_links(
    stack: Rig, database_cable: Cable
) -> None:
    """A short absence is ridden out; in a longer one the control point goes on elsewhere, and a
    link on which nothing is said is let go as well.
    """

    async def work(gateway: Beside) -> None:
        ports = [gateway.port, own_port(stack)]
        async with stack.control_point(TENANT, ports=ports) as point:
            await point.wait_ready()
            database_cable.cut()
            await asyncio.sleep(1)
            database_cable.mend()
            number = await point.redeclare(mel(POINT, UNIT, 511))
            assert (await point.result(number, final=True)).verdict is ResultVerdict.OK
            assert point.links == 1
            database_cable.cut()
            number = await point.redeclare(mel(POINT, UNIT, 512))
            assert (await point.result(number, final=True)).verdict is ResultVerdict.OK
            assert point.links == 2

    with (
        beside(stack, *GATEWAY, DATABASE_URL=database_cable.url) as gateway,
        ready(link_at(stack, gateway.port, "alder")) as idle,
    ):
        run(lambda: work(gateway))
        assert idle.is_closed()
        database_cable.mend()
    assert levels_at_the_operator(stack)[-2:] == [511, 512]


def test_a_gateway_without_its_broker_still_takes_and_gives(
    stack: Rig, broker_cable: Cable
) -> None:
    async def work(gateway: Beside) -> Any:
        async with stack.control_point(TENANT, ports=[gateway.port]) as point:
            await point.wait_ready()
            broker_cable.cut()
            number = await point.redeclare(mel(POINT, UNIT, 521))
            told = await asyncio.to_thread(stack.dispatch, UNIT, POINT, wait=20)
            assert (await point.result(number, final=True)).verdict is ResultVerdict.OK
            broker_cable.mend()
            return told

    with beside(stack, *GATEWAY, REDIS_URL=broker_cable.url) as gateway:
        told = run(lambda: work(gateway))
    assert told["response"]["verdict"] == "ACCEPTED"


def test_a_control_point_that_does_not_read_is_slowed_by_tcp_and_takes_bounded_memory(
    stack: Rig, gateway: Beside
) -> None:
    """It says more than is stored in the time; what it may not say yet waits in its own socket."""
    with ready(link_at(stack, gateway.port)) as link:
        before, taken = gateway.resident(), 0
        link.link.settimeout(1.0)
        piece = b"".join(text(link.number + n) for n in range(1, 2001))
        with suppress(TimeoutError):
            for _ in range(400):
                link.link.sendall(piece)
                taken += len(piece)
        assert taken < 32 * 2**20, "all that it has to say is taken"
        assert gateway.most_resident() - before < 64 * 1024
        link.link.settimeout(20)
        # It can't acknowledge what it hears meanwhile: nothing more is taken from it yet.
        while (said := link.hear()).reply != link.number + 1:
            pass
        assert said.type == "ACK"


def text(number: int) -> bytes:
    sent_at = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    return f"{POINT:6}^{'TEXT':6}{number:08d}{sent_at}{0:08d}^{'much to say':200}^\n".encode()
